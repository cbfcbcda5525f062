"""Training data of the two speech stages: utterances of the procedural corpus, or a folder of recordings."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import torch
from pydantic import Field
from torch.utils.data import Dataset

from ...corpus.speech.utterance import sample_utterance
from ...footage.manifest import manifest_of
from ...geometry import FEATURES_PER_FRAME, FPS, SAMPLES_PER_FRAME
from ..config import ConfigError, Strict

if TYPE_CHECKING:
    from torch import Tensor

AUDIO = ("aac", "aif", "aiff", "caf", "flac", "m4a", "m4b", "mp3", "oga", "ogg", "opus", "sph", "wav", "wma")
VIDEO = ("avi", "m4v", "mka", "mkv", "mov", "mp4", "mpeg", "mpg", "ogv", "ts", "weba", "webm", "wmv")
HELD_OUT = 20
"""One in this many recordings is held out, the paper's 5 %, where no manifest tells who is."""


class SpeechConfig(Strict):
    """Source of the speech.

    Attributes:
        seconds: length of every sample.
        short_share: share of the samples whose speech ends early, at a random time after one second. Digital
            silence follows, as after the end of a recording.
        synthesizer: the speech synthesizer of the training utterances; of several, each sample takes one in
            turn.
        recordings: folder of audio or video files to use instead of the corpus, searched with its subfolders;
            other and hidden files are ignored. If ``read-core prepare`` has made it, its manifest tells which
            recordings are held out.
    """

    seconds: float = Field(gt=0)
    short_share: float = Field(default=0.0, ge=0, le=1)
    synthesizer: str | tuple[str, ...] = "espeak"
    recordings: Path | None = None

    @property
    def frames(self) -> int:
        """Number of video frames of a sample."""
        return round(self.seconds * FPS)


class UtteranceDataset(Dataset[dict[str, "Tensor"]]):
    """Endless utterances of the corpus; sample i is a function of (seed, i).

    ``synthesizer`` replaces that of ``config``.

    A sample is {"waveform": (640 F,), "mouth": (F, 3), "phonemes": (2 F,) long}.
    """

    def __init__(self, config: SpeechConfig, seed: int, split: str = "train", synthesizer: str = "") -> None:
        self.config, self.seed, self.split = config, seed, split
        chosen = synthesizer or config.synthesizer
        self.synthesizers = (chosen,) if isinstance(chosen, str) else chosen

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        seed = self.seed * 1_000_003 + index
        frames = spoken = self.config.frames
        generator = torch.Generator().manual_seed(seed)
        short, length = torch.rand(2, generator=generator).tolist()
        if short < self.config.short_share:
            spoken = FPS + round(length * (frames - FPS))
        synthesizer = self.synthesizers[index % len(self.synthesizers)]
        utterance = sample_utterance(seed, spoken / FPS, self.split, synthesizer)
        return {
            "waveform": _fit(utterance.waveform, frames * SAMPLES_PER_FRAME),
            "mouth": _fit(utterance.mouth, frames),
            "phonemes": _fit(utterance.phonemes, frames * FEATURES_PER_FRAME),
        }


class RecordingDataset(Dataset[dict[str, "Tensor"]]):
    """Endless random cuts {"waveform": (640 F,)} of the recordings in a folder."""

    def __init__(self, config: SpeechConfig, seed: int, split: str = "train") -> None:
        if config.recordings is None or not config.recordings.is_dir():
            raise ConfigError(f"speech.recordings is {config.recordings}; expected a folder of recordings")
        self.files = split_recordings(config.recordings, split)
        self.config, self.seed = config, seed

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        from ...media import read_audio

        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + index)
        choice, place = torch.rand(2, generator=generator).tolist()
        waveform = read_audio(self.files[int(choice * len(self.files))])
        length = self.config.frames * SAMPLES_PER_FRAME
        start = int(place * max(0, len(waveform) - length))
        return {"waveform": _fit(waveform[start:], length)}


def split_recordings(folder: Path, split: str) -> list[Path]:
    """The recordings of a split: of footage that was prepared as its manifest says, else by their order.

    Raises:
        ConfigError: there are none.
        InputError: the manifest has no items of the split.
    """
    manifest = manifest_of(folder)
    if manifest is not None:
        found = [path for path in manifest.videos(split) if path.is_relative_to(folder.resolve())]
        if not found:
            raise ConfigError(
                f"{folder} holds no item of the split {split} of {manifest.folder}; expected that folder"
            )
        return found
    files = find_recordings(folder)
    held_out = files[::HELD_OUT]
    found = [file for file in files if file not in held_out] if split == "train" else held_out
    if not found:
        raise ConfigError(f"{folder} holds {len(files)} recordings; expected at least two recordings")
    return found


def find_recordings(folder: Path) -> list[Path]:
    """All audio and video files below a folder, by their suffixes, without hidden files."""
    named = [path for path in folder.rglob("*") if path.suffix[1:].lower() in AUDIO + VIDEO]
    shown = [p for p in named if not any(part.startswith(".") for part in p.relative_to(folder).parts)]
    return sorted(path for path in shown if path.is_file())


def speech_dataset(config: SpeechConfig, seed: int, split: str = "train") -> Dataset[dict[str, Tensor]]:
    """The dataset that ``config`` describes; ``split`` is ``train`` or ``validation``."""
    if config.recordings is None:
        return UtteranceDataset(config, seed, split)
    return RecordingDataset(config, seed, split)


def batch_of(dataset: Dataset[dict[str, Tensor]], count: int) -> dict[str, Tensor]:
    """The first ``count`` samples of a dataset in one batch."""
    samples = [dataset[i] for i in range(count)]
    return {name: torch.stack([sample[name] for sample in samples]) for name in samples[0]}


def _fit(track: Tensor, length: int) -> Tensor:
    """Cut a track (n, ...) to ``length``, or pad it with zeros: silence, a resting mouth, no phoneme."""
    fitted = track.new_zeros(length, *track.shape[1:])
    fitted[: len(track)] = track[:length]
    return fitted
