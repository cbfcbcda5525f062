"""Windows of prepared footage (``read_core.footage``): mapped from disk, so memory does not grow with it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

from ...face.alignment import FaceLayout
from ...footage.manifest import Item, Manifest, read_manifest
from ...geometry import frames_of_latents
from ...speech.speech_ae import CONTEXT_FRAMES
from ...speech.steps import features_of
from ...weights.files import read_json
from ...weights.fingerprint import fingerprint
from ..config import ConfigError
from .captions import Captions
from .latents import WindowDataset

CARD = "footage.json"
"""File next to a model that was trained on footage: what a checkpoint's card should say of it."""


class MappedItems(Sequence[dict[str, Tensor]]):
    """The tensors of items, mapped from disk each time; only what is read is loaded."""

    def __init__(self, items: Sequence[Item]) -> None:
        self.items = items

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: Any) -> Any:
        return load_file(self.items[index].path)


class FootageWindows(WindowDataset):
    """As ``speech_variants.FeatureWindows``: "speech" is S of the frames that the codes are made of.

    With ``captions`` a sample also has "prompt" (S, D) and "prompt_mask" (S,), True for tokens that count.

    Args:
        items: of one split.
    """

    captions: Captions | None = None

    def __init__(
        self, items: Sequence[Item], windows: tuple[int, ...], step: int, start_share: float, seed: int
    ) -> None:
        self.windows, self.step, self.start_share, self.seed = windows, step, start_share, seed
        self.items = MappedItems(items)
        self.check_windows(min(item.latents for item in items))

    def speech(self, video: int, first: int, count: int) -> Tensor:
        """S of the latents ``first`` .. ``first + count - 1``, with the context before them."""
        start, stop = frames_of_latents(1 + first) - 1 - CONTEXT_FRAMES, frames_of_latents(first + count)
        speech = features_of(self.items[video]["steps"], max(0, start), stop)
        return torch.cat([speech[:1].expand(max(0, -start), -1, -1), speech]).float()

    def more(self, video: int) -> dict[str, Tensor]:
        """The text embedding of an item."""
        if self.captions is None:
            return {}
        embedding, mask = self.captions[video]
        return {"prompt": embedding, "prompt_mask": mask}


def open_footage(folder: Path, vae: Path, whisper: Path) -> Manifest:
    """The manifest of footage that was prepared with these models.

    Raises:
        ConfigError: it was prepared with others.
        InputError: there is none.
    """
    manifest = read_manifest(folder)
    for name, model in (("vae", vae), ("whisper", whisper)):
        if manifest.content[name] != fingerprint([model]):
            raise ConfigError(
                f"footage is {folder}, which was prepared with another {name} than {model}; prepare it "
                "with this one, or train with that one"
            )
    return manifest


def write_card(folder: Path, manifest: Manifest) -> None:
    """Write next to a trained model what it was trained on."""
    content = manifest.content
    told = {"face": content["settings"]["face"], "license": content["license"], "seconds": content["seconds"]}
    (folder / CARD).write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")


def read_face(folder: Path) -> FaceLayout | None:
    """Where the crops had the face that the model in ``folder`` was trained on; None: it does not tell."""
    return FaceLayout.from_dict(read_json(folder / CARD)["face"]) if (folder / CARD).is_file() else None
