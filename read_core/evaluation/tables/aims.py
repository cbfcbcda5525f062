"""The aims for read-tiny and the measured figures: the first table of the suite ``tiny``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..figures import INTERVAL, column
from ..material.talks import DRAWN, PHOTOGRAPHS
from ..metrics.intervals import Estimate
from .report import shown

if TYPE_CHECKING:
    from ..metrics.sync import LipFigures
    from ..suites.real import RealFigures
    from .codec import CodecFigures
    from .identity import IdentityFigures
    from .report import Report
    from .seams import AnsSeams
    from .speaking import TalkFigures


@dataclass(frozen=True)
class Aim:
    """What is asked of a figure that was found.

    Attributes:
        what: in words.
        found: the figure.
        least, most: bounds. With the upper one alone, the amount of a signed figure counts.
    """

    what: str
    found: float | Estimate
    least: float | None = None
    most: float | None = None

    @property
    def value(self) -> float:
        """The figure without its interval."""
        return self.found.value if isinstance(self.found, Estimate) else self.found

    @property
    def met(self) -> bool:
        """Whether the figure keeps to the bounds; NaN does not."""
        value = abs(self.value) if self.least is None else self.value
        return (self.least is None or value >= self.least) and (self.most is None or value <= self.most)

    @property
    def asked(self) -> str:
        """As "at least 0.700" or "0.700 to 1.200"."""
        if self.least is not None and self.most is not None:
            return f"{shown(self.least)} to {shown(self.most)}"
        return f"at most {shown(self.most)}" if self.least is None else f"at least {shown(self.least)}"

    @property
    def row(self) -> AimFigures:
        """The cells of a table of aims."""
        interval = self.found.interval if isinstance(self.found, Estimate) else "-"
        return AimFigures(self.asked, self.value, interval, "yes" if self.met else "**no**")


@dataclass(frozen=True)
class AimFigures:
    """An aim in the table."""

    asked: str = column("asked")
    found: float = column("found")
    interval: str = column(INTERVAL)
    met: str = column("met")


@dataclass(frozen=True)
class Found:
    """The figures that aims ask for.

    Attributes:
        lips, codec, seams, identity: of drawn presenters.
        talks: by kind, for those kinds that were measured.
        real: of real photographs; None: none were measured.
    """

    lips: LipFigures
    codec: CodecFigures
    seams: AnsSeams
    identity: IdentityFigures
    talks: Mapping[str, TalkFigures]
    real: RealFigures | None = None


LARGE = 256
"""Shorter side in pixels from which the aims are higher: such checkpoints are trained on a GPU."""

_NOTE = "The aims for read-tiny; they are higher from 256 pixels on. The tables below explain the figures."
_ABSENT = " Photographs and their aims were not measured: give a folder of portraits as --faces."


def presenter_aims(found: Found, resolution: tuple[int, int]) -> tuple[Aim, ...]:
    """The aims for a checkpoint of drawn presenters alone, of that height and width."""
    lips, codec, seams = found.lips, found.codec, found.seams.everywhere
    large = min(resolution) >= LARGE
    return (
        Aim("the mouth opens with the speech (r)", lips.opening, least=0.8 if large else 0.75),
        Aim("in every video (r)", lips.least, least=0.5),
        Aim("it widens with the speech (r)", lips.width, least=0.5),
        Aim("it rounds with the speech (r)", lips.rounding, least=0.5),
        Aim("lips in time (frames)", lips.lag, most=1),
        Aim("another recording explains nothing (r)", lips.shuffled, most=0.1),
        Aim("mouth closed in silence (share of its range)", lips.quiet, most=0.1),
        Aim("p, b, m closed within a frame (share)", lips.closed, least=0.7),
        Aim("the codec's pictures (dB)", codec.whole, least=31.0 if large else 28.0),
        Aim("the codec's mouths (dB)", codec.mouth, least=27.0 if large else 24.0),
        Aim("clips meet as frames do (ratio)", seams.clips_by_inside, most=1.15),
        Aim("latents meet as frames do (ratio)", seams.latents_by_inside, most=1.15),
        Aim(
            "the background holds still (by what the codec leaves)",
            found.seams.background.inside_by_coded,
            most=2.0,
        ),
        Aim("nearest face is its own (share of clips)", found.identity.nearest, least=0.95),
    )


def talk_aims(kind: str, found: TalkFigures) -> tuple[Aim, ...]:
    """What is asked of talks of a kind by a checkpoint of aligned faces."""
    lips, rest, codec = found.lips, found.rest, found.codec.coded
    return (
        Aim(f"{kind}: the mouth opens with the speech (r)", lips.opening, least=0.8),
        Aim(f"{kind}: of every face (r)", lips.least, least=0.6),
        Aim(f"{kind}: it widens with the speech (r)", lips.width, least=0.5),
        Aim(f"{kind}: it rounds with the speech (r)", lips.rounding, least=0.6),
        Aim(f"{kind}: it opens as wide (share of the truth's range)", lips.span, least=0.7, most=1.2),
        Aim(f"{kind}: p, b, m closed within a frame (share)", lips.closed, least=0.7),
        Aim(f"{kind}: that above chance (share)", lips.above_chance, least=0.25),
        Aim(f"{kind}: opening in pauses (share of its range)", lips.quiet, most=0.1),
        Aim(f"{kind}: blinks (share of the truth's)", rest.blink_share, least=0.5, most=1.5),
        Aim(f"{kind}: an eye fades (share of open-eye frames)", rest.faded, most=0.05),
        Aim(f"{kind}: contrast of open eyes (share of the portrait's)", rest.contrast, least=0.9),
        Aim(f"{kind}: head motion (share of the truth's)", rest.head, least=0.6),
        Aim(f"{kind}: codec after detail (dB)", codec.whole, least=31),
        Aim(f"{kind}: its mouths (dB)", codec.mouth, least=26),
        Aim(f"{kind}: its eyes (dB)", codec.eyes, least=31),
        Aim(f"{kind}: its eyes in blinks (how far open)", codec.lids, most=0.35),
        Aim(f"{kind}: clips meet as latents do (ratio)", rest.clips_by_latents, most=1.1),
    )


def aligned_aims(found: Found) -> tuple[Aim, ...]:
    """The aims for a checkpoint of aligned faces, of what was measured."""
    kinds = [kind for kind in (PHOTOGRAPHS, DRAWN) if kind in found.talks]
    aims = [aim for kind in kinds for aim in talk_aims(kind, found.talks[kind])]
    if found.real is not None:
        every = "real photographs: every mouth opens with the speech (r)"
        aims.append(Aim(every, found.real.least, least=0.7))
    return tuple(aims)


def add_aims(report: Report, found: Found, resolution: tuple[int, int], aligned: bool) -> None:
    """Put a table of the aims before all others.

    Args:
        report: gets the table.
        found: what was measured.
        resolution: height and width of the checkpoint.
        aligned: whether its card has the layout of aligned faces.
    """
    aims = aligned_aims(found) if aligned else presenter_aims(found, resolution)
    absent = _ABSENT if aligned and DRAWN in found.talks and PHOTOGRAPHS not in found.talks else ""
    rows = [(aim.what, aim.row) for aim in aims]
    report.add_figures("Aims", "aim", AimFigures, rows, f"{_NOTE}{absent}")
    report.tables.insert(0, report.tables.pop())
