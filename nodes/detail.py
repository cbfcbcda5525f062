"""Node READ Restore Detail."""

from __future__ import annotations

from typing import TYPE_CHECKING

import comfy.model_management as mm
import torch
from comfy_api.latest import io

from ..read_core.limits import OUTPUT_SIZE, PORTRAIT_SIDE
from .discovery import found_by
from .feedback import Progress, input_named, show_text
from .incoming import counted, frames_of
from .placement import check_room, place
from .sockets import Models, Portrait, ReadModels

if TYPE_CHECKING:
    from ..read_core import Reference

CHUNK = 16  # frames on the device at once


class RestoreDetail(io.ComfyNode):
    """Give decoded frames the portrait's detail."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="READ_RestoreDetail",
            display_name="READ Restore Detail",
            category="READ",
            description="Gives decoded frames the portrait's detail: sharp, and larger. Lips and eyelids "
            "stay as the model moves them.",
            **found_by("upscale face", "face restore", "sharpen talking head"),
            inputs=[
                Models.Input("models", tooltip="From Load READ Models."),
                io.Image.Input("images", tooltip="The unchanged frames of READ Temporal VAE Decode."),
                Portrait.Input(
                    "reference", tooltip="From READ Encode Reference: the same one as for the sampler."
                ),
                io.Int.Input(
                    "size",
                    default=0,
                    min=0,
                    max=2048,
                    step=2,
                    tooltip=f"Longest side of the result, from {OUTPUT_SIZE.least}; 0: the resolution of the "
                    f"portrait, at most {PORTRAIT_SIDE}.",
                ),
            ],
            outputs=[
                io.Image.Output(
                    display_name="images", tooltip="The same number of frames, sharper and larger."
                )
            ],
        )

    @classmethod
    def execute(
        cls, models: ReadModels, images: torch.Tensor, reference: Reference, size: int
    ) -> io.NodeOutput:
        from ..read_core.finish import Finishing

        with input_named("images"):
            frames_of(images)
        with input_named("size"):
            finishing = Finishing(detail=True, paste_back=False, size=size or None)
        finish = models.pipe.finish(reference, None, finishing)
        check_room(len(images), finish.size, "a smaller size")
        place(*models.for_detail, activations=finish.memory)
        restored = torch.empty((len(images), *finish.size, 3), device=mm.intermediate_device())
        progress, done = Progress(), 0
        for frames in torch.split(images[..., :3], CHUNK):
            for few in finish(frames.to(mm.get_torch_device(), torch.float32)):
                restored[done : done + len(few)] = few
                done += len(few)
                progress(done, len(images))
        show_text(f"{counted(len(images), 'frame')} of {finish.size[1]} x {finish.size[0]} pixels.")
        return io.NodeOutput(restored)
