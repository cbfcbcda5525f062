"""Node READ Restore Detail."""

from __future__ import annotations

from typing import TYPE_CHECKING

import comfy.model_management as mm
import torch
from comfy_api.latest import io

from ..read_core.limits import OUTPUT_SIZE, PORTRAIT_SIDE, SEED
from .discovery import found_by
from .feedback import Progress, input_named, show_text
from .incoming import counted, frames_of
from .placement import check_room, place
from .sockets import Models, Portrait, ReadModels
from .switches import AUTO, BLINKS, CHOICES, HEAD_MOTION, switch_input

if TYPE_CHECKING:
    from ..read_core import Reference
    from ..read_core.finish import Finishing

CHUNK = 16  # frames on the device at once


class RestoreDetail(io.ComfyNode):
    """Give decoded frames the portrait's detail, add blinks, and move the head."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="READ_RestoreDetail",
            display_name="READ Restore Detail",
            category="READ",
            description="Gives decoded frames the portrait's detail: sharp, and larger. Lips "
            "stay as the model moves them. Closes the eyelids now and then, if the checkpoint can, and moves "
            "the head a little.",
            **found_by("upscale face", "face restore", "sharpen talking head"),
            inputs=[
                Models.Input("models", tooltip="From Load READ Models."),
                io.Image.Input("images", tooltip="The unchanged frames of READ Temporal VAE Decode."),
                Portrait.Input(
                    "reference", tooltip="From READ Encode Reference: the same one as for the sampler."
                ),
                io.Int.Input(
                    "size",
                    display_name="output_size",
                    default=0,
                    min=0,
                    max=OUTPUT_SIZE.largest,
                    step=2,
                    tooltip=f"Longest side of the result, from {OUTPUT_SIZE.least}; 0: the resolution of the "
                    f"portrait, at most {PORTRAIT_SIDE}.",
                ),
                switch_input("blinks", BLINKS),
                io.Int.Input(
                    "blink_seed",
                    display_name="motion_seed",
                    default=0,
                    min=SEED.least,
                    max=SEED.largest,
                    optional=True,
                    tooltip="The same seed gives the same blinks and the same head motion. READ Talking Head "
                    "to File takes its own seed.",
                ),
                switch_input("head_motion", HEAD_MOTION),
            ],
            outputs=[
                io.Image.Output(
                    display_name="images", tooltip="The same number of frames, sharper and larger."
                )
            ],
        )

    @classmethod
    def execute(
        cls,
        models: ReadModels,
        images: torch.Tensor,
        reference: Reference,
        size: int,
        blinks: str = AUTO,
        blink_seed: int = 0,
        head_motion: str = AUTO,
    ) -> io.NodeOutput:
        with input_named("images"):
            frames_of(images)
        with input_named("output_size"):
            finishing = _finishing(size, blinks, blink_seed, head_motion)
        finish = models.pipe.finish(reference, None, finishing)
        check_room(len(images), finish.size, "a smaller output_size")
        place(*models.for_finishing, activations=finish.memory)
        restored = torch.empty((len(images), *finish.size, 3), device=mm.intermediate_device())
        progress, done = Progress(), 0
        for frames in torch.split(images[..., :3], CHUNK):
            for few in finish(frames.to(mm.get_torch_device(), torch.float32)):
                restored[done : done + len(few)] = few
                done += len(few)
                progress(done, len(images))
        show_text(f"{counted(len(images), 'frame')} of {finish.size[1]} x {finish.size[0]} pixels.")
        return io.NodeOutput(restored)


def _finishing(size: int, blinks: str, seed: int, head_motion: str) -> Finishing:
    """Convert the widgets."""
    from ..read_core.finish import Finishing

    return Finishing(
        detail=True,
        paste_back=False,
        size=size or None,
        blinks=CHOICES[blinks],
        seed=seed,
        head_motion=CHOICES[head_motion],
    )
