"""Node READ Check: measures a finished video."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import TYPE_CHECKING, Any

import torch
from comfy_api.latest import io, ui

from ..read_core.limits import WINDOW
from .discovery import LIP_SYNC, found_by
from .feedback import Progress, Remarks, input_named, show_text
from .incoming import counted, frames_of, image_of, recording
from .sockets import Models, ReadModels

if TYPE_CHECKING:
    from ..read_core.face.finder import Faces


class Check(io.ComfyNode):
    """Measure how well a talking head follows its sound; plot it."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="READ_Check",
            display_name="READ Check",
            category="READ",
            description="Measures whether the lips of a talking head follow the sound (lip sync): mouth and "
            "loudness, blinks, jumps where clips meet, drift of face and color. It reads photographed and "
            "drawn faces.",
            **found_by(*LIP_SYNC, "sync score", "measure"),
            is_output_node=True,
            inputs=[
                io.Image.Input("images", tooltip="The frames, 25 per second."),
                io.Audio.Input("audio", tooltip="The sound of these frames."),
                io.Int.Input(
                    "window",
                    default=16,
                    min=0,
                    max=WINDOW.largest,
                    tooltip="Latents per clip in sampling: it tells where clips meet. 0: the window of the "
                    "checkpoint in models.",
                ),
                io.Image.Input(
                    "reference",
                    display_name="portrait",
                    optional=True,
                    tooltip="The portrait as the model sees it. Without it the first frame is used.",
                ),
                Models.Input("models", optional=True, tooltip="Needed if window is 0."),
            ],
            outputs=[
                io.Image.Output(
                    display_name="plot", tooltip="Mouth opening and loudness over time, and the numbers."
                ),
                io.String.Output(display_name="report", tooltip="The numbers, one per line."),
                io.Float.Output(
                    display_name="follows", tooltip="Correlation of mouth and loudness, -1 to 1."
                ),
                io.Int.Output(
                    display_name="lag", tooltip="Frames by which the mouth is late; negative: early."
                ),
            ],
        )

    @classmethod
    def execute(
        cls,
        images: torch.Tensor,
        audio: dict[str, Any],
        window: int,
        reference: torch.Tensor | None = None,
        models: ReadModels | None = None,
    ) -> io.NodeOutput:
        from ..read_core.evaluation.video_check import check_video, frame_loudness
        from ..read_core.geometry import check_window

        remarks = Remarks()
        if models is not None:
            window = _window(window, models, remarks)
        check_window(window)
        with input_named("audio"):
            waveform, rate = recording(audio)
        with input_named("images"):
            frames = frames_of(images)[..., :3].float().cpu()
        with input_named("portrait"):
            portrait = None if reference is None else image_of(reference, 0)[..., :3].cpu()
        with input_named("images and audio"):
            loudness = frame_loudness(waveform, rate, len(frames))
            found = check_video(frames, loudness, window, portrait, _finding(len(frames)))
        numbers = f"follows {found.follows:.2f}, lag {counted(found.lag, 'frame')}"
        show_text(f"{numbers}, likeness {found.likeness:.2f}", remarks)
        plot, report = found.plot()[None], "\n".join([found.text(), *remarks.texts])
        return io.NodeOutput(plot, report, found.follows, found.lag, ui=ui.PreviewImage(plot, cls=cls))


def _window(chosen: int, models: ReadModels, remarks: Remarks) -> int:
    """The chosen window, or for 0 the checkpoint's; warn if they differ."""
    own = models.pipe.defaults.window
    if chosen not in (0, own):
        remarks(
            f"window is {chosen}, but that of {models.pipe.card.name} is {own}: where clips meet "
            f"is read at wrong frames unless the sampler's window was {chosen}; 0 is the checkpoint's"
        )
    return chosen or own


def _finding(frames: int) -> Callable[[torch.Tensor], Faces]:
    """A face finder that advances the progress bar; it is called once for each of ``frames`` frames."""
    from ..read_core.face.finder import find_faces

    progress, seen = Progress(), count(1)

    def find(image: torch.Tensor) -> Faces:
        progress(next(seen), frames)
        return find_faces(image)

    return find
