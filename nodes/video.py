"""READ Talking Head to File: the short road, for speech of any length."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
from comfy.cli_args import args
from comfy_api.latest import InputImpl, io, ui

from .discovery import FILE, found_by
from .encode import (
    chosen_face,
    chosen_fit,
    encode_recording,
    face_inputs,
    size_inputs,
    speech_inputs,
    video_size,
)
from .feedback import Progress, about, end_previews, say, warnings_said
from .files import Target, file_inputs, target_of
from .incoming import image_of
from .naming import filled_in
from .placement import detail_memory, place
from .sample import (
    conditioning_input,
    estimate_text,
    sampling_inputs,
    sampling_settings,
    settings_text,
    speed_text,
    working_memory,
)
from .sockets import Models, ReadModels

if TYPE_CHECKING:
    from ..read_core import Reference, SpeechCodes
    from ..read_core.finish import Finish, Finishing
    from ..read_core.media import VideoWriter

CHOICES = {"auto": None, "on": True, "off": False}
_LARGEST = (1024, 1024)  # pixels of a face whose detail is restored


class TalkingHeadToFile(io.ComfyNode):
    """Everything at once; a clip is on the disk before the next is sampled."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="READ_TalkingHeadToFile",
            display_name="READ Talking Head to File",
            category="READ",
            description="One portrait and one recording to a talking head in an MP4 (lip sync, avatar, audio "
            "to video), written clip by clip in constant memory: the whole picture with the speaking face in "
            "it, or the face alone. After an interrupt what is finished stays as a .partial.mp4 that plays.",
            **found_by(*FILE, essential=True),
            is_output_node=True,
            hidden=[io.Hidden.prompt, io.Hidden.extra_pnginfo],
            inputs=[
                Models.Input("models", tooltip="From Load READ Models."),
                io.Image.Input("image", tooltip="A portrait of any size: a face that looks at you."),
                io.Audio.Input("audio", tooltip="Speech, mono or stereo, any rate, seconds to an hour."),
                io.String.Input(
                    "filename_prefix",
                    default="video/READ",
                    tooltip="Name in the output folder. %year%, %month%, %day%, %hour%, %minute%, %second%, "
                    "%width% and %height% are filled in, and as in core's nodes %date:yyyy-MM-dd% and "
                    "%Node title.widget%.",
                ),
                *speech_inputs(),
                *size_inputs(),
                *sampling_inputs(),
                conditioning_input(),
                *finishing_inputs(),
                *face_inputs(),
                *file_inputs(),
            ],
            outputs=[io.Video.Output(display_name="video", tooltip="The file that was written.")],
        )

    @classmethod
    def execute(
        cls, models: ReadModels, image: Any, audio: Any, filename_prefix: str, **how: Any
    ) -> io.NodeOutput:
        settings, pipe, started = sampling_settings(models.pipe, how), models.pipe, time.perf_counter()
        prefix = filled_in(filename_prefix, cls.hidden.prompt)
        with about("image"):
            picture = image_of(image, how.get("index", 0))
        finishing, size = _finishing(models, how), video_size(models, how["width"], how["height"])
        _place(models, settings, size, finishing)
        chosen = settings_text(pipe, settings, size)
        with warnings_said() as remarks:
            reference, finish = _portrait(models, picture, how, finishing)
            target = target_of(prefix, finish.size, how)
            window = settings["window"] or pipe.defaults.window
            speech, sound, rate = encode_recording(models, audio, how, max_window=window, keep_on="cpu")
            say(f"{chosen} {estimate_text(pipe, speech, reference, settings, finish=finish)}", remarks)
            writer = _writer(cls, target, models, finish.size, (sound, rate), settings)
            _write(models, speech, reference, settings, finish, writer)
        height, width = finish.size
        took = speed_text(speech.num_frames, time.perf_counter() - started)
        say(f"{chosen} {took} The video is {width} x {height}, {target.fps} per second.", remarks)
        end_previews()
        return io.NodeOutput(InputImpl.VideoFromFile(str(target.path)), ui=ui.PreviewVideo([target.saved]))


