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
        samples, wanted = latent["samples"], latent.get("read_num_frames")
        place(models.vae, activations=decoding_memory(models, 32 * samples.shape[-2], 32 * samples.shape[-1]))
        progress, pieces, done = Progress(), [], 0
        for frames in models.pipe.decode_stream(samples, wanted, latent.get("read_seed", 0)):
            pieces.append(frames.to(mm.intermediate_device()))
            done += len(frames)
            progress(done, wanted or max(done, 8 * samples.shape[2] - 7))
        return io.NodeOutput(torch.cat(pieces), 25.0, done)
