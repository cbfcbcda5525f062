"""READ Paste Back."""

from __future__ import annotations

import comfy.model_management as mm
import torch
from comfy_api.latest import io

from ..read_core.limits import OUTPUT_SIZE, PASTED_SIDE
from ..read_core.memory import pasting_memory
from .discovery import found_by
from .feedback import Progress, about, say
from .incoming import LAST_IMAGE, counted, frames_of, image_of
from .placement import check_room, place
from .sockets import Portrait, ReadReference


class PasteBack(io.ComfyNode):
    """Speaking frames into the picture that the portrait was cut from."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="READ_PasteBack",
            display_name="READ Paste Back",
            category="READ",
            description="Puts speaking frames back into the original picture, with a soft rim; the rest of "
            "it stays as it is.",
            **found_by("uncrop", "stitch face", "talking photo"),
            inputs=[
                io.Image.Input("images", tooltip="The frames, of any size."),
                io.Image.Input("image", tooltip="The picture that READ Encode Reference was given."),
                Portrait.Input("reference", tooltip="From READ Encode Reference: it knows the place."),
                io.Int.Input(
                    "max_side",
                    default=PASTED_SIDE,
                    min=OUTPUT_SIZE.least,
                    max=OUTPUT_SIZE.largest,
                    step=2,
                    tooltip="Longest side of the result: a larger picture is made smaller. Width and height "
                    "become even, as video encoders want.",
                ),
                io.Int.Input(
                    "index",
                    default=0,
                    min=0,
                    max=LAST_IMAGE,
                    tooltip="Which image of a batch, counted from 0.",
                ),
            ],
            outputs=[
                io.Image.Output(display_name="images", tooltip="The picture, with the speaking face in it."),
                io.Mask.Output(display_name="mask", tooltip="1 where the frames are, 0 elsewhere."),
            ],
        )

    @classmethod
    def execute(
        cls,
        images: torch.Tensor,
        image: torch.Tensor,
        reference: ReadReference,
        max_side: int,
        index: int,
    ) -> io.NodeOutput:
        from ..read_core.face.paste import PasteBack as Paste
        from ..read_core.finish import check_original
        from ..read_core.media import opaque

        with about("images"):
            frames_of(images)
        with about("image"):
            original = opaque(image_of(image, index)).to(mm.get_torch_device())
            check_original(reference.reference, original)
            paste = Paste(original, reference.reference.crop, max_side)
        height, width = paste.size
        check_room(len(images), paste.size, "a smaller max_side")
        pasted = torch.empty((len(images), height, width, 3), device=mm.intermediate_device())
        place(activations=pasting_memory(height * width))
        progress = Progress()
        for done, frame in enumerate(images[..., :3].split(1), 1):
            pasted[done - 1 : done] = paste(frame.to(original))
            progress(done, len(images))
        made = f"{counted(len(images), 'frame')} of {width} x {height} pixels"
        say(f"{made}: both even, as video encoders want.")
        return io.NodeOutput(pasted, paste.mask[None].to(mm.intermediate_device()))
