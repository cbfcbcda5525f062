"""Load a checkpoint folder, or describe it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from ..errors import CheckpointError, InputError
from ..weights.files import (
    TensorInfo,
    read_header,
    read_json,
    read_tensors,
    refuse_pickles,
    weight_files,
)
from ..weights.fingerprint import weights_print
from ..weights.strict import compare, load_strict, refuse
from .folder import (
    ADVICE,
    CLASS_NAME,
    FORMATS,
    INSTEAD,
    MODELS,
    OPTIONAL,
    check_fit,
    check_student,
    defaults_file,
    mismatch,
    prompt_file,
    warn_of_other_base,
)
from .prompt import load_prompt
from .records import Card, CheckpointInfo, Components, PartInfo, SamplingDefaults

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

T = TypeVar("T")


def describe(folder: str | Path) -> CheckpointInfo:
    """Describe a checkpoint, from only its JSON files and safetensors headers.

    Raises:
        CheckpointError: a file is missing, damaged, a pickle or of another format.
    """
    folder = Path(folder)
    (card, kinds), defaults = _read_index(folder), _read_defaults(folder)
    check_student(folder, "distilled" in kinds, defaults)
    parts = [_part_info(name, _weight_files(folder / name), kind) for name, (_, kind) in kinds.items()]
    parts.append(_part_info("prompt", [prompt_file(folder)], "Prompt"))
    text = str(read_json(folder / "prompt" / "config.json").get("text", ""))
    return CheckpointInfo(folder, card, defaults, tuple(parts), text)


def load_checkpoint(
    folder: str | Path,
    device: torch.device | str = "cpu",
    dtype: torch.dtype | Literal["stored"] | None = None,
) -> Components:
    """Load all parts of a checkpoint, strictly.

    Args:
        folder: see ``read_core.checkpoint.folder``.
        device: device of the models.
        dtype: type of all models; "stored": as each part is stored; None: the same, but float32 on a CPU.

    Raises:
        CheckpointError: a file is missing, truncated or a pickle; a tensor is missing, unknown or of another
            shape or type; or the parts do not fit each other. The message names the file and the tensors.
    """
    folder = Path(folder)
    (card, kinds), defaults = _read_index(folder), _read_defaults(folder)
    check_student(folder, "distilled" in kinds, defaults)
    empty = {name: _empty_model(folder / name, kind) for name, (_, kind) in kinds.items()}
    check_fit(folder, empty)
    for name, model in empty.items():
        _check_weights(folder / name, model)
    text = str(read_json(folder / "prompt" / "config.json").get("text", ""))
    channels = int(empty["transformer"].config.caption_channels)
    prompt = load_prompt(prompt_file(folder), channels, text)
    models: dict[str, Any] = {}
    for name, model in empty.items():
        stored = _read_state(folder / name)
        if "distilled" in empty and name == "transformer":
            found = weights_print(stored)
        models[name] = _fill(model, stored, folder / name, device, dtype)
    if "distilled" in empty:
        warn_of_other_base(folder, models["distilled"], found)
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
    file = defaults_file(folder)
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


def _check_weights(folder: Path, model: nn.Module) -> None:
    """Compare the headers of a folder's weights with a model's names, shapes and types."""
    header: dict[str, TensorInfo] = {}
    for file in _weight_files(folder):
        header |= read_header(file)
    refuse(compare(model.state_dict(), header), mismatch(folder), ADVICE)


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
    load_strict(model, state, mismatch(folder), ADVICE)
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


def _weight_files(folder: Path) -> list[Path]:
    """The files of a part; pickles in its folder are refused."""
    files = weight_files(folder)
    refuse_pickles(folder)
    return files
