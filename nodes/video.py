"""Node READ Talking Head to File: portrait and speech of any length to a video file."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from comfy.cli_args import args
from comfy_api.latest import InputImpl, io, ui

from ..read_core.limits import OUTPUT_SIZE, PASTED_SIDE, PORTRAIT_SIDE
from ..read_core.memory import detail_memory
from ..read_core.records import FaceChoice
from .discovery import FILE, found_by
from .encode import (
    FOUND,
    chosen_fit,
    encode_recording,
    face_inputs,
    size_inputs,
    speech_inputs,
    video_size,
)
from .feedback import Progress, Remarks, end_previews, input_named, show_text
from .files import FRAME_RATES, QUALITY, Target, file_inputs, prefix_of, target_of
from .incoming import image_of
from .live import live_input, playing
from .placement import place
from .sample import (
    conditioning_input,
    estimate_text,
    sampling_inputs,
    sampling_settings,
    settings_text,
    speed_text,
    timed,
    working_memory,
)
from .sockets import Models, ReadModels
from .switches import AUTO, BLINKS, CHOICES, HEAD_MOTION, switch_input

if TYPE_CHECKING:
    from ..read_core import ReadPipeline, Reference, SpeechCodes
    from ..read_core.finish import Finish, Finishing
    from ..read_core.media import VideoWriter
    from ..read_core.records import ResolvedSettings

_LARGEST = (PORTRAIT_SIDE, PORTRAIT_SIDE)  # largest size of a face whose detail is restored


class TalkingHeadToFile(io.ComfyNode):
    """Encode, sample, decode and write clip by clip."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="READ_TalkingHeadToFile",
            display_name="READ Talking Head to File",
            category="READ",
            description="Makes a talking head in an MP4 from one portrait and one recording (lip sync, "
            "avatar, audio to video), clip by clip in constant memory: the whole picture with the speaking "
            "face, or only the face. After an interrupt the finished part stays as a .partial.mp4 that can "
            "be played.",
            **found_by(*FILE, essential=True),
            is_output_node=True,
            hidden=[io.Hidden.prompt, io.Hidden.extra_pnginfo],
            inputs=[
                Models.Input("models", tooltip="From Load READ Models."),
                io.Image.Input("image", tooltip="A portrait of any size: a face that looks into the camera."),
                io.Audio.Input("audio", tooltip="Speech, mono or stereo, any rate, any length."),
                io.String.Input(
                    "filename_prefix",
                    default="video/READ",
                    tooltip="Name in the output folder. %year%, %month%, %day%, %hour%, %minute%, %second%, "
                    "%width% and %height% are replaced, and also %date:yyyy-MM-dd% and %Node title.widget% "
                    "as in core's nodes.",
                ),
                *speech_inputs(),
                *size_inputs(),
                *sampling_inputs(),
                conditioning_input(),
                *finishing_inputs(),
                *face_inputs(),
                *file_inputs(),
                live_input(),
                switch_input("blinks", BLINKS),
                switch_input("head_motion", HEAD_MOTION),
            ],
            outputs=[io.Video.Output(display_name="video", tooltip="The written file.")],
        )

    @classmethod
    def execute(
        cls,
        models: ReadModels,
        image: Any,
        audio: Any,
        filename_prefix: str,
        start: float,
        duration: float,
        normalize_loudness: bool,
        audio_scale: float,
        silence_gate: float,
        width: int,
        height: int,
        fit: str,
        seed: int,
        steps: int,
        window: int,
        guidance: dict[str, Any] | None = None,
        conditioning: list[Any] | None = None,
        detail: str = AUTO,
        paste_back: str = AUTO,
        output_size: int = 0,
        face_index: int = FOUND.index,
        face_x: float = FOUND.x,
        face_y: float = FOUND.y,
        face_size: float = FOUND.size,
        index: int = 0,
        crf: int = QUALITY,
        fps: str = FRAME_RATES[0],
        save: bool = True,
        live: bool = True,
        blinks: str = AUTO,
        head_motion: str = AUTO,
    ) -> io.NodeOutput:
        from ..read_core.generate.job import estimate
        from ..read_core.speech.prepare import Preparation

        pipe, remarks, started = models.pipe, Remarks(), time.perf_counter()
        settings = sampling_settings(pipe, seed, steps, window, guidance, conditioning)
        prefix, size = prefix_of(filename_prefix, cls.hidden.prompt, save), video_size(models, width, height)
        finishing = _finishing(pipe, fit, seed, output_size, detail, paste_back, blinks, head_motion)
        with input_named("image"):
            picture, face = image_of(image, index), FaceChoice(face_index, face_x, face_y, face_size)
            _place(models, settings, size, finishing)
            reference = pipe.encode_reference(picture, size, chosen_fit(fit), face, on_warning=remarks)
            finish = pipe.finish(reference, picture, finishing)
        target, chosen = target_of(prefix, finish.size, crf, fps, save), settings_text(settings, size)
        heard = Preparation(normalize_loudness, audio_scale, silence_gate)
        speech, waveform, rate = encode_recording(
            models, audio, (start, duration), heard, remarks, settings.window, "cpu"
        )
        expected = estimate(pipe, speech, reference, settings, finish, streamed=True)
        show_text(f"{chosen} {estimate_text(speech.num_frames, expected.clips, expected.memory)}", remarks)
        writer = _writer(cls, target, pipe, finish.size, (waveform, rate), settings, remarks)
        _write(pipe, speech, reference, settings, finish, writer, chosen, remarks, live)
        took, (height, width) = speed_text(speech.num_frames, time.perf_counter() - started), finish.size
        show_text(f"{chosen} {took} The video is {width} x {height}, {target.fps} per second.", remarks)
        end_previews()
        return io.NodeOutput(InputImpl.VideoFromFile(str(target.path)), ui=ui.PreviewVideo([target.saved]))


