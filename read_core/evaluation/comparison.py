"""Generated and real videos to compare, and the data that all metrics of the comparison share."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import torch
from torch import Tensor, nn
from tqdm import tqdm

from ..errors import InputError, OnWarning, warn
from ..face.finder import Faces, find_faces, load_finder
from .material.video_files import read_frames
from .metrics.color_drift import color_track
from .metrics.face import FaceTracks, aligned_crops, follow_points, read_crops
from .metrics.joins import neighbor_jumps
from .metrics.likeness import face_colors
from .networks.files import FoundFile, load_network

if TYPE_CHECKING:
    from .metrics.joins import Joins

    T = TypeVar("T", bound=nn.Module)

F = TypeVar("F")
V = TypeVar("V")
GENERATED, REAL = "generated", "real"


@dataclass(frozen=True)
class ReadFace:
    """What is read of the face in a video.

    Attributes:
        tracks: mouth, lids and places.
        picture: (3, 32, 32), 0..1, its mean colors.
    """

    tracks: FaceTracks
    picture: Tensor


@dataclass
class Tools:
    """Networks and readings that several comparisons share, each made at its first use.

    Attributes:
        weights: folder of the feature networks' files; None: metrics that need one cannot be measured.
        device: of the networks.
        on_warning: is told what is not as it should be.
        files: what was loaded, by metric.
    """

    weights: Path | None
    device: torch.device
    on_warning: OnWarning = warn
    files: dict[str, FoundFile] = field(default_factory=dict)
    _known: dict[tuple[str, Hashable], Any] = field(default_factory=dict)

    def load(self, metric: str, make: Callable[[], T]) -> T:
        """The network of a metric, on the device.

        Raises:
            CheckpointError: see :func:`load_network`.
            InputError: there is no folder of weights.
        """

        def found() -> T:
            folder = weights_folder(self.weights, metric)
            network, self.files[metric] = load_network(folder, metric, make, self.on_warning)
            return network.to(self.device)

        return self.once(f"network of {metric}", None, found)

    def once(self, what: str, of: Hashable, make: Callable[[], V]) -> V:
        """The result of ``make``, which is called only once for each pair of ``what`` and ``of``."""
        if (what, of) not in self._known:
            self._known[what, of] = make()
        known: V = self._known[what, of]
        return known

    def find(self, picture: Tensor) -> Faces:
        """The faces of a picture (H, W, 3), 0..1."""
        return find_faces(picture, self.device, finder=self._finder)

    def face(self, path: Path) -> ReadFace:
        """The face in a video.

        Raises:
            MediaError: the video cannot be read.
            InputError: it shows no face.
        """

        def read() -> ReadFace:
            points = follow_points(_pictures(path), self.find)
            if points is None:
                raise InputError(f"{path} shows no face; expected a face in at least one frame")
            colors: list[Tensor] = []

            def crops() -> Iterator[tuple[Tensor, Tensor]]:
                for crop, place in aligned_crops(_pictures(path), points):
                    colors.append(face_colors(crop))
                    yield crop, place

            tracks = read_crops(crops(), points)
            return ReadFace(tracks, torch.stack(colors).mean(0))

        return self.once("face", path, read)

    def colors(self, path: Path) -> Tensor:
        """Colors (F, 2, 3) of a video, see ``color_drift.color_track``.

        Raises:
            MediaError: the video cannot be read.
        """
        return self.once("colors", path, lambda: color_track(read_frames(path)))

    def jumps(self, path: Path) -> list[float]:
        """Differences of neighboring frames, see ``joins.neighbor_jumps``.

        Raises:
            MediaError: the video cannot be read.
        """
        return self.once("jumps", path, lambda: neighbor_jumps(read_frames(path)))

    @cached_property
    def _finder(self) -> Any:
        return load_finder().to(self.device)


@dataclass(frozen=True)
class LeftOut:
    """A video that does not count for a metric.

    Attributes:
        metric: its name.
        side: "generated" or "real".
        name: of the video.
        reason: in words.
    """

    metric: str
    side: str
    name: str
    reason: str


@dataclass
class Comparison:
    """Generated and real videos.

    Attributes:
        generated: paths by name.
        real: paths by name; pairs have the same name.
        tools: what is shared with other comparisons.
        joins: where clips meet in generated videos; None: as the tags of READ's videos say.
        people: who is in a video, by its name; videos that are not in it show one person each.
        left_out: videos that do not count.
    """

    generated: Mapping[str, Path]
    real: Mapping[str, Path]
    tools: Tools
    joins: Joins | None = None
    people: Mapping[str, str] = field(default_factory=dict)
    left_out: list[LeftOut] = field(default_factory=list)

    def side(self, side: str) -> Mapping[str, Path]:
        """The videos of "generated" or "real"."""
        return self.generated if side == GENERATED else self.real

    def each(self, metric: str, side: str) -> Iterator[tuple[str, Path]]:
        """Names and paths of the videos of a side, with a bar."""
        yield from tqdm(self.side(side).items(), f"{metric}, {side}", unit="video", leave=False)

    def pairs(self, metric: str) -> Iterator[tuple[str, Path, Path]]:
        """Name, generated and real video of each pair; a generated video without a real one is left out."""
        for name, path in self.each(metric, GENERATED):
            if name in self.real:
                yield name, path, self.real[name]
            else:
                self.leave_out(metric, GENERATED, name, "no real video has its name")

    def person(self, name: str) -> str:
        """Who is in a video, or its own name if nobody says."""
        return self.people.get(name, name)

    def leave_out(self, metric: str, side: str, name: str, reason: str) -> None:
        """Note that a video does not count."""
        self.tools.on_warning(f"{metric}: {side} {name} is left out: {reason}")
        self.left_out.append(LeftOut(metric, side, name, reason))


@dataclass(frozen=True)
class Measured(Generic[F]):
    """Figures of a comparison by one metric.

    Attributes:
        whole: of all videos together; None: the metric is one of single videos.
        generated: of each generated video, by name.
        real: of each real one.
    """

    whole: F | None = None
    generated: Mapping[str, F] = field(default_factory=dict)
    real: Mapping[str, F] = field(default_factory=dict)


def weights_folder(weights: Path | None, metric: str) -> Path:
    """The folder of weights; InputError if it is None."""
    if weights is None:
        raise InputError(
            f"{metric} needs the file of a feature network; say in which folder it is with --weights"
        )
    return weights


def _pictures(path: Path) -> Iterable[Tensor]:
    return (frame.float() / 255 for frame in read_frames(path))