def finishing_inputs() -> list[io.Input]:
    """Widgets on what is done to the frames; prompts and graphs made before them lack them.

    The page gives such a graph the defaults, so these must leave a graph with the fit ``crop`` as it was.
    """
    choices: dict[str, Any] = {"options": list(CHOICES), "default": "auto", "optional": True}
    return [
        io.Combo.Input(
            "detail",
            **choices,
            tooltip="Give the video the portrait's own detail, sharp and larger. auto: with fit face, where "
            "the checkpoint was trained on aligned faces.",
        ),
        io.Combo.Input(
            "paste_back",
            **choices,
            tooltip="on: the whole picture with the speaking face in it; off: the face alone. auto: on with "
            "fit face.",
        ),
        io.Int.Input(
            "output_size",
            default=0,
            min=0,
            max=4096,
            step=2,
            optional=True,
            tooltip="Longest side of the video, from 64; width and height become even. 0: the picture's own, "
            "1920 at most; of the face alone the portrait's own with detail, 1024 at most, else the model's.",
        ),
    ]


def _finishing(models: ReadModels, how: dict[str, Any]) -> Finishing:
    """The widgets of :func:`finishing_inputs`, with ``auto`` resolved."""
    from ..read_core.finish import Finishing

    with about("output_size"):
        chosen = Finishing(
            CHOICES[how.get("detail", "auto")],
            CHOICES[how.get("paste_back", "auto")],
            how.get("output_size") or None,
        )
    fit = chosen_fit(how["fit"]) or models.pipe.own_fit
    return chosen.resolved(fit, models.pipe.card.face is not None)


def _place(models: ReadModels, settings: dict[str, Any], size: tuple[int, int], finishing: Finishing) -> None:
    patchers, needed = [models.speech, models.vae, models.transformer, models.finder], 0
    if finishing.detail:
        patchers, needed = [*patchers, *models.for_detail], detail_memory(_LARGEST)
    place(*patchers, activations=max(working_memory(models, settings, size), needed))


def _portrait(
    models: ReadModels, image: torch.Tensor, how: dict[str, Any], finishing: Finishing
) -> tuple[Reference, Finish]:
    """The reference as the widgets want it, and what makes the result from decoded frames."""
    size, fit = video_size(models, how["width"], how["height"]), chosen_fit(how["fit"])
    with about("image"):
        reference = models.pipe.encode_reference(image, size, fit, chosen_face(how))
        return reference, models.pipe.finish(reference, image, finishing, fit)


def _writer(
    node: type[io.ComfyNode],
    target: Target,
    models: ReadModels,
    size: tuple[int, int],
    sound: tuple[torch.Tensor, int],
    settings: dict[str, Any],
) -> VideoWriter:
    """A file that says how it was made and, as the host's own do, carries its workflow."""
    from ..read_core.generate import synthesis_tags
    from ..read_core.media import VideoWriter, waveform_track

    tags = synthesis_tags(models.pipe, target.path.stem, settings)
    if not args.disable_metadata:
        workflow = {"prompt": node.hidden.prompt, **(node.hidden.extra_pnginfo or {})}
        tags |= {name: json.dumps(value) for name, value in workflow.items() if value is not None}
    track = waveform_track(*sound)
    return VideoWriter(target.path, size, track, tags, crf=target.crf, fps=target.fps)


def _write(
    models: ReadModels,
    speech: SpeechCodes,
    reference: Reference,
    settings: dict[str, Any],
    finish: Finish,
    writer: VideoWriter,
) -> None:
    """Sample, decode, finish and write clip by clip; what is finished is kept, whatever ends the work."""
    from ..read_core.media.rate import HeldFrames

    progress, held = (
        _Progress(models.pipe.preview, speech.num_frames if finish.busy else 0),
        HeldFrames(writer.fps),
    )
    with writer:
        try:
            for frames in models.pipe.stream(speech, reference, on_step=progress, **settings):
                for pictures in finish(frames):
                    progress.finished(len(pictures))
                    writer.write(held(pictures))
        except BaseException:
            kept = writer.abort(partial=True)
            if kept is not None:
                say(f"{writer.num_frames / writer.fps:.2f} s of video are kept in {kept}.")
            raise


class _Progress(Progress):
    """Progress over steps and, where there is something to finish, frames.

    Args:
        frames: to finish; 0: they pass as they are.
    """

    def __init__(self, preview: Callable[[torch.Tensor], torch.Tensor] | None, frames: int) -> None:
        super().__init__(preview)
        self.frames, self.steps, self.at = frames, (0, 1), 0

    def __call__(self, done: int, total: int, finished: torch.Tensor | None = None) -> None:
        self.steps = done, total
        super().__call__(done + self.at, total + self.frames, finished)

    def finished(self, frames: int) -> None:
        """So many more frames are finished."""
        if self.frames:
            self.at = min(self.at + frames, self.frames)
            self(*self.steps)
