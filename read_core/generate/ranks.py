"""Make one video with the processes that torchrun started: all sample, the first one decodes and writes."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import torch
import torch.distributed as dist

from ..ans.ranks import Ring
from ..errors import ignore
from ..geometry import SAMPLE_RATE
from ..media import read_audio, read_image

if TYPE_CHECKING:
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


def assist(pipe: ReadPipeline, job: Job) -> None:
    """Sample this rank's clips of a job that rank 0 writes and warns about.

    Raises:
        ReadError: as ``job.generate``.
    """
    settings = job.settings.resolved(pipe.defaults)
    reference = pipe.encode_reference(
        read_image(job.portrait, ignore), job.size, job.fit, job.face, on_warning=ignore
    )
    waveform = read_audio(job.speech, number=job.track, on_warning=ignore)
    speech = pipe.encode_speech(waveform, SAMPLE_RATE, None, settings.window, "cpu", ignore)
    pipe.sample(speech, reference, settings, on_warning=ignore)
