"""Ways to make the videos of an experiment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

from ...checkpoint import load_checkpoint
from ...device import best_device
from ...errors import InputError, MediaError, OnWarning, once, warn
from ...generate.job import Job, generate
from ...generate.runtime import runtime_path
from ...pipeline import ReadPipeline
from ...records import SamplingSettings
from ..material.concatenation import Concatenation, concatenation_joins
from ..material.made import check_made
from ..material.video_files import find_videos
from ..metrics.joins import Joins
from ..tables.metadata import weights_digest
from ..tables.report import make_folder

if TYPE_CHECKING:
    import torch

    from ...checkpoint import Components
    from ..material.takes import Take


@dataclass(frozen=True)
class Way:
    """A way to make videos.

    Attributes:
        name: of its row.
        checkpoints: of one training or several; none: the videos are there.
        settings: how to sample; the seed is added to those of the experiment.
        concatenated: clips are generated one by one and joined, see ``material.concatenation``.
        videos: folder of another method's videos, by the names of the takes.
    """

    name: str
    checkpoints: tuple[Path, ...] = ()
    settings: SamplingSettings = SamplingSettings()
    concatenated: bool = False
    videos: Path | None = None

    @property
    def folder(self) -> str:
        """Name of a folder for its videos."""
        return "".join(letter if letter.isalnum() else "-" for letter in self.name).strip("-").lower()


class Maker:
    """Makes the videos of ways; keeps the last checkpoint that it loaded.

    Args:
        device: of the models; None: the best available.
        on_warning: is told once of each warning.
    """

    def __init__(self, device: torch.device | str | None = None, on_warning: OnWarning = warn) -> None:
        self.device, self.on_warning = device, once(on_warning)
        self.digests: dict[Path, str] = {}
        self._loaded: tuple[Path, Components] | None = None

    def pipeline(self, checkpoint: Path, concatenated: bool = False) -> ReadPipeline:
        """The pipeline of a checkpoint.

        Raises:
            CheckpointError: it cannot be loaded.
        """
        if self._loaded is None or self._loaded[0] != checkpoint:
            self._loaded = None  # so that two checkpoints are never held
            self._loaded = checkpoint, load_checkpoint(checkpoint, self.device or best_device())
        return (Concatenation if concatenated else ReadPipeline)(self._loaded[1])

    def make(
        self, way: Way, checkpoint: Path, seed: int, takes: Sequence[Take], folder: Path
    ) -> dict[str, Path]:
        """Generate the videos of some takes; those that are there are kept.

        Args:
            way: how.
            checkpoint: one of the way's.
            seed: of the noise.
            takes: what is said by whom.
            folder: of the videos.

        Returns:
            The videos by the names of their takes.

        Raises:
            InputError: the folder holds videos that were made otherwise.
            ReadError: a video cannot be made.
        """
        pipe = self.pipeline(checkpoint, way.concatenated)
        settings = replace(way.settings, seed=way.settings.seed + seed)
        self._check_made(way, pipe, checkpoint, settings, folder)
        made = {}
        for take in tqdm(takes, desc=f"{way.name}, seed {seed}", unit="video", leave=False):
            made[take.name] = out = folder / f"{take.name}.mp4"
            make_folder(out.parent)
            if not (out.is_file() and runtime_path(out).is_file()):
                job = Job(
                    take.portrait, take.speech, out, settings, face=take.face, overwrite=True, runtime=True
                )
                generate(pipe, job, on_warning=self.on_warning)
        return made

    def joins(self, way: Way) -> Joins | None:
        """Where the clips of a way's videos meet; None: their tags may tell."""
        if not way.checkpoints:
            return None
        window = way.settings.resolved(self.pipeline(way.checkpoints[0]).defaults).window
        return concatenation_joins(window) if way.concatenated else Joins.of_window(window)

    def _check_made(
        self, way: Way, pipe: ReadPipeline, checkpoint: Path, settings: SamplingSettings, folder: Path
    ) -> None:
        """Write down how the videos of a folder are made, or compare it with what is recorded there."""
        if checkpoint not in self.digests:
            self.digests[checkpoint] = weights_digest(pipe)
        chosen = settings.resolved(pipe.defaults)
        content: dict[str, Any] = {
            "weights": self.digests[checkpoint],
            "steps": chosen.steps,
            "guidance": chosen.guidance.to_dict(),
            "window": chosen.window,
            "seed": chosen.seed,
            "concatenated": way.concatenated,
        }
        check_made(folder, content)


def videos_of(way: Way, takes: Sequence[Take], on_warning: OnWarning = warn) -> dict[str, Path]:
    """The videos of another method that have the names of takes.

    Raises:
        MediaError: there is none.
    """
    if way.videos is None:
        raise InputError(f"{way.name} has neither a checkpoint nor a folder of videos")
    found = find_videos(way.videos)
    kept = {take.name: found[take.name] for take in takes if take.name in found}
    missing = [take.name for take in takes if take.name not in found]
    if not kept:
        raise MediaError(f"{way.videos} has no video of the names {', '.join(missing[:3])} ...")
    if missing:
        on_warning(f"{way.videos} lacks {len(missing)} videos, for example {missing[0]}; they do not count")
    return kept
