"""Which checkpoints there are, and how one becomes models in the host's hands."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import comfy.lora
import comfy.utils
import folder_paths

from .feedback import about, log
from .placement import WholePatcher, held, model_dtype
from .sockets import ReadModels

if TYPE_CHECKING:
    import torch

FOLDER = "read"
BUNDLED = Path(__file__).parents[1] / "read_core" / "checkpoints"
OWN = "checkpoint's own"
NO_LORA = "none"
DTYPES = ("auto", "float32", "bfloat16", "float16")
ATTENTION = ("auto", "native", "flash", "sage", "xformers")

folder_paths.add_model_folder_path(FOLDER, str(Path(folder_paths.models_dir) / FOLDER))


def checkpoint_folders() -> dict[str, Path]:
    """Checkpoints by name: those in the host's ``read`` folders, then the bundled ones."""
    roots = [*map(Path, folder_paths.get_folder_paths(FOLDER)), BUNDLED]
    found: dict[str, Path] = {}
    for root in roots:
        for folder in sorted(root.iterdir()) if root.is_dir() else ():
            if (folder / "model_index.json").is_file():
                found.setdefault(folder.name, folder)
    return found


def find_checkpoint(name: str) -> Path:
    """The folder of a checkpoint.

    Raises:
        CheckpointError: there is none of this name.
    """
    from ..read_core.errors import CheckpointError

    folders = checkpoint_folders()
    if name not in folders:
        places = ", ".join(folder_paths.get_folder_paths(FOLDER))
        raise CheckpointError(
            f"there is no READ checkpoint {name!r}; found {', '.join(folders) or 'none'}. "
            f"Put its folder (the one with model_index.json) into {places}"
        )
    return folders[name]


def fingerprint(name: str, *files: str | None) -> str:
    """Changes when a file of the checkpoint, or one of ``files``, changes."""
    folder = checkpoint_folders().get(name)
    paths = [] if folder is None else sorted(path for path in folder.rglob("*") if path.is_file())
    paths += [Path(file) for file in files if file]
    return repr([(str(path), path.stat().st_mtime_ns, path.stat().st_size) for path in paths])


def load_models(
    name: str, dtype: str, attention: str, vae: str | None, transformer: str | None
) -> ReadModels:
    """Load a checkpoint into the host's offload memory; nothing goes to the GPU yet.

    Args:
        name: see :func:`checkpoint_folders`.
        dtype, attention: of ``DTYPES``, ``ATTENTION``.
        vae, transformer: files to replace parts by; None: the checkpoint's own.

    Raises:
        CheckpointError: a part is missing, damaged or does not fit; or the attention is not installed.
    """
    import torch

    from ..read_core import ReadPipeline
    from ..read_core.checkpoint import load_checkpoint
    from ..read_core.transformer.override import override_weights
    from ..read_core.video import TemporalVAE
    from ..read_core.video.single_file import load_vae_file

    with about("checkpoint"):
        pipe = ReadPipeline(load_checkpoint(find_checkpoint(name), "cpu", "stored"))
    if vae is not None:
        with about("vae"):
            replaced = load_vae_file(vae, own=pipe.vae.vae.config)
        pipe.vae = TemporalVAE(replaced, pipe.vae.settings)
    if transformer is not None:
        with about("transformer"):
            own_audio = override_weights(pipe.transformer, transformer)
        if not own_audio:
            log.info("%s has no audio branch: the checkpoint's own stays", transformer)
    wanted = None if dtype == "auto" else getattr(torch, dtype)
    for model in (pipe.features.encoder, pipe.speech_ae, pipe.vae.vae, pipe.transformer):
        torch.nn.Module.to(model, wanted or model_dtype(model.dtype))  # diffusers' own warns of nothing
    _set_attention(pipe.transformer, attention)
    return ReadModels(
        pipe=pipe,
        speech=held(whisper=pipe.features.encoder, speech_ae=pipe.speech_ae),
        vae=held(vae=pipe.vae.vae),
        transformer=held(transformer=pipe.transformer),
    )


def with_lora(patcher: WholePatcher, file: str, strength: float) -> WholePatcher:
    """A clone of the transformer's patcher that adds a LoRA; the weights themselves stay as they are.

    Args:
        patcher: of a model ``transformer``.
        file: a LoRA under diffusers', ComfyUI's or kohya's names.
        strength: its factor.

    Raises:
        CheckpointError: the file is no safetensors file, is damaged, or nothing in it fits.
    """
    from ..read_core.errors import CheckpointError
    from ..read_core.safetensors_header import read_header

    read_header(Path(file))  # refuses what is no whole safetensors file
    weights: dict[str, torch.Tensor] = comfy.utils.load_torch_file(file, safe_load=True)
    patches = comfy.lora.load_lora(weights, _lora_keys(patcher.model.transformer))
    clone = patcher.clone()
    if not clone.add_patches(patches, strength):
        raise CheckpointError(
            f"{file} holds no LoRA for this transformer, as {next(iter(weights), 'nothing at all')}; "
            "expected one made for LTX-Video 2B or for this checkpoint"
        )
    return clone


def _lora_keys(transformer: torch.nn.Module) -> dict[str, str]:
    """What LoRA files may call each weight -> its name in the patcher."""
    from ..read_core.transformer.override import original_name

    keys: dict[str, str] = {}
    for name in transformer.state_dict():
        if name.endswith(".weight"):
            own, original = name.removesuffix(".weight"), original_name(name).removesuffix(".weight")
            target = f"transformer.{name}"
            for alias in (own, f"transformer.{own}", f"diffusion_model.{original}"):
                keys[alias] = target
            for prefix in ("lora_unet_", "lora_transformer_"):
                keys[prefix + original.replace(".", "_")] = target
    return keys


def _set_attention(transformer: Any, attention: str) -> None:
    from ..read_core.errors import CheckpointError

    if attention == "auto":
        return
    try:
        transformer.set_attention_backend(attention)
    except (RuntimeError, ValueError, ImportError) as error:
        raise CheckpointError(
            f"attention {attention!r} cannot be used here ({error}); choose auto, or install its package"
        ) from error
