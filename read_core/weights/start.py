"""Make the folders that a full-size training starts from, of LTX-Video's and Whisper's published files.

::

    transformer/   LTXVideoTransformer3DModel: config.json, safetensors, origin.json
    vae/           AutoencoderKLLTXVideo, the same
    whisper/       the encoder of Whisper alone, the same
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKLLTXVideo, LTXVideoTransformer3DModel
from safetensors import SafetensorError
from torch import Tensor
from transformers.models.whisper.modeling_whisper import WhisperEncoder

from ..errors import CheckpointError
from ..folders import replace_folder
from ..media.files import write_error
from ..speech import load_whisper_encoder
from ..transformer.configs import LTX_2B
from .files import read_header, read_json, read_tensors, weight_files
from .float8 import refuse_float8
from .ltx_transformer import (
    BUILT_IN,
    CAUSAL,
    SHAPE_KEYS,
    check_size,
    file_config,
    read_ltx_config,
    read_transformer,
)
from .ltx_vae import match_release, read_vae
from .origin import FILE, NOT_STATED, Origin, checksum, find_license, write_origin
from .strict import load_strict

PARTS = ("transformer", "vae", "whisper")
_EARLIER = ("LTX-Video 0.9.0", "LTX-Video 0.9.1")  # latent i at 8 i frames
_ADVICE = "Use an unmodified file or folder"


@dataclass(frozen=True)
class Start:
    """LTX-Video's two models, and what they are.

    Attributes:
        release: by the shapes of the VAE.
        causal: where latent i > 0 lies: at 8 i - 7 frames; False: at 8 i.
        files: that the weights are in.
        license_file: the text of their license, if it lies there.
    """

    source: Path
    release: str
    causal: bool
    transformer: LTXVideoTransformer3DModel
    vae: AutoencoderKLLTXVideo
    files: list[Path]
    license_file: Path | None

    def origin(self, license_name: str | None) -> Origin:
        """What ``origin.json`` says."""
        stated = self.license_file.name if self.license_file is not None else NOT_STATED
        return Origin(self.release, self.source.name, checksum(self.files), license_name or stated)


def read_start(source: Path) -> Start:
    """LTX-Video from an original file with transformer and VAE, or from a folder of diffusers.

    A small copy of the original, of the same names and layers, is read as well.

    Raises:
        CheckpointError: it is neither, in float8, another model than LTX-Video 2B, or damaged.
    """
    return _from_folder(source) if source.is_dir() else _from_file(source)


def write_start(
    ltx: Path,
    whisper: Path,
    out: Path,
    licenses: tuple[str | None, str | None] = (None, None),
    overwrite: bool = False,
) -> dict[str, Origin]:
    """Write the folders; under its name there is a complete folder or none.

    What else lies in a replaced ``out``, such as ``prompt.safetensors``, is kept.

    Args:
        ltx: see :func:`read_start`.
        whisper: folder of transformers.
        out: where.
        licenses: names of both licenses; None: what lies next to the files.
        overwrite: replace folders that this function wrote.

    Returns:
        The origin of each part.

    Raises:
        CheckpointError: a source is refused, or there is something already that may not be replaced.
        MediaError: it cannot be written, for example because the disk is full.
    """
    start, encoder = _sources(ltx, whisper, out, overwrite)
    heard, text = weight_files(whisper), find_license(whisper)
    origins = {"transformer": start.origin(licenses[0])}
    origins["vae"] = origins["transformer"]
    origins["whisper"] = Origin(
        f"Whisper, {encoder.config.encoder_layers} layers of {encoder.config.d_model}",
        whisper.name,
        checksum(heard),
        licenses[1] or (text.name if text is not None else NOT_STATED),
    )
    partial = out.with_name(out.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        for name, model in zip(PARTS, (start.transformer, start.vae, encoder), strict=True):
            model.save_pretrained(partial / name)
            write_origin(partial / name, origins[name], text if name == "whisper" else start.license_file)
        config = partial / "transformer" / "config.json"
        config.write_text(json.dumps(read_json(config) | {CAUSAL: start.causal}, indent=2) + "\n")
        _keep_others(out, partial)
        out.parent.mkdir(parents=True, exist_ok=True)
        replace_folder(partial, out)
    except (OSError, SafetensorError) as error:
        raise write_error(out, error) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return origins


def check_start(ltx: Path, whisper: Path, out: Path, overwrite: bool = False) -> None:
    """Refuse what :func:`write_start` would refuse, before other work that takes long.

    Raises:
        CheckpointError: as :func:`write_start`.
    """
    _sources(ltx, whisper, out, overwrite)


def _sources(ltx: Path, whisper: Path, out: Path, overwrite: bool) -> tuple[Start, WhisperEncoder]:
    """Both sources, once ``out`` may be written."""
    replaceable = overwrite and (out / PARTS[0] / FILE).is_file()
    if out.exists() and any(out.iterdir()) and not replaceable:
        raise CheckpointError(f"{out} exists already; choose another folder, or replace it (--overwrite)")
    start = read_start(ltx)
    for file in weight_files(whisper):
        refuse_float8(file, read_header(file))
    return start, load_whisper_encoder(whisper)


def _keep_others(out: Path, made: Path) -> None:
    """Copy what ``out`` holds besides the parts into the folder that will replace it."""
    for path in out.iterdir() if out.is_dir() else ():
        if path.name not in PARTS:
            copy = shutil.copytree if path.is_dir() else shutil.copy2
            copy(path, made / path.name)


def _from_file(path: Path) -> Start:
    weights = read_transformer(path)
    told = file_config(path)
    shape = {key: told.get(key, LTX_2B[key]) for key in SHAPE_KEYS}
    _refuse_larger(path, shape)
    check_size(path, shape, weights)
    autoencoder = read_vae(path)
    if not autoencoder:
        raise CheckpointError(
            f"{path} holds a transformer alone; expected the whole file of a release, with its VAE"
        )
    release, config = match_release(path, autoencoder)
    causal = bool(told.get(CAUSAL, release not in _EARLIER))
    return Start(
        path,
        release,
        causal,
        _transformer(path, shape, weights),
        _vae(path, config, autoencoder),
        [path],
        find_license(path),
    )


def _from_folder(folder: Path) -> Start:
    if not (folder / "transformer" / "config.json").is_file():
        there = sorted(path.name for path in folder.glob("*.safetensors"))
        advice = f"; name the file itself: {', '.join(there)}" if there else ""
        raise CheckpointError(
            f"{folder} has no transformer/config.json; expected an original file of LTX-Video or its folder "
            f"of diffusers, with transformer/ and vae/{advice}"
        )
    shape = read_ltx_config(folder / "transformer")
    _refuse_larger(folder, shape)
    weights, files = _folder_tensors(folder / "transformer")
    autoencoder, more = _folder_tensors(folder / "vae")
    release, _ = match_release(folder / "vae", autoencoder)
    told = read_json(folder / "transformer" / "config.json").get(CAUSAL)
    causal = release not in _EARLIER if told is None else bool(told)
    config = {k: v for k, v in read_json(folder / "vae" / "config.json").items() if not k.startswith("_")}
    return Start(
        folder,
        release,
        causal,
        _transformer(folder, shape, weights),
        _vae(folder, config, autoencoder),
        files + more,
        find_license(folder),
    )


def _folder_tensors(folder: Path) -> tuple[dict[str, Tensor], list[Path]]:
    files = weight_files(folder)
    tensors: dict[str, Tensor] = {}
    for file in files:
        refuse_float8(file, read_header(file))
        tensors |= read_tensors(file)
    return tensors, files


def _refuse_larger(source: Path, shape: Mapping[str, Any]) -> None:
    """Only the 2B releases fit; a 13B file says of itself that it is larger."""
    found, known = (
        (s["num_layers"], s["num_attention_heads"] * s["attention_head_dim"]) for s in (shape, LTX_2B)
    )
    if found[0] > known[0] or found[1] > known[1]:
        raise CheckpointError(
            f"{source} has {found[0]} blocks of {found[1]} channels; LTX-Video 2B has "
            f"{known[0]} of {known[1]}. Only the 2B releases fit, 0.9.0 to 0.9.8; not 13B or LTX-2"
        )


def _transformer(
    source: Path, shape: Mapping[str, Any], weights: Mapping[str, Tensor]
) -> LTXVideoTransformer3DModel:
    width = shape["num_attention_heads"] * shape["attention_head_dim"]
    with torch.device("meta"):
        model = LTXVideoTransformer3DModel(**BUILT_IN, **shape, cross_attention_dim=width)
    load_strict(model, weights, f"{source} does not fit LTX-Video's transformer", _ADVICE)
    return model


def _vae(source: Path, config: Mapping[str, Any], weights: Mapping[str, Tensor]) -> AutoencoderKLLTXVideo:
    with torch.device("meta"):
        model = AutoencoderKLLTXVideo.from_config(dict(config))
    load_strict(model, weights, f"{source} does not fit LTX-Video's autoencoder", _ADVICE)
    return model
