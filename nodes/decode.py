"""Node READ Temporal VAE Decode."""

from __future__ import annotations

from typing import Any

import comfy.model_management as mm
import torch
from comfy_api.latest import io

from ..read_core.memory import decoding_memory
from .discovery import found_by
from .feedback import Progress, input_named, show_text
from .incoming import counted, video_latent, wanted_frames
from .placement import check_room, place
from .sockets import Models, ReadModels


class Decode(io.ComfyNode):
    """Decode latents to frames, chunk by chunk."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="READ_Decode",
            display_name="READ Temporal VAE Decode",
            category="READ",
            description="Decodes the latents of a talking head to frames at 25 per second, trimmed to the "
            "speech.",
            **found_by("vae decode", "talking head", "decode video"),
            inputs=[
                Models.Input("models", tooltip="From Load READ Models."),
                io.Latent.Input("latent", tooltip="From READ ANS Sampler, or any video latent of this VAE."),
                io.Int.Input(
                    "frames",
                    default=0,
                    min=0,
                    max=10_000_000,
                    optional=True,
                    tooltip="Number of frames to keep. 0: the number stored in the latent. Connect frames "
                    "of READ Whisper + SpeechAE Encode if the latent comes from a file, or was cut or "
                    "joined.",
                ),
            ],
            outputs=[
                io.Image.Output(display_name="images", tooltip="The frames; the first one is the portrait."),
                io.Float.Output(display_name="fps", tooltip="Frames per second, always 25."),
                io.Int.Output(display_name="frames", tooltip="Number of frames."),
            ],
        )

    @classmethod
    def execute(cls, models: ReadModels, latent: dict[str, Any], frames: int = 0) -> io.NodeOutput:
        from ..read_core.checks import check_finite
        from ..read_core.geometry import PIXELS_PER_LATENT, frames_of_latents

        with input_named("latent"):
            samples = video_latent(latent)
            wanted, remark = wanted_frames(latent, frames)
            stream = models.pipe.decode_stream(samples, wanted, latent.get("read_seed", 0))
        height, width = (PIXELS_PER_LATENT * side for side in samples.shape[3:])
        total = wanted or frames_of_latents(samples.shape[2])
        check_room(total, (height, width), "a shorter recording")
        place(models.vae, activations=decoding_memory(models.pipe.vae, (height, width)))
        images = torch.empty((total, height, width, 3), device=mm.intermediate_device())
        progress, done = Progress(), 0
        for pictures in stream:
            images[done : done + len(pictures)] = check_finite(pictures)
            done += len(pictures)
            progress(done, total)
        show_text(f"{counted(total, 'frame')}, {total / 25:.2f} s, {width} x {height}. {remark}".rstrip())
        return io.NodeOutput(images, 25.0, total)
