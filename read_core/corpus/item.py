"""One item of a corpus folder: a recording, its mouth track, and the seeds its frames are drawn from."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save
from torch.nn import functional as F

from ..errors import MediaError
from ..geometry import SAMPLES_PER_FRAME
from .motion import Motion, sample_motion
from .presenter import Presenter, sample_presenter
from .render import render
from .speech import INT16
from .utterance import Utterance

if TYPE_CHECKING:
    from torch import Tensor

INDEX_NAME = "index.jsonl"


@dataclass(frozen=True)
class ItemInfo:
    """What the index tells of an item.

    Attributes:
        id: number within its split, which also names its file.
        split, synthesiser, seed: what the recording was sampled from; the face and its motion too.
        text, voice, seconds: as in Utterance.
    """

    id: int
    split: str
    synthesiser: str
    seed: int
    text: str
    voice: str
    seconds: float

    @property
    def file(self) -> str:
        """File name within the split's folder."""
        return item_name(self.id)


@dataclass(frozen=True)
class CorpusItem:
    """A recording with its true mouth track and the presenter who says it.

    Attributes:
        info: where it comes from.
        waveform: (samples,) float32 -1..1, 16 kHz.
        mouth: (F, 3) float32, [open, width, round] at 25 fps.
        phonemes: (2 F,) int64, viseme class per 20 ms.
    """

    info: ItemInfo
    waveform: Tensor
    mouth: Tensor
    phonemes: Tensor

    @property
    def presenter(self) -> Presenter:
        """The face."""
        return sample_presenter(self.info.seed, self.info.split)

    @property
    def motion(self) -> Motion:
        """The head's motion, (F,) frames; it accents loud syllables."""
        frames = self.mouth.shape[0]
        return sample_motion(self.info.seed, frames, loudness(self.waveform, frames))

    def frames(
        self, size: int | tuple[int, int], start: int = 0, stop: int | None = None, device: str | None = None
    ) -> Tensor:
        """Draw frames ``start`` to ``stop`` (default: all): (stop - start, H, W, 3) float 0..1."""
        return render(self.presenter, self.motion, self.mouth, size, start, stop, device=device)


def item_seed(seed: int, index: int) -> int:
    """The seed of item ``index`` of a corpus: 48 bits, so items of different corpora do not meet."""
    return int.from_bytes(hashlib.sha256(f"item/{seed}/{index}".encode()).digest()[:6], "big")


def item_name(index: int) -> str:
    """File name of item ``index``."""
    return f"{index:06d}.safetensors"


def loudness(waveform: Tensor, frames: int) -> Tensor:
    """RMS of each video frame relative to the loudest ones, 0..1: (frames,)."""
    padded = F.pad(waveform, (0, frames * SAMPLES_PER_FRAME - waveform.shape[0]))
    rms = padded.view(frames, SAMPLES_PER_FRAME).square().mean(dim=1).sqrt()
    return (rms / torch.quantile(rms, 0.95).clamp(min=1e-6)).clamp(max=1.0)


def save_item(folder: Path, info: ItemInfo, utterance: Utterance) -> None:
    """Write an item to ``folder``, whole or not at all.

    Raises:
        MediaError: it cannot be written.
    """
    tensors = {
        "waveform": (utterance.waveform * INT16).to(torch.int16),
        "mouth": utterance.mouth.to(torch.float16),
        "phonemes": utterance.phonemes.to(torch.int16),
    }
    write_whole(folder / info.file, save(tensors, metadata={"item": json.dumps(asdict(info))}))


def load_item(folder: str | os.PathLike[str], index: int) -> CorpusItem:
    """Read item ``index`` from a split's folder.

    Raises:
        MediaError: there is none, or it is damaged.
    """
    path = Path(folder) / item_name(index)
    info = read_info(path)
    if info is None:
        raise MediaError(f"{path}: no such item of a corpus; expected one written by read-core corpus")
    tensors = load_file(path)
    return CorpusItem(
        info=info,
        waveform=tensors["waveform"].float() / INT16,
        mouth=tensors["mouth"].float(),
        phonemes=tensors["phonemes"].long(),
    )


def read_info(path: Path) -> ItemInfo | None:
    """What a finished item says of itself; None when there is no such file or it is not an intact item."""
    try:
        with safe_open(path, framework="pt") as file:
            return ItemInfo(**json.loads((file.metadata() or {})["item"]))
    except (OSError, SafetensorError, KeyError, ValueError, TypeError):
        return None


def write_whole(path: Path, data: bytes) -> None:
    """Write ``data`` under a temporary name and rename it; MediaError when that fails, leaving nothing."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.write_bytes(data)
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise MediaError(f"{path}: cannot be written: {error.strerror or error}") from error
