"""Find checkpoints and load one into the host's memory management."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from weakref import WeakValueDictionary

import comfy.model_management as mm
import folder_paths

from .feedback import input_named, log, packages_installed
from .placement import model_dtype, on_cpu, patcher_of, patcher_of_models
from .sockets import ReadModels
from .vae import VAEHolder

FOLDER = "read"
BUNDLED = Path(__file__).parents[1] / "read_core" / "checkpoints"
OWN = "checkpoint's own"
NO_LORA = "none"
DTYPES = ("auto", "float32", "bfloat16", "float16")
ATTENTION = ("auto", "native", "flash", "sage", "xformers")

_in_use: WeakValueDictionary[str, ReadModels] = WeakValueDictionary()  # by files and settings

folder_paths.add_model_folder_path(FOLDER, str(Path(folder_paths.models_dir) / FOLDER))


def checkpoint_folders() -> dict[str, Path]:
    """Checkpoint folders by name: those in the host's ``read`` folders, then the bundled ones."""
    roots = [*map(Path, folder_paths.get_folder_paths(FOLDER)), BUNDLED]
    found: dict[str, Path] = {}
    for root in roots:
        with suppress(OSError):  # the folder does not exist or cannot be read
            for folder in sorted(root.iterdir()):
                with suppress(OSError):
                    if (folder / "model_index.json").is_file():
                        found.setdefault(folder.name, folder)
    return found


def find_checkpoint(name: str) -> Path:
    """The folder of a checkpoint, by its name.

    Raises:
        CheckpointError: there is no checkpoint with this name.
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
    """A text that changes when a file of the checkpoint, or one of ``files``, changes."""
    folder = checkpoint_folders().get(name)
    paths = [] if folder is None else sorted(path for path in folder.rglob("*") if path.is_file())
    paths += [Path(file) for file in files if file]
    return repr([(str(path), path.stat().st_mtime_ns, path.stat().st_size) for path in paths])


def load_models(
    name: str, dtype: str, attention: str, vae: str | None, transformer: str | None
) -> ReadModels:
    """Load a checkpoint into the host's offload memory; nothing goes to the GPU yet.

    If the host still holds models loaded from the same files with the same settings, return these.

    Args:
        name: see :func:`checkpoint_folders`.
        dtype, attention: one of ``DTYPES``, one of ``ATTENTION``.
        vae, transformer: files to use instead of the checkpoint's parts; None: the checkpoint's.

    Raises:
        CheckpointError: a part is missing, damaged or does not fit.
        InputError: the attention cannot be used here.
    """
    key = repr((name, dtype, attention, vae, transformer, fingerprint(name, vae, transformer)))
    models = _in_use.get(key)
    if models is None:
        models = _in_use[key] = _load(name, dtype, attention, vae, transformer)
    return models


def _load(name: str, dtype: str, attention: str, vae: str | None, transformer: str | None) -> ReadModels:
    import torch

    with packages_installed():
        from ..read_core import ReadPipeline
        from ..read_core.checkpoint import load_checkpoint
        from ..read_core.transformer.backends import set_attention
        from ..read_core.video import TemporalVAE
        from ..read_core.weights.ltx_vae import halo_of, load_vae_file
        from ..read_core.weights.override import override_weights

    with input_named("checkpoint"):
        pipe = ReadPipeline(load_checkpoint(find_checkpoint(name), "cpu", "stored"))
    if vae is not None:
        with input_named("vae"):
            replaced = load_vae_file(vae, own=pipe.vae.vae.config)
            own = pipe.vae.settings
            pipe.vae = TemporalVAE(replaced, replace(own, halo=max(own.halo, halo_of(replaced))))
    if transformer is not None:
        with input_named("transformer"):
            own_audio = override_weights(pipe.transformer, transformer)
        if not own_audio:
            log.info("%s has no audio branch: the checkpoint's audio branch is kept", transformer)
    wanted = None if dtype == "auto" else getattr(torch, dtype)
    for model in (pipe.features.encoder, pipe.speech_ae, pipe.vae.vae, pipe.transformer):
        torch.nn.Module.to(model, wanted or model_dtype(model.dtype))  # diffusers' ``to`` would warn
    for small in (pipe.detail, pipe.eyelids):
        if small is not None:
            torch.nn.Module.to(small, torch.float32)
    if pipe.student is not None:
        torch.nn.Module.to(pipe.student, pipe.transformer.dtype)
    if wanted is None and on_cpu():
        pipe.round_for_speed()
    if attention != "auto":
        device = mm.get_torch_device()
        set_attention(pipe.transformer, attention, pipe.prompt.mask, device, "choose auto")
    return ReadModels(
        pipe=pipe,
        speech=patcher_of_models(whisper=pipe.features.encoder, speech_ae=pipe.speech_ae),
        vae=patcher_of(VAEHolder(pipe.vae)),
        transformer=patcher_of_models(transformer=pipe.transformer),
        finder=patcher_of_models(finder=pipe.finder),
        detail=None if pipe.detail is None else patcher_of_models(detail=pipe.detail),
        eyelids=None if pipe.eyelids is None else patcher_of_models(eyelids=pipe.eyelids),
        student=None if pipe.student is None else patcher_of_models(student=pipe.student),
    )
