"""From a portrait file and a recording to an MP4, clip by clip."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from torch import Tensor

from ..checks import check_size
from ..errors import OnWarning, ReadError, ignore, once, warn
from ..finish import Finish, Finishing
from ..geometry import FPS, SAMPLE_RATE, clips_of_latents, latents_of_frames
from ..media import VideoWriter, check_output, file_track, read_image, read_track
from ..media.files import check_input
from ..media.partial import check_unclaimed
from ..memory import decoding_memory, latents_memory, sampling_memory, weights_memory
from ..records import FaceChoice, ResolvedSettings, SamplingSettings
from ..usage import StepTimer, out_of_memory, peak_device_memory, peak_host_memory
from ..version import __version__

if TYPE_CHECKING:
    from ..pipeline import ReadPipeline
    from ..records import Reference, SpeechCodes


@dataclass(frozen=True)
class Job:
    """What to make; None means the checkpoint's default.

    Attributes:
        portrait: any image, or a video whose first frame is taken.
        speech: any audio file, or a video with sound.
        out: ``*.mp4``.
        settings: how to sample. The order ``clips`` writes each clip when it is finished, in memory that does
            not grow; the others sample the whole video before the first frame is written.
        size: (height, width) that the model works at, multiples of 32.
        fit: "face", "crop", "pad" or "stretch", see ``ReadPipeline.encode_reference``.
        face: which face, or where it is.
        finishing: detail, the way back into the original picture, and the size of the result.
        overwrite: replace ``out``.
        track: number of the audio track, from 1; None: the one that the file flags as default, or its first.
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


@dataclass(frozen=True)
class Estimate:
    """What a job is expected to take, known before it begins.

    Attributes:
        num_frames: of the video.
        size: (height, width) of it.
        clips: of the sampler.
        steps: per clip.
        window: latents per clip.
        memory: bytes that the models and the work take, Python and its libraries not counted.
        device: whose memory that is, as ``cpu`` or ``cuda``.
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
        on_time: called once with the seconds that sampling takes, see :class:`read_core.usage.StepTimer`.
        on_warning: called with each warning, once.

    Raises:
        ReadError: an unusable input or value, a full disk, too little memory; nothing is kept.
        Interrupted: Ctrl-C; what was finished is kept as ``<stem>.partial.mp4``.
    """
    started = time.perf_counter()
    check_job(job)
    settings, on_warning = job.settings.resolved(pipe.defaults), once(on_warning)
    portrait = read_image(job.portrait, on_warning)
    track = file_track(job.speech, job.track, on_warning)
    waveform = read_track(track)
    writer = None
    try:
        reference = pipe.encode_reference(portrait, job.size, job.fit, job.face, on_warning=on_warning)
        finish = pipe.finish(reference, portrait, job.finishing, job.fit)
        # What there is to warn of, reading the track has said.
        speech = pipe.encode_speech(waveform, SAMPLE_RATE, on_window, settings.window, "cpu", ignore)
        del waveform
        if on_estimate is not None:
            on_estimate(estimate(pipe, speech, reference, settings, finish, settings.order == "clips"))
        tags = synthesis_tags(pipe, job.out.stem, settings)
        writer = VideoWriter(job.out, finish.size, track, tags, job.overwrite, on_warning=on_warning)
        timer = StepTimer(pipe.transformer.device, on_time)

        def step(done: int, total: int, _: Tensor | None) -> None:
            timer(done, total)
            if on_step is not None:
                on_step(done, total)

        with writer:
            if settings.order == "clips":
                video = pipe.stream(speech, reference, settings, step, on_warning)
            else:
                latents = pipe.sample(speech, reference, settings, step, on_warning)
                video = pipe.decode_stream(latents, speech.num_frames, settings.seed)
            for frames in video:
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


def estimate(
    pipe: ReadPipeline,
    speech: SpeechCodes,
    reference: Reference,
    settings: SamplingSettings,
    finish: Finish | None = None,
    streamed: bool = False,
) -> Estimate:
    """What a video will take, by arithmetic: nothing is run.

    Args:
        pipe: the loaded pipeline.
        speech: of the video.
        reference: of the video.
        settings: how it is sampled.
        finish: what is done to the frames afterwards.
        streamed: the latents are handed on clip by clip, so that the whole video's are never held.
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
    behind = decoding_memory(pipe.vae, size) + (0 if finish is None else finish.memory)
    models = pipe.features.encoder, pipe.speech_ae, pipe.vae.vae, pipe.transformer, pipe.detail
    codes = speech.codes.nbytes if speech.codes.device == device else 0
    return Estimate(
        num_frames=speech.num_frames,
        size=size if finish is None else finish.size,
        clips=clips,
        steps=chosen.steps,
        window=chosen.window,
        memory=weights_memory(*models) + codes + latents + max(sampling, behind),
        device=device.type,
    )


def synthesis_tags(pipe: ReadPipeline, title: str, settings: ResolvedSettings) -> dict[str, str]:
    """What every file says of itself: that it is synthesised, and how."""
    scales = " ".join(f"{name}={value}" for name, value in settings.guidance.to_dict().items())
    return {
        "title": title,
        "comment": (
            f"Synthesised video: not a recording of a person. READ {__version__}, "
            f"checkpoint {pipe.card.name}, seed {settings.seed}, "
            f"steps {settings.steps}, window {settings.window}, guidance {scales}"
        ),
    }
