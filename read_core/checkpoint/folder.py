"""A checkpoint: one folder, similar to diffusers', with everything needed to rebuild the pipeline.

- ``model_index.json``: class, "format", "name", "trained_on", "resolution", "demonstration", optionally
  "face" and "still_head", see Card; library and class of each model
- ``vae/``: AutoencoderKLLTXVideo or, since format 2, AlignedAutoencoder: config.json, safetensors
- ``whisper/``: only the encoder of Whisper
- ``speech_ae/``: SpeechAE, or for ablations, since format 2, AveragePool or LinearProjection
- ``transformer/``: A2VTransformer3DModel
- ``scheduler/``: scheduler_config.json: the defaults of sampling and decoding, see SamplingDefaults
- ``prompt/``: config.json ("text"), prompt.safetensors: "embedding" (S, channels) and "mask" (S,)
- ``detail/``: DetailNetwork; optional, since format 2
- ``eyelids/``: EyelidNetwork; optional, since format 2
- ``distilled/``: Student, a few-step student of the transformer; optional, since format 2

Folders of format 1 have no "face", "still_head", ``detail/``, ``eyelids/`` or ``distilled/``; they can still
be loaded.
Loading is strict and never uses the network. Pickles are refused, not opened. Names, shapes and types are
checked from JSON files and safetensors headers before any weight is read.
"""

from __future__ import annotations

import copy
import json
import os
import shutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from ..errors import CheckpointError, InputError, warn
from ..folders import replace_folder
from ..weights.files import (
    TensorInfo,
    read_header,
    read_json,
    read_tensors,
    refuse_pickles,
    weight_files,
)
from ..weights.fingerprint import weights_print
from ..weights.origin import copy_origin
from ..weights.strict import compare, load_strict, refuse
from .prompt import load_prompt, write_prompt
from .records import Card, CheckpointInfo, Components, PartInfo, SamplingDefaults

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from ..transformer import Student

FORMATS = (1, 2)
CLASS_NAME = "ReadPipeline"
MODELS = {
    "vae": ("diffusers", "AutoencoderKLLTXVideo"),
    "whisper": ("transformers", "WhisperEncoder"),
    "speech_ae": ("read_core.speech", "SpeechAE"),
    "transformer": ("read_core.transformer", "A2VTransformer3DModel"),
}
INSTEAD = (  # of format 2
    ("vae", ("read_core.video", "AlignedAutoencoder")),  # of aligned faces
    ("speech_ae", ("read_core.speech", "AveragePool")),  # of ablations without a SpeechAE
    ("speech_ae", ("read_core.speech", "LinearProjection")),
)
OPTIONAL = {  # of format 2; the index names those it has
    "detail": ("read_core.detail", "DetailNetwork"),
    "eyelids": ("read_core.eyelids.network", "EyelidNetwork"),
    "distilled": ("read_core.transformer", "Student"),
}
_ADVICE = "Copy the checkpoint again, or use the files that belong to it"
T = TypeVar("T")


def describe(folder: str | Path) -> CheckpointInfo:
    """Describe a checkpoint, from only its JSON files and safetensors headers.

    Raises:
        CheckpointError: a file is missing, damaged, a pickle or of another format.
    """
    folder = Path(folder)
    (card, kinds), defaults = _read_index(folder), _read_defaults(folder)
    _check_student(folder, "distilled" in kinds, defaults)
    parts = [_part_info(name, _weight_files(folder / name), kind) for name, (_, kind) in kinds.items()]
    parts.append(_part_info("prompt", [_prompt_file(folder)], "Prompt"))
    text = str(read_json(folder / "prompt" / "config.json").get("text", ""))
    return CheckpointInfo(folder, card, defaults, tuple(parts), text)


def load_checkpoint(
    folder: str | Path,
    device: torch.device | str = "cpu",
    dtype: torch.dtype | Literal["stored"] | None = None,
) -> Components:
    """Load all parts of a checkpoint, strictly.

    Args:
        folder: see the module docstring.
        device: device of the models.
        dtype: type of all models; "stored": as each part is stored; None: the same, but float32 on a CPU.

    Raises:
        CheckpointError: a file is missing, truncated or a pickle; a tensor is missing, unknown or of another
            shape or type; or the parts do not fit each other. The message names the file and the tensors.
    """
    folder = Path(folder)
    (card, kinds), defaults = _read_index(folder), _read_defaults(folder)
    _check_student(folder, "distilled" in kinds, defaults)
    empty = {name: _empty_model(folder / name, kind) for name, (_, kind) in kinds.items()}
    _check_fit(folder, empty)
    for name, model in empty.items():
        _check_weights(folder / name, model)
    text = str(read_json(folder / "prompt" / "config.json").get("text", ""))
    channels = int(empty["transformer"].config.caption_channels)
    prompt = load_prompt(_prompt_file(folder), channels, text)
    models: dict[str, Any] = {}
    for name, model in empty.items():
        stored = _read_state(folder / name)
        if "distilled" in empty and name == "transformer":
            found = weights_print(stored)
        models[name] = _fill(model, stored, folder / name, device, dtype)
    if "distilled" in empty:
        _warn_of_other_base(folder, models["distilled"], found)
    return Components(card=card, defaults=defaults, prompt=prompt, **models)


