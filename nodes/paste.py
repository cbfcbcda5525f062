"""Node READ Paste Back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import comfy.model_management as mm
import torch
from comfy_api.latest import io

from ..read_core.limits import OUTPUT_SIZE, PASTED_SIDE
from ..read_core.memory import pasting_memory
from .discovery import found_by
from .feedback import Progress, input_named, show_text
from .incoming import LAST_IMAGE, counted, frames_of, image_of
from .placement import check_room, place
from .sockets import Portrait

if TYPE_CHECKING:
    from ..read_core import Reference


class PasteBack(io.ComfyNode):
    """Paste speaking frames into the picture that the portrait was cut from."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="READ_PasteBack",
            display_name="READ Paste Back",
            category="READ",
            description="Pastes the speaking frames back into the original picture, with a soft edge. The "
            "rest of the picture does not change.",
            **found_by("uncrop", "stitch face", "talking photo"),
            inputs=[
                io.Image.Input("images", tooltip="The frames, of any size."),
                io.Image.Input("image", tooltip="The picture that is connected to READ Encode Reference."),
                Portrait.Input(
                    "reference", tooltip="From READ Encode Reference. It contains the place of the face."
                ),
                io.Int.Input(
                    "max_side",
                    display_name="output_size",
                    default=PASTED_SIDE,
                    min=OUTPUT_SIZE.least,
                    max=OUTPUT_SIZE.largest,
                    step=2,
                    tooltip="Longest side of the result. A larger picture is reduced. Width and height "
                    "become even, because video encoders need that.",
                ),
                io.Int.Input(
                    "index",
                    default=0,
                    min=0,
                    max=LAST_IMAGE,
                    tooltip="Number of the image in a batch, from 0.",
                ),
            ],
            outputs=[
                io.Image.Output(display_name="images", tooltip="The picture with the speaking face."),
                io.Mask.Output(
                    display_name="mask",
                    tooltip="Where the frames are: 1 in the face, 0 outside, in between at the soft edge.",
                ),
            ],
        )

    @classmethod
    def execute(
        cls,
        images: torch.Tensor,
        image: torch.Tensor,
        reference: Reference,
        max_side: int,
        index: int,
    ) -> io.NodeOutput:
        from ..read_core.face.paste import PasteBack as Paste
        from ..read_core.finish import check_original
        from ..read_core.media import opaque

        with input_named("images"):
            frames_of(images)
        with input_named("image"):
            original = opaque(image_of(image, index))
            check_original(reference, original)
            paste = Paste(original, reference.crop, max_side)
        height, width = paste.size
        check_room(len(images), paste.size, "a smaller output_size")
        pasted = torch.empty((len(images), height, width, 3), device=mm.intermediate_device())
        place(activations=pasting_memory(paste.changed, height * width))
        device = mm.get_torch_device()
        progress = Progress()
        for done, frame in enumerate(torch.split(images[..., :3], 1), 1):
            pasted[done - 1 : done] = paste(frame.to(device, torch.float32))
            progress(done, len(images))
        made = f"{counted(len(images), 'frame')} of {width} x {height} pixels"
        show_text(f"{made}; width and height are even, because video encoders need that.")
        return io.NodeOutput(pasted, paste.mask[None].to(mm.intermediate_device()))
