"""Training videos on disk: one safetensors file per video, rendered from the corpus or taken from footage.

A file holds ``frames`` (F, H, W, 3) uint8, ``waveform`` (640 F,) int16 at 16 kHz, ``boxes`` (F, 4) float32
pixel boxes x0, y0, x1, y1 of the mouth, and, where it is known, ``mouth`` (F, 3) float32, the true track.
"""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from tqdm import tqdm

from ..errors import InputError
from ..geometry import FPS, FRAMES_PER_LATENT, SAMPLES_PER_FRAME

if TYPE_CHECKING:
    from torch import Tensor

SUFFIX = ".safetensors"


@dataclass(frozen=True)
class Scene:
    """A corpus video before it is drawn: everything follows from these five values."""

    seed: int
    split: str
    seconds: float
    size: int
    synthesiser: str = "espeak"


def draw_scene(scene: Scene) -> dict[str, Tensor]:
    """Speak, move and draw ``scene``; the keys are those of the files above."""
    from ..corpus.motion import sample_motion
    from ..corpus.presenter import sample_presenter
    from ..corpus.render import mouth_box, render
    from ..corpus.utterance import sample_utterance

    utterance = sample_utterance(scene.seed, scene.seconds, scene.split, scene.synthesiser)
    presenter = sample_presenter(scene.seed, scene.split)
    motion = sample_motion(scene.seed, len(utterance.mouth), loudness(utterance.waveform))
    frames = render(presenter, motion, utterance.mouth, scene.size)
    return {
        "frames": (frames * 255).round().to(torch.uint8),
        "waveform": (utterance.waveform * 32767).round().to(torch.int16),
        "boxes": mouth_box(presenter, motion, scene.size),
        "mouth": utterance.mouth,
    }


def loudness(waveform: Tensor) -> Tensor:
    """Loudness per video frame, 0..1, relative to the recording's loud parts: (640 F,) -> (F,)."""
    rms = waveform.unfold(0, SAMPLES_PER_FRAME, SAMPLES_PER_FRAME).square().mean(1).sqrt()
    return (rms / rms.quantile(0.95).clamp_min(1e-4)).clamp(0, 1)


def whole_latents(seconds: float) -> float:
    """The longest duration up to ``seconds`` whose frames are 8 n + 1."""
    frames = int(seconds * FPS + 1e-6)
    return (frames - (frames - 1) % FRAMES_PER_LATENT) / FPS


def render_corpus(folder: Path, scenes: list[Scene], workers: int) -> list[Path]:
    """Draw the scenes that ``folder/split`` lacks; return the files of all of them."""
    files = [folder / s.split / f"{s.synthesiser}-{s.seed:06d}{SUFFIX}" for s in scenes]
    missing = [(s, f) for s, f in zip(scenes, files, strict=True) if not f.exists()]
    if missing:
        with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
            results = pool.map(_render_one, *zip(*missing, strict=True), chunksize=4)
            for _ in tqdm(results, total=len(missing), desc=f"drawing {folder}"):
                pass
    return files


def _render_one(scene: Scene, path: Path) -> None:
    torch.set_num_threads(1)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".tmp")
    save_file(draw_scene(scene), temporary)
    temporary.rename(path)


class ClipFile:
    """One video on disk, read in slices."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with safe_open(path, "pt") as file:
            self.frames: int = file.get_slice("frames").get_shape()[0]

    @property
    def whole_frames(self) -> int:
        """The most frames, 8 n + 1, that whole latents hold."""
        return self.frames - (self.frames - 1) % FRAMES_PER_LATENT

    def read(self, start: int = 0, stop: int | None = None) -> tuple[Tensor, Tensor]:
        """Frames (f, H, W, 3) uint8 and mouth boxes (f, 4) of [start, stop)."""
        stop = self.frames if stop is None else stop
        if not 0 <= start < stop <= self.frames:
            raise InputError(f"{self.path}: frames {start} to {stop} of {self.frames} were asked for")
        with safe_open(self.path, "pt") as file:
            return file.get_slice("frames")[start:stop], file.get_slice("boxes")[start:stop]

    def waveform(self) -> Tensor:
        """The recording, (640 F,) float32 at 16 kHz."""
        with safe_open(self.path, "pt") as file:
            waveform: Tensor = file.get_tensor("waveform")
        return waveform.float() / 32767

    def mouth(self) -> Tensor:
        """The true mouth track (F, 3), of corpus videos only."""
        with safe_open(self.path, "pt") as file:
            mouth: Tensor = file.get_tensor("mouth")
        return mouth


def find_clips(folder: Path, split: str) -> list[ClipFile]:
    """All videos of one split, sorted by name.

    Raises:
        InputError: there are none.
    """
    files = sorted((folder / split).glob(f"*{SUFFIX}"))
    if not files:
        raise InputError(f"{folder / split}: no {SUFFIX} videos; make them with 'read-core corpus'")
    return [ClipFile(file) for file in files]
