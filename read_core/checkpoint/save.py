"""Save a checkpoint folder."""

from __future__ import annotations

import copy
import json
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import CheckpointError
from ..folders import replace_folder
from ..weights.fingerprint import weights_print
from ..weights.origin import copy_origin
from .folder import (
    CLASS_NAME,
    FORMATS,
    INSTEAD,
    MODELS,
    OPTIONAL,
    check_fit,
    check_student,
    defaults_file,
    prompt_file,
    warn_of_other_base,
)
from .prompt import write_prompt
from .records import Components

if TYPE_CHECKING:
    import torch


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
    check_fit(folder, {name: model for name, model in there.items() if model is not None})
    check_student(folder, components.distilled is not None, components.defaults)
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
        warn_of_other_base(folder, student, own)
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
    write_prompt(prompt_file(folder), replace(prompt, embedding=embedding))
    _write_json(folder / "prompt" / "config.json", {"text": prompt.text})
    (folder / "scheduler").mkdir()
    _write_json(defaults_file(folder), components.defaults.to_dict())
    card = components.card
    newer = card.face is not None or card.still_head or not set(kinds.values()) <= set(MODELS.values())
    index = {"_class_name": CLASS_NAME, "format": FORMATS[-1 if newer else 0], **card.to_dict()}
    _write_json(folder / "model_index.json", index | {name: list(kind) for name, kind in kinds.items()})


def _forget_origin(config: Path) -> None:
    """Remove the path that a part was loaded from: it is useless elsewhere and may be private."""
    entries = json.loads(config.read_text(encoding="utf-8"))
    entries.pop("_name_or_path", None)
    _write_json(config, entries)


def _write_json(file: Path, values: Mapping[str, Any]) -> None:
    file.write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")
