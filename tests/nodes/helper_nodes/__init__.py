"""Nodes for the tests alone: things that core cannot make, and tensors written as they are."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import comfy.model_management as mm
import comfy.sd
import comfy.utils
import folder_paths
import torch
from comfy_api.latest import ComfyExtension, io
from safetensors.torch import load_file, save_file


class MakeAudio(io.ComfyNode):
    """Noise like speech, silence, or nothing at all."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="ReadTest_Audio",
            category="READ/tests",
            inputs=[
                io.Combo.Input("kind", options=["noise", "silence", "nan"]),
                io.Float.Input("seconds", default=1.0, min=0.0, max=100000.0),
                io.Int.Input("rate", default=16000, min=1, max=1000000),
                io.Int.Input("channels", default=1, min=1, max=8),
                io.Int.Input("batch", default=1, min=1, max=8),
                io.Float.Input("level", default=0.1, min=0.0, max=10.0, optional=True),
            ],
            outputs=[io.Audio.Output()],
        )

    @classmethod
    def execute(
        cls, kind: str, seconds: float, rate: int, channels: int, batch: int, level: float = 0.1
    ) -> io.NodeOutput:
        """Noise repeats itself every ten seconds."""
        samples, period = round(seconds * rate), 10 * rate
        wave = torch.zeros(batch, channels, min(samples, period))
        if kind == "noise":
            wave = level * torch.randn(wave.shape, generator=torch.Generator().manual_seed(0))
        elif kind == "nan":
            wave = wave / 0
        if samples > period:
            wave = wave.repeat(1, 1, -(-samples // period))[..., :samples]
        return io.NodeOutput({"waveform": wave, "sample_rate": rate})


class MakeImage(io.ComfyNode):
    """A smooth picture of any shape."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        sizes = [io.Int.Input(name, default=64, min=1, max=4096) for name in ("width", "height")]
        return io.Schema(
            node_id="ReadTest_Image",
            category="READ/tests",
            inputs=[
                *sizes,
                io.Int.Input("channels", default=3, min=1, max=4),
                io.Int.Input("batch", default=1, min=1, max=64),
                io.Float.Input("brightness", default=1.0, min=0.0, max=10.0, optional=True),
            ],
            outputs=[io.Image.Output()],
        )

    @classmethod
    def execute(
        cls, width: int, height: int, channels: int, batch: int, brightness: float = 1.0
    ) -> io.NodeOutput:
        y = torch.linspace(0, 1, height)[None, :, None, None]
        x = torch.linspace(0, 1, width)[None, None, :, None]
        which = torch.arange(1, batch + 1)[:, None, None, None] / batch
        shades = torch.linspace(0.3, 1, channels)
        return io.NodeOutput(brightness * (0.5 * x + 0.5 * y) * which * shades)


class MakeLatent(io.ComfyNode):
    """A random LTX-Video latent."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        sizes = [io.Int.Input(name, default=2, min=1, max=64) for name in ("frames", "height", "width")]
        return io.Schema(
            node_id="ReadTest_Latent", category="READ/tests", inputs=sizes, outputs=[io.Latent.Output()]
        )

    @classmethod
    def execute(cls, frames: int, height: int, width: int) -> io.NodeOutput:
        generator = torch.Generator().manual_seed(0)
        return io.NodeOutput({"samples": torch.randn(1, 128, frames, height, width, generator=generator)})


class LoadVAE(io.ComfyNode):
    """Core's VAE with the configuration in the file; core's own node heeds that since 0.33 only."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="ReadTest_VAE",
            category="READ/tests",
            inputs=[io.String.Input("name")],
            outputs=[io.Vae.Output()],
        )

    @classmethod
    def execute(cls, name: str) -> io.NodeOutput:
        path = folder_paths.get_full_path_or_raise("vae", name)
        weights, metadata = comfy.utils.load_torch_file(path, return_metadata=True)
        return io.NodeOutput(comfy.sd.VAE(sd=weights, metadata=metadata))


class StoredPrompt(io.ComfyNode):
    """CONDITIONING as core's CLIPTextEncode gives it, from a file in the input folder."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="ReadTest_Prompt",
            category="READ/tests",
            inputs=[io.String.Input("file", default="prompt.safetensors")],
            outputs=[io.Conditioning.Output()],
        )

    @classmethod
    def execute(cls, file: str) -> io.NodeOutput:
        stored = load_file(Path(folder_paths.get_input_directory()) / file)
        return io.NodeOutput([[stored["embedding"][None], {"attention_mask": stored["mask"][None]}]])


class Dump(io.ComfyNode):
    """Writes what tensors a value holds, and says what they hash to."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="ReadTest_Dump",
            category="READ/tests",
            is_output_node=True,
            inputs=[
                io.AnyType.Input("value"),
                io.String.Input("name", default="dump", optional=True),
                io.AnyType.Input("after", optional=True),
            ],
        )

    @classmethod
    def execute(cls, value: Any, name: str = "dump", after: Any = None) -> io.NodeOutput:
        return io.NodeOutput(ui=written(value, name))


class Through(io.ComfyNode):
    """Hands on a value, and writes it as Dump does before the next node gets it."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="ReadTest_Through",
            category="READ/tests",
            is_output_node=True,
            inputs=[io.AnyType.Input("value"), io.AnyType.Input("after", optional=True)],
            outputs=[io.AnyType.Output()],
        )

    @classmethod
    def execute(cls, value: Any, after: Any = None) -> io.NodeOutput:
        return io.NodeOutput(value, ui=written(value, "through"))


