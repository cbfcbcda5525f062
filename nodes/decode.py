"""Temporal VAE Decode."""

from __future__ import annotations

from typing import Any

import comfy.model_management as mm
import torch
from comfy_api.latest import io

from .feedback import Progress
from .placement import decoding_memory, place
from .sockets import Models, ReadModels


class Decode(io.ComfyNode):
    """Latents to frames, chunk by chunk."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="READ_Decode",
            display_name="Temporal VAE Decode",
            category="READ",
            description="Latents to frames at 25 per second, trimmed to the speech.",
            inputs=[
                Models.Input("models", tooltip="From Load READ Models."),
                io.Latent.Input("latent", tooltip="From the ANS Sampler, or any LTX-Video latent."),
            ],
            outputs=[
                io.Image.Output(display_name="images", tooltip="The frames; the first one is the portrait."),
                io.Float.Output(display_name="fps", tooltip="Frames per second, always 25."),
                io.Int.Output(display_name="frames", tooltip="How many frames there are."),
            ],
        )

    @classmethod
    def execute(cls, models: ReadModels, latent: dict[str, Any]) -> io.NodeOutput:
        from ..read_core.checks import check_finite
        from ..read_core.geometry import PIXELS_PER_LATENT, frames_of_latents

        samples = latent["samples"]
        stream = models.pipe.decode_stream(samples, latent.get("read_num_frames"), latent.get("read_seed", 0))
        height, width = (PIXELS_PER_LATENT * side for side in samples.shape[3:])
        total = latent.get("read_num_frames") or frames_of_latents(samples.shape[2])
        place(models.vae, activations=decoding_memory(models, height, width))
        images = torch.empty((total, height, width, 3), device=mm.intermediate_device())
        progress, done = Progress(), 0
        for frames in stream:
            images[done : done + len(frames)] = check_finite(frames)
            done += len(frames)
            progress(done, total)
        return io.NodeOutput(images, 25.0, total)
