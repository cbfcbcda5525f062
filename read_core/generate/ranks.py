"""Make one video with the processes that torchrun started; the first one writes it.

They share the clips of a video, and then take turns in decoding and finishing. Or they share the latents of
every clip, and the first process does everything after sampling.
"""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING

import torch
import torch.distributed as dist
from torch import Tensor

from ..ans.ranks import Ring
from ..errors import ignore
from ..geometry import SAMPLE_RATE
from ..media import read_audio, read_image
from .turns import finished_in_turn

if TYPE_CHECKING:
    from ..ans import OnStep
    from ..pipeline import ReadPipeline
    from .job import Job


def start_ring(device: torch.device | None) -> tuple[Ring | None, torch.device | None]:
    """The ring of torchrun's processes, and this process's device; without torchrun no ring.

    With GPUs, each process takes the one of its number on its machine.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        return None, device
    on_gpu = torch.cuda.is_available() and (device is None or device.type == "cuda")
    if on_gpu:
        device = torch.device("cuda", int(os.environ["LOCAL_RANK"]))
        torch.cuda.set_device(device)
    dist.init_process_group("nccl" if on_gpu else "gloo")
    return Ring(device if on_gpu and device is not None else torch.device("cpu")), device


def leave_together(done: int, total: int, _clean: Tensor | None = None) -> None:
    """An ``on_step``: after the last step wait for all processes, since who leaves closes its connections."""
    if done == total:
        dist.barrier()


def assist(pipe: ReadPipeline, job: Job, on_step: OnStep | None = None) -> None:
    """Do this rank's part of a job that rank 0 writes and warns about.

    Args:
        pipe: with a ring, or with a transformer whose clips are shared.
        job: the job.
        on_step: see ``ReadPipeline.sample``.

    Raises:
        ReadError: as ``job.generate``.
    """
    settings = job.settings.resolved(pipe.defaults)
    portrait = read_image(job.portrait, ignore)
    reference = pipe.encode_reference(portrait, job.size, job.fit, job.face, on_warning=ignore)
    waveform = read_audio(job.speech, number=job.track, on_warning=ignore)
    speech = pipe.encode_speech(waveform, SAMPLE_RATE, None, settings.window, "cpu", ignore)
    latents = pipe.sample(speech, reference, settings, on_step, on_warning=ignore)
    if pipe.ring is not None:
        finish = pipe.finish(reference, portrait, replace(job.finishing, seed=settings.seed))
        for _ in finished_in_turn(pipe, pipe.ring, latents, speech.num_frames, settings.seed, finish):
            pass  # only rank 0 is given pictures