def written(value: Any, name: str) -> dict[str, list[Any]]:
    """A file with the tensors of a value, what they hash to, and its numbers and words."""
    tensors = tensors_of(value)
    found = hashlib.sha256()
    for key, tensor in sorted(tensors.items()):
        found.update(repr((key, tensor.dtype, tuple(tensor.shape))).encode())
        found.update(tensor.contiguous().view(torch.uint8).numpy().tobytes())
    folder = Path(folder_paths.get_output_directory()) / "dumps"
    folder.mkdir(exist_ok=True)
    path = folder / f"{name}_{found.hexdigest()[:12]}.safetensors"
    save_file({key: tensor.contiguous() for key, tensor in tensors.items()}, path)
    items = value.items() if isinstance(value, dict) else [("value", value)]
    plain = {key: item for key, item in items if isinstance(item, (int, float, str))}
    return {"file": [str(path)], "digest": [found.hexdigest()], "plain": [plain]}


def tensors_of(value: Any) -> dict[str, torch.Tensor]:
    """The tensors in a value of any of core's types, or of ours."""
    if isinstance(value, torch.Tensor):
        return {"value": value.detach().cpu().clone()}
    if isinstance(value, (int, float, str)):
        return {}
    if hasattr(value, "latent"):  # READ_REFERENCE
        return {"latent": value.latent.detach().cpu().clone()}
    if hasattr(value, "codes"):  # READ_SPEECH
        return {"codes": value.codes.detach().cpu().clone()}
    if hasattr(value, "items"):
        return {
            f"{key}": item.detach().cpu().clone()
            for key, item in value.items()
            if isinstance(item, torch.Tensor)
        }
    raise TypeError(f"no tensors in a {type(value).__name__}")


class Loaded(io.ComfyNode):
    """What the host's memory manager holds."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="ReadTest_Loaded",
            category="READ/tests",
            is_output_node=True,
            inputs=[io.Int.Input("nonce", default=0), io.AnyType.Input("after", optional=True)],
        )

    @classmethod
    def execute(cls, nonce: int, after: Any = None) -> io.NodeOutput:
        models = [found.model.model for found in mm.current_loaded_models if found.model]
        names = [type(model).__name__ for model in models]
        return io.NodeOutput(ui={"loaded": names, "identities": [str(id(model)) for model in models]})


class Helpers(ComfyExtension):
    async def get_node_list(self) -> list[type[io.ComfyNode]]:
        return [MakeAudio, MakeImage, MakeLatent, LoadVAE, StoredPrompt, Dump, Through, Loaded]


async def comfy_entrypoint() -> Helpers:
    return Helpers()