def finishing_inputs() -> list[io.Input]:
    """Widgets for detail, paste-back and size. Optional, since older prompts and graphs lack them.

    The page gives such a graph the defaults, so the defaults must not change a graph with the fit ``crop``.
    """
    return [
        switch_input(
            "detail",
            "Adds the portrait's detail to the video: sharp and larger. auto: with fit face, if the "
            "checkpoint was trained on aligned faces.",
        ),
        switch_input(
            "paste_back",
            "on: the whole picture with the speaking face; off: only the face. auto: on with fit face.",
        ),
        io.Int.Input(
            "output_size",
            default=0,
            min=0,
            max=OUTPUT_SIZE.largest,
            step=2,
            optional=True,
            tooltip=f"Longest side of the video, from {OUTPUT_SIZE.least}; width and height become even. 0: "
            f"for the whole picture its size, at most {PASTED_SIDE}; for only the face the portrait's "
            f"resolution, at most {PORTRAIT_SIDE}, or without detail the model's size.",
        ),
    ]


def _finishing(
    pipe: ReadPipeline,
    fit: str,
    seed: int,
    output_size: int,
    detail: str,
    paste_back: str,
    blinks: str,
    head_motion: str,
) -> Finishing:
    """Convert the widgets, with ``auto`` of detail and paste-back resolved."""
    from ..read_core.finish import Finishing

    with input_named("output_size"):
        chosen = Finishing(
            detail=CHOICES[detail],
            paste_back=CHOICES[paste_back],
            size=output_size or None,
            blinks=CHOICES[blinks],
            seed=seed,
            head_motion=CHOICES[head_motion],
        )
    return chosen.resolved(chosen_fit(fit) or pipe.own_fit, pipe.card.face is not None)


def _place(
    models: ReadModels, settings: ResolvedSettings, size: tuple[int, int], finishing: Finishing
) -> None:
    from ..read_core.face.paste import at_once

    sampling = models.for_sampling(settings.guidance)
    patchers, needed = [models.speech, models.vae, *sampling, models.finder], 0
    if finishing.detail or finishing.blinks is not False:
        patchers, needed = [*patchers, *models.for_finishing], at_once(_LARGEST) * detail_memory(_LARGEST)
    place(*patchers, activations=max(working_memory(models.pipe, settings, size), needed))


def _writer(
    node: type[io.ComfyNode],
    target: Target,
    pipe: ReadPipeline,
    size: tuple[int, int],
    sound: tuple[torch.Tensor, int],
    settings: ResolvedSettings,
    remarks: Remarks,
) -> VideoWriter:
    """A video writer whose file stores how it was made and, like the host's files, its workflow."""
    from ..read_core.generate.job import synthesis_tags
    from ..read_core.media import VideoWriter, waveform_track

    tags = synthesis_tags(pipe, target.path.stem, settings)
    if not args.disable_metadata:
        workflow = {"prompt": node.hidden.prompt, **(node.hidden.extra_pnginfo or {})}
        tags |= {name: json.dumps(value) for name, value in workflow.items() if value is not None}
    track = waveform_track(*sound, remarks)
    return VideoWriter(target.path, size, track, tags, crf=target.crf, fps=target.fps, on_warning=remarks)


def _write(
    pipe: ReadPipeline,
    speech: SpeechCodes,
    reference: Reference,
    settings: ResolvedSettings,
    finish: Finish,
    writer: VideoWriter,
    chosen: str,
    remarks: Remarks,
    live: bool,
) -> None:
    """Sample, decode, finish and write clip by clip."""
    from ..read_core.media.rate import HeldFrames

    progress = _Progress(pipe.preview, speech.num_frames if finish.busy else 0)
    share = pipe.share_of_step(reference, settings)
    hold, step = HeldFrames(writer.fps), timed(progress, pipe, chosen, remarks, share)
    with playing(writer.partial, live), _keeping(writer):
        for frames in pipe.stream(speech, reference, settings, step, remarks):
            for _, pictures in finish.with_faces(frames):
                progress.finished(len(pictures))
                writer.write(hold(pictures))


@contextmanager
def _keeping(writer: VideoWriter) -> Iterator[None]:
    """Close the file; if anything interrupts or fails, keep the finished part and say where it is."""
    writer.keep = True
    try:
        yield
        writer.close()
    except BaseException:
        try:
            writer.abort(partial=True)
        finally:
            if writer.kept is not None:
                seconds = writer.num_frames / writer.fps
                show_text(f"{seconds:.2f} s of video are kept in {writer.kept}.")
        raise


class _Progress(Progress):
    """Progress over steps and, with detail or paste-back, frames.

    Args:
        frames: number of frames to finish; 0: frames need no finishing.
    """

    def __init__(self, preview: Callable[[torch.Tensor], torch.Tensor] | None, frames: int) -> None:
        super().__init__(preview)
        self.frames, self.steps, self.at = frames, (0, 1), 0

    def __call__(self, done: int, total: int, finished: torch.Tensor | None = None) -> None:
        self.steps = done, total
        super().__call__(done + self.at, total + self.frames, finished)

    def finished(self, frames: int) -> None:
        """Count ``frames`` more finished frames."""
        if self.frames:
            self.at = min(self.at + frames, self.frames)
            self(*self.steps)
