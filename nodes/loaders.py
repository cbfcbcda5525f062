"""Node Load READ Models."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import folder_paths
from comfy_api.latest import io

from . import checkpoints
from .discovery import AVATAR, LIP_SYNC, found_by
from .feedback import input_named, log, show_text
from .lora import with_lora
from .sockets import Models
from .vae import host_vae


class LoadModels(io.ComfyNode):
    """Load a checkpoint, optionally with another VAE or transformer or a LoRA."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        own, none = checkpoints.OWN, checkpoints.NO_LORA
        names = list(checkpoints.checkpoint_folders())
        return io.Schema(
            node_id="READ_LoadModels",
            display_name="Load READ Models",
            category="READ",
            description="Loads a READ checkpoint, for talking heads: temporal VAE, Whisper, SpeechAE and "
            "A2V-DiT.",
            **found_by(*LIP_SYNC, *AVATAR, "load checkpoint"),
            inputs=[
                io.Combo.Input(
                    "checkpoint",
                    options=names,
                    tooltip="A folder with model_index.json under models/read. read-tiny comes with the "
                    "pack: a demonstration, a small model that animates photographs of one face and drawn "
                    "presenters.",
                ),
                io.Combo.Input(
                    "dtype",
                    options=list(checkpoints.DTYPES),
                    default="auto",
                    tooltip="Type of the weights while they run. auto: on a GPU the stored type if the GPU "
                    "supports it, else bfloat16 or float32; on a CPU float32, but the transformer in "
                    "bfloat16 if the CPU is fast at it.",
                ),
                io.Combo.Input(
                    "attention",
                    options=list(checkpoints.ATTENTION),
                    default="auto",
                    tooltip="Attention implementation of the transformer. All but auto and native need a "
                    "package of that name.",
                ),
                io.Combo.Input(
                    "vae",
                    options=[own, *folder_paths.get_filename_list("vae")],
                    default=own,
                    tooltip="A safetensors file from models/vae to use instead of the checkpoint's VAE: one "
                    "of the same shapes, or LTX-Video 0.9.0 to 0.9.8. If the checkpoint's VAE is for aligned "
                    "faces, as in read-tiny, only one of the same shapes. The picture is only right if the "
                    "checkpoint was trained on that VAE's latents.",
                ),
                io.Combo.Input(
                    "transformer",
                    options=[own, *folder_paths.get_filename_list("diffusion_models")],
                    default=own,
                    tooltip="A file from models/diffusion_models to use instead of the checkpoint's "
                    "transformer: same architecture, safetensors; fp8 only with its scales. If it has no "
                    "audio branch, the checkpoint's audio branch is kept.",
                ),
                io.Combo.Input(
                    "lora",
                    options=[none, *folder_paths.get_filename_list("loras")],
                    default=none,
                    tooltip="A LoRA from models/loras for the transformer. It does not change the "
                    "checkpoint.",
                ),
                io.Float.Input(
                    "lora_strength",
                    default=1.0,
                    min=-10.0,
                    max=10.0,
                    step=0.05,
                    tooltip="Factor of the LoRA; 0 is none, a negative value inverts it.",
                ),
            ],
            outputs=[
                Models.Output(display_name="models", tooltip="For the other READ nodes."),
                io.Vae.Output(
                    display_name="vae",
                    tooltip="The same temporal VAE for core's nodes VAE Decode and VAE Encode.",
                ),
            ],
        )

    @classmethod
    def fingerprint_inputs(cls, **inputs: Any) -> str:
        name = str(inputs.get("checkpoint"))
        return checkpoints.fingerprint(name, *_files(**inputs).values())

    @classmethod
    def execute(
        cls,
        checkpoint: str,
        dtype: str,
        attention: str,
        vae: str,
        transformer: str,
        lora: str,
        lora_strength: float,
    ) -> io.NodeOutput:
        files = _files(vae=vae, transformer=transformer, lora=lora)
        models = checkpoints.load_models(checkpoint, dtype, attention, files["vae"], files["transformer"])
        notes = ""
        if files["lora"] is not None:
            with input_named("lora"):
                patched, notes = with_lora(models.transformer, files["lora"], lora_strength)
            models = replace(models, transformer=patched, base=models)
        card, defaults = models.pipe.card, models.pipe.defaults
        height, width = card.resolution
        log.info(
            "%s: %s; window %d, %d steps, %s",
            card.name,
            card.trained_on,
            defaults.window,
            defaults.steps,
            defaults.guidance,
        )
        parts = [f"{card.name}, {width} x {height}.", notes, "A demonstration." if card.demonstration else ""]
        show_text(" ".join(filter(None, parts)))
        return io.NodeOutput(models, host_vae(models))


def _files(**inputs: Any) -> dict[str, str | None]:
    """Full paths of the files that replace or patch a part; None: there is none."""
    places = {"vae": "vae", "transformer": "diffusion_models", "lora": "loras"}
    unset = (None, checkpoints.OWN, checkpoints.NO_LORA)
    return {
        part: None
        if (name := inputs.get(part)) in unset
        else folder_paths.get_full_path_or_raise(place, name)
        for part, place in places.items()
    }
