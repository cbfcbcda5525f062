"""Generate an MP4 from a portrait file and a recording, clip by clip."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from torch import Tensor

from ..checks import check_size
from ..errors import OnWarning, ReadError, ignore, once, warn
from ..finish import Finish, Finishing
from ..geometry import FPS, SAMPLE_RATE, clips_of_latents, latents_of_clips, latents_of_frames
from ..media import VideoWriter, check_output, file_track, read_image, read_track
from ..media.files import check_input
from ..media.partial import check_unclaimed
from ..memory import (
    chunk_pixels,
    conditions_memory,
    decoding_memory,
    latents_memory,
    pictures_memory,
    rounded_memory,
    sampling_memory,
    waiting_memory,
    weights_memory,
)
from ..records import FaceChoice, ResolvedSettings, SamplingSettings
from ..usage import ModuleTimer, StepTimer, out_of_memory, peak_device_memory, peak_host_memory
from ..version import __version__
from .runtime import Runtime, runtime_path
from .turns import finished_in_turn, turns_memory

if TYPE_CHECKING:
    from ..ans import OnStep
    from ..pipeline import ReadPipeline
    from ..records import Reference, SpeechCodes


@dataclass(frozen=True)
class Job:
    """A video to generate; None means the checkpoint's default.

    Attributes:
        portrait: any image, or a video, whose first frame is used.
        speech: any audio file, or a video with sound.
        out: ``*.mp4``.
        settings: how to sample. The order ``clips`` writes each clip when it is finished, in constant memory.
            The others sample the whole video before they write the first frame.
        size: (height, width) of the model's frames, multiples of 32.
        fit: "face", "crop", "pad" or "stretch", see ``ReadPipeline.encode_reference``.
        face: number or place of the face.
        finishing: detail, blinks, paste-back, and the size of the result; the seed of ``settings`` counts.
        overwrite: replace ``out``.
        track: number of the audio track, from 1; None: the track flagged as default, else the first.
        runtime: measure the seconds of the network and in all, and write them next to the video, see
            :mod:`read_core.generate.runtime`. With several processes, the network's are those of the first.
    """

    portrait: Path
    speech: Path
    out: Path
    settings: SamplingSettings = field(default_factory=SamplingSettings)
    size: tuple[int, int] | None = None
    fit: str | None = None
    face: FaceChoice = field(default_factory=FaceChoice)
    finishing: Finishing = field(default_factory=Finishing)
    overwrite: bool = False
    track: int | None = None
    runtime: bool = False


@dataclass(frozen=True)
class Estimate:
    """Expected work of a job, computed before it starts.

    Attributes:
        num_frames: frames of the video.
        size: (height, width) of the video.
        clips: clips to sample.
        steps: steps per clip.
        window: latents per clip.
        memory: bytes that the models and the work need, without Python and its libraries.
        device: device of that memory, for example ``cpu`` or ``cuda``.
    """

    num_frames: int
    size: tuple[int, int]
    clips: int
    steps: int
    window: int
    memory: int
    device: str


@dataclass(frozen=True)
class Report:
    """Time and memory used by a job.

    Attributes:
        path: the video.
        num_frames: frames of the video.
        seconds: time from reading the inputs to the finished file, without loading the checkpoint.
        memory: peak main memory in bytes; None if the system does not report it.
        device_memory: peak GPU memory in bytes; None without a GPU.
        backbone_seconds: time of the diffusion network alone; None: ``Job.runtime`` did not ask for it.
    """

    path: Path
    num_frames: int
    seconds: float
    memory: int | None
    device_memory: int | None
    backbone_seconds: float | None = None

    @property
    def duration(self) -> float:
        """Seconds of video."""
        return self.num_frames / FPS

    @property
    def real_time_factor(self) -> float:
        """Seconds taken per second of video; below 1 is faster than real time."""
        return self.seconds / self.duration


class Interrupted(KeyboardInterrupt):
    """Raised after Ctrl-C while generating; the text says what was kept."""


def check_job(job: Job) -> None:
    """Validate the job before loading a model.

    Raises:
        MediaError: an input is missing; or an output cannot be written, is being written by another process
            or would replace an input.
        InputError: a value is out of range.
    """
    inputs = (check_input(job.portrait, "an image"), check_input(job.speech, "a recording"))
    check_output(job.out, ".mp4", job.overwrite, inputs)
    check_unclaimed(job.out)
    if job.runtime:
        check_output(runtime_path(job.out), ".json", job.overwrite, inputs)
    if job.size is not None:
        check_size(job.size)


def generate(
    pipe: ReadPipeline,
    job: Job,
    on_estimate: Callable[[Estimate], None] | None = None,
    on_step: Callable[[int, int], None] | None = None,
    on_frames: Callable[[Tensor], None] | None = None,
    on_window: Callable[[int, int], None] | None = None,
    on_time: Callable[[float], None] | None = None,
    on_warning: OnWarning = warn,
) -> Report:
    """Generate the video of a job.

    Args:
        pipe: the loaded pipeline. With a ring, the others call ``generate.ranks.assist``; the whole video is
            sampled before the first frame is written, and all ranks decode and finish in turn.
        job: the job.
        on_estimate: called before sampling starts.
        on_step: called as on_step(done, total) after each step of each clip.
        on_frames: called with each piece of the video, (n, h, w, 3), 0..1, after the encoder has it: the
            face with its detail and blinks, not pasted back.
        on_window: called as on_window(done, total) after each encoded window of the recording, before the
            estimate.
        on_time: called once with the estimated seconds of sampling, see :class:`read_core.usage.StepTimer`.
        on_warning: called once for each warning.

    Raises:
        ReadError: an input or value is unusable, or there is too little memory; nothing is kept.
        MediaError: the disk is full or the video cannot be written. The message says where the finished part
            is, or that nothing was kept.
        Interrupted: Ctrl-C; the finished part is kept as ``<stem>.partial.mp4``.
    """
    started = time.perf_counter()
    check_job(job)
    settings, on_warning = job.settings.resolved(pipe.defaults), once(on_warning)
    portrait = read_image(job.portrait, on_warning)
    track = file_track(job.speech, job.track, on_warning)
    waveform = read_track(track)
    writer = None
    backbone = ModuleTimer(pipe.transformer)
    try:
        reference = pipe.encode_reference(portrait, job.size, job.fit, job.face, on_warning=on_warning)
        finishing = replace(job.finishing, seed=settings.seed)
        finish = pipe.finish(reference, portrait, finishing)
        # Reading the track has already warned.
        speech = pipe.encode_speech(waveform, SAMPLE_RATE, on_window, settings.window, "cpu", ignore)
        del waveform
        if on_estimate is not None:
            streamed = _is_streamed(pipe, settings)
            on_estimate(estimate(pipe, speech, reference, settings, finish, streamed))
        tags = synthesis_tags(pipe, job.out.stem, settings)
        writer = VideoWriter(
            job.out, finish.size, track, tags, job.overwrite, keep=True, on_warning=on_warning
        )
        timer = StepTimer(pipe.transformer.device, on_time, pipe.share_of_step(reference, settings))

        def step(done: int, total: int, _: Tensor | None) -> None:
            timer(done, total)
            if on_step is not None:
                on_step(done, total)

        with writer, backbone if job.runtime else nullcontext():
            for faces, pictures in _finished(pipe, speech, reference, settings, finish, step, on_warning):
                writer.write(pictures)
                if on_frames is not None:
                    on_frames(faces)
    except KeyboardInterrupt as interrupt:
        if writer is None or writer.kept is None:
            raise Interrupted("nothing was kept") from interrupt
        kept = f"{writer.num_frames / FPS:.2f} s of video are kept in {writer.kept}"
        raise Interrupted(kept) from interrupt
    except (MemoryError, OSError, RuntimeError) as error:
        trouble = out_of_memory(error)
        if trouble is None:
            raise
        raise ReadError(f"{trouble}; choose a smaller result or window, or the order clips") from error
    seconds = time.perf_counter() - started
    if job.runtime:
        Runtime(backbone.seconds, seconds).save(job.out)
    elif job.overwrite:
        runtime_path(job.out).unlink(missing_ok=True)  # of the replaced video
    return Report(
        path=job.out,
        num_frames=speech.num_frames,
        seconds=seconds,
        memory=peak_host_memory(),
        device_memory=peak_device_memory(),
        backbone_seconds=backbone.seconds if job.runtime else None,
    )


def _is_streamed(pipe: ReadPipeline, settings: ResolvedSettings) -> bool:
    """Whether each clip is decoded when it is sampled; else sampling comes first."""
    return settings.order == "clips" and pipe.ring is None


def _finished(
    pipe: ReadPipeline,
    speech: SpeechCodes,
    reference: Reference,
    settings: ResolvedSettings,
    finish: Finish,
    on_step: OnStep,
    on_warning: OnWarning,
) -> Iterator[tuple[Tensor, Tensor]]:
    """Faces and pictures of the whole video, see ``Finish.with_faces``."""
    if _is_streamed(pipe, settings):
        video = pipe.stream(speech, reference, settings, on_step, on_warning)
    else:
        latents = pipe.sample(speech, reference, settings, on_step, on_warning)
        if pipe.ring is not None:
            yield from finished_in_turn(pipe, pipe.ring, latents, speech.num_frames, settings.seed, finish)
            return
        video = pipe.decode_stream(latents, speech.num_frames, settings.seed)
    for frames in video:
        yield from finish.with_faces(frames)


def estimate(
    pipe: ReadPipeline,
    speech: SpeechCodes,
    reference: Reference,
    settings: SamplingSettings,
    finish: Finish | None = None,
    streamed: bool = False,
) -> Estimate:
    """Estimate the work for a video, by arithmetic: nothing is run.

    Args:
        pipe: the loaded pipeline.
        speech: the speech codes.
        reference: the portrait.
        settings: how to sample.
        finish: how the frames are finished.
        streamed: latents are decoded clip by clip, so those of the whole video are never held.
    """
    chosen = settings.resolved(pipe.defaults)
    height, width = reference.image.shape[:2]
    size = (height, width)
    clips = clips_of_latents(latents_of_frames(speech.num_frames), chosen.window)
    device = pipe.transformer.device
    latents = latents_memory(
        pipe.transformer.config.in_channels, chosen.window, size, 1 if streamed else clips
    )
    sampling = sampling_memory(pipe.transformer, pipe.prompt, chosen, size, clips)
    decoding = decoding_memory(pipe.vae, size)
    frames = pictures_memory(chunk_pixels(pipe.vae, size))
    finishing = frames + rounded_memory(pipe.vae) + (0 if finish is None else finish.memory)
    if pipe.ring is not None and finish is not None:
        total = 1 + latents_of_clips(clips, chosen.window)
        finishing += turns_memory(pipe, total, speech.num_frames, pipe.ring.size, finish)
    if streamed:  # both wait for each other and keep what they need for what follows
        sampling += frames + rounded_memory(pipe.vae)
        conditions = conditions_memory(pipe.transformer, pipe.prompt, chosen, size, clips)
        decoding, finishing = decoding + conditions, finishing + conditions
    waiting = 0
    if device.type == "cpu":  # one piece is encoded while the next is made
        finished = None if finish is None or not finish.busy else finish.pixels
        waiting = waiting_memory(finished or chunk_pixels(pipe.vae, size))
    models = (
        pipe.features.encoder,
        pipe.speech_ae,
        pipe.vae.vae,
        pipe.transformer,
        pipe.detail,
        pipe.eyelids,
        pipe.student,
    )
    codes = speech.codes.nbytes if speech.codes.device == device else 0
    return Estimate(
        num_frames=speech.num_frames,
        size=size if finish is None else finish.size,
        clips=clips,
        steps=chosen.steps,
        window=chosen.window,
        memory=weights_memory(*models) + codes + latents + waiting + max(sampling, decoding, finishing),
        device=device.type,
    )


def synthesis_tags(pipe: ReadPipeline, title: str, settings: ResolvedSettings) -> dict[str, str]:
    """Metadata tags of every file: that it is synthesized, and how."""
    scales = " ".join(f"{name}={value}" for name, value in settings.guidance.to_dict().items())
    until = f" until {settings.guidance_end:g} of the steps" if settings.guidance_end < 1 else ""
    return {
        "title": title,
        "comment": (
            f"Synthesized video: not a recording of a person. READ {__version__}, "
            f"checkpoint {pipe.card.name}, seed {settings.seed}, "
            f"steps {settings.steps}, window {settings.window}, guidance {scales}{until}"
        ),
    }