def load_model(
    name: str,
    folder: str | Path,
    device: torch.device | str = "cpu",
    dtype: torch.dtype | Literal["stored"] | None = None,
) -> Any:
    """Load one part of a checkpoint, strictly, from its folder; see :func:`load_checkpoint`.

    Args:
        name: ``vae``, ``whisper``, ``speech_ae``, ``transformer``, ``detail``, ``eyelids`` or ``distilled``.
    """
    folder = Path(folder)
    kinds = MODELS | OPTIONAL
    if instead := {kind[1]: kind for part, kind in INSTEAD if part == name}:
        found = read_json(folder / "config.json").get("_class_name")
        kinds |= {name: instead.get(str(found), kinds[name])}
    model = _empty_model(folder, kinds[name][1])
    _check_weights(folder, model)
    return _fill(model, _read_state(folder), folder, device, dtype)


def save_checkpoint(
    folder: str | Path,
    components: Components,
    dtype: torch.dtype | None = None,
    overwrite: bool = False,
    origins: Mapping[str, Path] | None = None,
) -> None:
    """Write a checkpoint atomically: the folder is complete or does not exist.

    Args:
        folder: path of the checkpoint; its parent is created if needed.
        components: the parts to write.
        dtype: type of the stored weights; None: unchanged.
        overwrite: replace an existing checkpoint.
        origins: by part, a folder whose ``origin.json``, if it has one, is copied.

    Raises:
        CheckpointError: the folder exists and may not be replaced, or the parts do not fit each other.
    """
    folder = Path(folder)
    there = {name: getattr(components, name) for name in (*MODELS, *OPTIONAL)}
    _check_fit(folder, {name: model for name, model in there.items() if model is not None})
    _check_student(folder, components.distilled is not None, components.defaults)
    replaceable = overwrite and (folder / "model_index.json").is_file()
    if folder.exists() and any(folder.iterdir()) and not replaceable:
        raise CheckpointError(f"{folder} exists already; choose another folder, or overwrite a checkpoint")
    partial = folder.with_name(folder.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        _write_parts(partial, components, dtype)
        for name, source in (origins or {}).items():
            copy_origin(source, partial / name)
        replace_folder(partial, folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _write_parts(folder: Path, components: Components, dtype: torch.dtype | None) -> None:
    from ..precision import STATISTICS

    kinds = MODELS | {name: kind for name, kind in OPTIONAL.items() if getattr(components, name) is not None}
    kinds |= {n: kind for n, kind in INSTEAD if type(getattr(components, n)).__name__ == kind[1]}
    student = components.distilled
    if student is not None:
        own = weights_print(components.transformer.state_dict())
        _warn_of_other_base(folder, student, own)
    for name in kinds:
        model = getattr(components, name)
        stored = model if dtype is None else copy.deepcopy(model).to(dtype)
        for statistic in STATISTICS & dict(model.named_buffers()).keys():
            setattr(stored, statistic, getattr(model, statistic).float())
        if name == "transformer" and student is not None:
            rounded = weights_print(stored.state_dict())
        if name == "distilled" and stored is not model and stored.base_print == own:
            stored.register_to_config(base_print=rounded)  # bfloat16 gives another hash
        stored.save_pretrained(folder / name)
        _forget_origin(folder / name / "config.json")
    (folder / "prompt").mkdir()
    prompt = components.prompt
    embedding = prompt.embedding.to(dtype or prompt.embedding.dtype)
    write_prompt(_prompt_file(folder), replace(prompt, embedding=embedding))
    _write_json(folder / "prompt" / "config.json", {"text": prompt.text})
    (folder / "scheduler").mkdir()
    _write_json(_defaults_file(folder), components.defaults.to_dict())
    card = components.card
    newer = card.face is not None or card.still_head or not set(kinds.values()) <= set(MODELS.values())
    index = {"_class_name": CLASS_NAME, "format": FORMATS[-1 if newer else 0], **card.to_dict()}
    _write_json(folder / "model_index.json", index | {name: list(kind) for name, kind in kinds.items()})


def _forget_origin(config: Path) -> None:
    """Remove the path that a part was loaded from: it is useless elsewhere and may be private."""
    entries = json.loads(config.read_text(encoding="utf-8"))
    entries.pop("_name_or_path", None)
    _write_json(config, entries)


def _read_index(folder: Path) -> tuple[Card, dict[str, tuple[str, str]]]:
    """Read the card, and library and class of each model in the folder."""
    if not os.access(folder, os.X_OK) or not folder.is_dir():
        raise CheckpointError(
            f"{folder} is not a folder or may not be read; expected a checkpoint with model_index.json"
        )
    file = folder / "model_index.json"
    index = read_json(file)
    if index.get("_class_name") != CLASS_NAME:
        raise CheckpointError(f"{file} describes a {index.get('_class_name')!r}; expected {CLASS_NAME!r}")
    found = index.get("format")
    if found not in FORMATS or isinstance(found, bool):
        raise CheckpointError(f"{file} has format {found!r}; this version reads 1 and 2: update the package")
    kinds = MODELS | {n: kind for n, kind in OPTIONAL.items() if n in index and found == FORMATS[-1]}
    kinds |= {name: kind for name, kind in INSTEAD if index.get(name) == list(kind)}
    wrong = {name: index.get(name) for name, kind in kinds.items() if index.get(name) != list(kind)}
    if wrong:
        raise CheckpointError(f"{file} names other classes: {wrong}; expected {kinds}")
    for name in OPTIONAL:
        if name not in index and (folder / name).is_dir():
            raise CheckpointError(
                f"{folder / name} exists, but {file} does not list it; copy the folder again"
            )
    known = {"_class_name", "format", *kinds}
    entries = {key: value for key, value in index.items() if key not in known}
    return _parse(file, Card.from_dict, entries), kinds


def _read_defaults(folder: Path) -> SamplingDefaults:
    file = _defaults_file(folder)
    return _parse(file, SamplingDefaults.from_dict, read_json(file))


def _builders() -> dict[str, Callable[[Path], nn.Module]]:
    """Functions that build a model of each class from its config.json."""
    from diffusers import AutoencoderKLLTXVideo
    from transformers import WhisperConfig
    from transformers.models.whisper.modeling_whisper import WhisperEncoder

    from ..detail import DetailNetwork
    from ..eyelids.network import EyelidNetwork
    from ..speech import AveragePool, LinearProjection, SpeechAE
    from ..transformer import A2VTransformer3DModel, Student
    from ..video import AlignedAutoencoder

    def diffusers_model(kind: Any) -> Callable[[Path], nn.Module]:
        return lambda folder: kind.from_config(_read_config(folder, "_class_name", kind.__name__))

    def whisper(folder: Path) -> nn.Module:
        config = WhisperConfig.from_dict(_read_config(folder, "model_type", "whisper"))
        encoder: nn.Module = WhisperEncoder(config)
        return encoder

    vaes, speech = (AutoencoderKLLTXVideo, AlignedAutoencoder), (SpeechAE, AveragePool, LinearProjection)
    classes = (*vaes, *speech, A2VTransformer3DModel, Student, DetailNetwork, EyelidNetwork)
    return {"WhisperEncoder": whisper} | {kind.__name__: diffusers_model(kind) for kind in classes}


def _read_config(folder: Path, key: str, expected: str) -> dict[str, Any]:
    config = read_json(folder / "config.json")
    if config.get(key) != expected:
        raise CheckpointError(
            f"{folder / 'config.json'} has {key} {config.get(key)!r}; expected {expected!r}"
        )
    return config


def _empty_model(folder: Path, class_name: str) -> Any:
    """Build a model without weights (on the meta device) from its config.json."""
    import torch

    try:
        with torch.device("meta"):
            return _builders()[class_name](folder).eval().requires_grad_(False)
    except CheckpointError:
        raise
    except Exception as error:  # any error of a model's constructor for a wrong configuration
        raise CheckpointError(f"{folder / 'config.json'} does not describe the model: {error}") from error


def _check_fit(folder: Path, models: Mapping[str, Any]) -> None:
    """Check that the parts fit each other; the error says which do not."""
    vae, whisper = models["vae"].config, models["whisper"].config
    speech_ae, transformer = models["speech_ae"].config, models["transformer"].config
    slots, width = models["speech_ae"].code_shape
    pairs = {
        "vae latent channels and transformer in_channels": (vae.latent_channels, transformer.in_channels),
        "whisper width and speech_ae feature_dim": (whisper.d_model, speech_ae.feature_dim),
        "10 x whisper hidden states and speech_ae speech_window": (
            10 * (whisper.encoder_layers + 1),
            speech_ae.speech_window,
        ),
        "speech_ae code_window and transformer code_slots": (slots, transformer.code_slots),
        "speech_ae code_dim and transformer code_dim": (width, transformer.code_dim),
    }
    problems = [f"{name} are {a} and {b}" for name, (a, b) in pairs.items() if a != b]
    if "distilled" in models:
        base = models["distilled"].config.transformer
        other = {name: value for name, value in base.items() if transformer.get(name) != value}
        problems += [f"distilled is of a transformer with {name} {value}" for name, value in other.items()]
    refuse(problems, _mismatch(folder), _ADVICE)


def _check_student(folder: Path, there: bool, defaults: SamplingDefaults) -> None:
    """Refuse a student without defaults, and defaults without a student."""
    if there != (defaults.distilled is not None):
        found = ("a part distilled, but no" if there else "no part distilled, but") + " defaults for it"
        raise CheckpointError(f"{folder} has {found}; {_ADVICE[0].lower()}{_ADVICE[1:]}")


def _check_weights(folder: Path, model: nn.Module) -> None:
    """Compare the headers of a folder's weights with a model's names, shapes and types."""
    header: dict[str, TensorInfo] = {}
    for file in _weight_files(folder):
        header |= read_header(file)
    refuse(compare(model.state_dict(), header), _mismatch(folder), _ADVICE)


def _warn_of_other_base(folder: Path, student: Student, found: str) -> None:
    """Warn if the student was made for other weights than those with the hash ``found``."""
    from ..transformer.student import OTHER_BASE

    if student.base_print not in (None, found):
        warn(f"{folder}: {OTHER_BASE}")


def _read_state(folder: Path) -> dict[str, Tensor]:
    """The weights of a checked folder, as stored."""
    state: dict[str, Tensor] = {}
    for file in _weight_files(folder):
        state |= read_tensors(file)
    return state


def _fill(
    model: Any,
    state: dict[str, Tensor],
    folder: Path,
    device: torch.device | str,
    dtype: torch.dtype | Literal["stored"] | None,
) -> Any:
    """Put the weights of a folder into a model on the meta device."""
    import torch

    from ..precision import at_precision

    if dtype is None and torch.device(device).type == "cpu":
        dtype = torch.float32
    elif dtype is None or dtype == "stored":
        dtype = _main_dtype(state.values())
    for name, tensor in state.items():
        state[name] = at_precision(name, tensor, dtype).to(device)
    load_strict(model, state, _mismatch(folder), _ADVICE)
    return model.eval().requires_grad_(False)


def _main_dtype(tensors: Iterable[Tensor]) -> torch.dtype:
    """The floating point type of most weights."""
    counts: dict[torch.dtype, int] = {}
    for tensor in tensors:
        if tensor.is_floating_point():
            counts[tensor.dtype] = counts.get(tensor.dtype, 0) + tensor.numel()
    return max(counts, key=lambda dtype: counts[dtype])


def _part_info(name: str, files: list[Path], class_name: str) -> PartInfo:
    tensors = [info for file in files for info in read_header(file).values()]
    return PartInfo(
        name=name,
        class_name=class_name,
        parameters=sum(info.numel for info in tensors),
        nbytes=sum(file.stat().st_size for file in files),
        dtypes=tuple(sorted({info.dtype for info in tensors})),
    )


def _parse(file: Path, build: Callable[[Mapping[str, Any]], T], values: Mapping[str, Any]) -> T:
    try:
        return build(values)
    except (InputError, KeyError, TypeError, ValueError) as error:
        raise CheckpointError(f"{file} has a missing, unknown or wrong entry: {error}") from error


def _mismatch(place: Path) -> str:
    return f"{place} does not hold what its configuration describes"


def _weight_files(folder: Path) -> list[Path]:
    """The files of a part; pickles in its folder are refused."""
    files = weight_files(folder)
    refuse_pickles(folder)
    return files


def _write_json(file: Path, values: Mapping[str, Any]) -> None:
    file.write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")


def _defaults_file(folder: Path) -> Path:
    return folder / "scheduler" / "scheduler_config.json"


def _prompt_file(folder: Path) -> Path:
    return folder / "prompt" / "prompt.safetensors"
