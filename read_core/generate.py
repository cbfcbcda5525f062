"""From a portrait file and a recording to an MP4, clip by clip."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from .checks import check_seed, check_size, check_steps
from .errors import ReadError, ReadWarning
from .finish import Finish, Finishing
from .geometry import (
    FPS,
    SAMPLE_RATE,
    check_window,
    clips_of_latents,
    frames_of_latents,
    latents_of_frames,
    padded_latents,
)
from .media import VideoWriter, check_output, file_track, read_image, read_track
from .media.files import check_input
from .media.partial import check_unclaimed
from .records import FaceChoice
from .usage import (
    out_of_memory,
    peak_device_memory,
    peak_host_memory,
    recent_device_memory,
    recent_host_memory,
    restart_peaks,
    settle,
)
from .version import __version__

if TYPE_CHECKING:
    from .ans import Guidance
    from .ans.reverse import Order
    from .checkpoint import Prompt
    from .pipeline import ReadPipeline
    from .records import Reference, SpeechCodes

_PROBE_LATENTS = 4


@dataclass(frozen=True)
class Job:
    """What to make; None means the checkpoint's default.

    Attributes:
        portrait: any image, or a video whose first frame is taken.
        speech: any audio file, or a video with sound.
        out: ``*.mp4``.
        size: (height, width) that the model works at, multiples of 32.
        fit: "face", "crop", "pad" or "stretch", see ``ReadPipeline.encode_reference``.
        face: which face, or where it is.
        finishing: detail, the way back into the original picture, and the size of the result.
        order: "clips" writes each clip when it is finished, in memory that does not grow; "steps" and
            "wavefront" sample the whole video before the first frame is written.
        track: number of the audio track, from 1; None: the one that the file flags as default, or its first.
    """

    portrait: Path
    speech: Path
    out: Path
    steps: int | None = None
    guidance: Guidance | None = None
    window: int | None = None
    seed: int = 0
    size: tuple[int, int] | None = None
    fit: str | None = None
    face: FaceChoice = field(default_factory=FaceChoice)
    finishing: Finishing = field(default_factory=Finishing)
    order: Order = "clips"
    overwrite: bool = False
    track: int | None = None


@dataclass(frozen=True)
class Estimate:
    """What a job is expected to take.

    Attributes:
        num_frames: of the video.
        size: (height, width) of it.
        clips: of the sampler.
        steps: per clip.
        window: latents per clip.
        sampling: seconds that the sampler will take.
        decoding: seconds that the decoder will take.
        finishing: seconds for detail and the way back into the original picture.
        memory: bytes of main memory, the models included; None where the system does not tell.
        device_memory: bytes of GPU memory; None without a GPU.
    """

    num_frames: int
    size: tuple[int, int]
    clips: int
    steps: int
    window: int
    sampling: float
    decoding: float
    memory: int | None
    device_memory: int | None
    finishing: float = 0.0

    @property
    def seconds(self) -> float:
        """All together."""
        return self.sampling + self.decoding + self.finishing


@dataclass(frozen=True)
class Report:
    """What a job took.

    Attributes:
        path: the video.
        num_frames: of it.
        seconds: from reading the inputs to the finished file; the checkpoint was loaded before.
        memory: the most main memory held, in bytes; None where the system does not tell.
        device_memory: the most GPU memory held, in bytes; None without a GPU.
    """

    path: Path
    num_frames: int
    seconds: float
    memory: int | None
    device_memory: int | None

    @property
    def duration(self) -> float:
        """Seconds of video."""
        return self.num_frames / FPS

    @property
    def real_time_factor(self) -> float:
        """Seconds taken per second of video; below 1 is faster than real time."""
        return self.seconds / self.duration


class Interrupted(KeyboardInterrupt):
    """Ctrl-C while generating; the text says what was kept."""


def check_job(job: Job) -> None:
    """Find out all that can be found out without a model.

    Raises:
        MediaError: a missing input, or an output that cannot be written, is being written by another process
            or would replace one of the inputs.
        InputError: a value out of range.
    """
    inputs = (check_input(job.portrait, "an image"), check_input(job.speech, "a recording"))
    check_output(job.out, ".mp4", job.overwrite, inputs)
    check_unclaimed(job.out)
    check_seed(job.seed)
    if job.size is not None:
        check_size(job.size)
    if job.steps is not None:
        check_steps(job.steps)
    if job.window is not None:
        check_window(job.window)


def generate(
    pipe: ReadPipeline,
    job: Job,
    on_estimate: Callable[[Estimate], None] | None = None,
    on_step: Callable[[int, int], None] | None = None,
    on_frames: Callable[[Tensor], None] | None = None,
    on_window: Callable[[int, int], None] | None = None,
) -> Report:
    """Make the video of a job.

    Args:
        pipe: the loaded pipeline.
        job: what to make.
        on_estimate: called before sampling begins.
        on_step: on_step(done, total), called after each step of each clip.
        on_frames: called with each piece of what the model makes, (F, H, W, 3), 0..1, without detail and
            not in the original picture, after it is written.
        on_window: on_window(done, total), called after each piece of the recording is encoded, before the
            estimate.

    Raises:
        ReadError: an unusable input or value, a full disk, too little memory; nothing is kept.
        Interrupted: Ctrl-C; what was finished is kept as ``<stem>.partial.mp4``.
    """
    started = time.perf_counter()
    check_job(job)
    job = _resolved(pipe, job)
    assert job.size is not None
    assert job.window is not None
    portrait, track = read_image(job.portrait), file_track(job.speech, job.track)
    waveform = read_track(track)
    writer = None
    try:
        reference = pipe.encode_reference(portrait, job.size, job.fit, job.face)
        finish = pipe.finish(reference, portrait, job.finishing, job.fit)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "the waveform is silent", ReadWarning)  # read_track has said it
            speech = pipe.encode_speech(waveform, SAMPLE_RATE, on_window, job.window, keep_on="cpu")
        del waveform
        if on_estimate is not None:
            found = estimate(
                pipe,
                speech,
                reference,
                job.steps,
                job.guidance,
                job.window,
                job.seed,
                job.order,
                finish=finish,
            )
            on_estimate(found)
        writer = VideoWriter(
            job.out, finish.size, track, synthesis_tags(pipe, job.out.stem, vars(job)), job.overwrite
        )
        with writer:
            for frames in _frames(pipe, job, speech, reference, on_step):
                for pictures in finish(frames):
                    writer.write(pictures)
                if on_frames is not None:
                    on_frames(frames)
    except KeyboardInterrupt as interrupt:
        if writer is None or writer.kept is None:
            raise Interrupted("nothing was kept") from interrupt
        kept = f"{writer.num_frames / FPS:.2f} s of video are kept in {writer.kept}"
        raise Interrupted(kept) from interrupt
    except (MemoryError, OSError, RuntimeError) as error:
        trouble = out_of_memory(error)
        if trouble is None:
            raise
        raise ReadError(f"{trouble}; choose a smaller size or window, or the order clips") from error
    seconds = time.perf_counter() - started
    return Report(job.out, speech.num_frames, seconds, peak_host_memory(), peak_device_memory())


def estimate(  # noqa: PLR0913
    pipe: ReadPipeline,
    speech: SpeechCodes,
    reference: Reference,
    steps: int | None = None,
    guidance: Guidance | None = None,
    window: int | None = None,
    seed: int = 0,
    order: Order = "clips",
    text: Prompt | None = None,
    finish: Finish | None = None,
) -> Estimate:
    """Time one step of one clip and the decoding of a few latents, and scale them to the whole video.

    Args: as :meth:`ReadPipeline.sample`; ``finish``: what is done to the frames afterwards.
    """
    steps = pipe.defaults.steps if steps is None else steps
    window = pipe.defaults.window if window is None else window
    latents = latents_of_frames(speech.num_frames)
    clips = clips_of_latents(latents, window)
    one_clip = replace(speech, num_frames=min(speech.num_frames, frames_of_latents(window)))
    restart_peaks()
    before = _peaks()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ReadWarning)  # they come again when the work begins
        for _ in range(2 if torch.cuda.is_available() else 1):  # a GPU's first run is slower than the others
            started = time.perf_counter()
            sample = pipe.sample(one_clip, reference, 1, guidance, window, seed, text=text)
            settle(sample)
    sampled, during = time.perf_counter(), _peaks()
    probe = sample[:, :, :_PROBE_LATENTS]
    frames = pipe.decode(probe, frames_of_latents(probe.shape[2]), seed)
    settle(frames)
    decoded = time.perf_counter()
    finishing = 0.0 if finish is None else _time_of_finishing(finish, frames) * speech.num_frames
    after = _peaks()
    settings = pipe.defaults.decode
    per_latent = (decoded - sampled) / probe.shape[2] * (1 + 2 * settings.halo / settings.chunk)
    # What one clip takes, for those beside it; and the whole video's noise, latents and copies.
    under_way = min(steps, clips) if order == "wavefront" else 1
    whole = 0 if order == "clips" else 4 * padded_latents(latents, window) * reference.latent[0].nbytes
    memory, device_memory = (
        None if last is None else last + (under_way - 1) * ((most or 0) - (first or 0)) + whole
        for first, most, last in zip(before, during, after, strict=True)
    )
    height, width = reference.image.shape[:2]
    return Estimate(
        num_frames=speech.num_frames,
        size=(height, width) if finish is None else finish.size,
        clips=clips,
        steps=steps,
        window=window,
        sampling=clips * steps * (sampled - started),
        decoding=latents * per_latent,
        memory=memory,
        device_memory=device_memory,
        finishing=finishing,
    )


def _time_of_finishing(finish: Finish, frames: Tensor) -> float:
    """Seconds per frame, from the first few."""
    started = time.perf_counter()
    pictures = next(finish(frames))
    settle(pictures)
    return (time.perf_counter() - started) / len(pictures)


def _peaks() -> tuple[int | None, int | None]:
    return recent_host_memory(), recent_device_memory()


def _frames(
    pipe: ReadPipeline,
    job: Job,
    speech: SpeechCodes,
    reference: Reference,
    on_step: Callable[[int, int], None] | None,
) -> Iterator[Tensor]:
    """The video in pieces (n, H, W, 3), F frames in all, as early as the order allows."""

    def step(done: int, total: int, _: Tensor | None) -> None:
        if on_step is not None:
            on_step(done, total)

    if job.order == "clips":
        yield from pipe.stream(speech, reference, job.steps, job.guidance, job.window, job.seed, step)
        return
    latents = pipe.sample(
        speech, reference, job.steps, job.guidance, job.window, job.seed, step, order=job.order
    )
    yield from pipe.decode_stream(latents, speech.num_frames, job.seed)


def _resolved(pipe: ReadPipeline, job: Job) -> Job:
    """The job with the checkpoint's defaults filled in."""
    defaults = pipe.defaults
    return replace(
        job,
        steps=defaults.steps if job.steps is None else job.steps,
        guidance=defaults.guidance if job.guidance is None else job.guidance,
        window=defaults.window if job.window is None else job.window,
        size=pipe.card.resolution if job.size is None else job.size,
    )


def synthesis_tags(pipe: ReadPipeline, title: str, settings: Mapping[str, Any]) -> dict[str, str]:
    """What every file says of itself: that it is synthesised, and how.

    Args:
        settings: ``seed``, ``steps``, ``window`` and ``guidance``; None: the checkpoint's.
    """
    guidance = settings["guidance"] or pipe.defaults.guidance
    scales = " ".join(f"{name}={value}" for name, value in guidance.to_dict().items())
    return {
        "title": title,
        "comment": (
            f"Synthesised video: not a recording of a person. READ {__version__}, "
            f"checkpoint {pipe.card.name}, seed {settings['seed']}, "
            f"steps {settings['steps'] or pipe.defaults.steps}, "
            f"window {settings['window'] or pipe.defaults.window}, guidance {scales}"
        ),
    }
