"""The tables of lips: all videos, each synthesiser's, and video by video."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..material.cast import LIP_COLUMNS, LIP_NOTE

if TYPE_CHECKING:
    from ..material.cast import Cast
    from .report import Report


def add_lips(report: Report, cast: Cast) -> None:
    """Mouth tracks of drawn and generated videos, per video and in all."""
    rows = [("drawn (the measure itself)", *cast.drawn_row()), ("generated", *cast.row())]
    for speaker in dict.fromkeys(sample.synthesiser for sample in cast.samples):
        own = [i for i, sample in enumerate(cast.samples) if sample.synthesiser == speaker]
        rows.append((f"generated, {speaker}", *cast.row(own)))
    report.add("Lips", ("videos", *LIP_COLUMNS), rows, LIP_NOTE)
    report.add(
        "Lips, video by video",
        (
            "video", "skin tone", "measure r", "open r", "width r", "round r", "lag", "shuffled r",
            "p b m", "p b m shut", "by chance", "silence shut", "opening in silence",
        ),
        [
            (s.name, s.skin_tone, m.opening, x.opening, x.width, x.rounding, x.lag, x.shuffled,
             x.cases.closures, x.cases.closed, x.cases.chance, x.cases.silence, x.cases.quiet)
            for s, m, x in zip(cast.samples, cast.measure, cast.scores, strict=True)
        ],
        "Skin tone: 0 very light .. 1 very dark. Measure r: on the drawn video itself.",
    )  # fmt: skip
