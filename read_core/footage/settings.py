"""Settings of ``read-core prepare``."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..checks import check_size
from ..errors import InputError
from ..face.alignment import FaceLayout
from ..geometry import FPS, FRAMES_PER_LATENT
from ..limits import WINDOW

LAYOUTS = ("plain", "hdtf", "mead")
DETECTORS = ("own", "dlib", "yuface", "yunet")
ONE_CLIP = 121
"""Frames of a clip in the paper."""
NOT_STATED = "not stated"
VOICES = ("webrtc", "loudness", "none")


@dataclass(frozen=True)
class Settings:
    """How footage becomes items. Everything but ``device`` shows in the result.

    Attributes:
        vae: folder of the VAE.
        whisper: folder of the Whisper encoder.
        size: pixels of a crop's side.
        layout: how the folder names people: ``hdtf``, ``mead``, or ``plain``, not at all.
        face: where a crop has the face.
        seconds: least and most of an item that a longer stretch is cut into.
        span: latents that are encoded at a time.
        context: latents before a span that are encoded with it and thrown away.
        detector: who finds faces, see ``detectors``.
        detector_file: its weights, where it needs some.
        voice: who tells speech from silence, see ``voice``.
        license: of new items; None: the one that the folder was begun with.
        device: where models run; None: the best available.
        shortest: seconds from which a shorter stretch is kept whole; None: one clip of 121 frames, or the
            least of an item if that is less.
    """

    vae: Path
    whisper: Path
    size: int = 512
    layout: str = "plain"
    face: FaceLayout = field(default_factory=FaceLayout)
    seconds: tuple[float, float] = (10.0, 20.0)
    span: int = 16
    context: int = 8
    detector: str = "own"
    detector_file: Path | None = None
    voice: str = "webrtc"
    license: str | None = None
    device: str | None = None
    shortest: float | None = None

    def __post_init__(self) -> None:
        check_size((self.size, self.size))
        least = (FRAMES_PER_LATENT * WINDOW.least + 1) / FPS
        low, high = self.seconds
        if not least <= low <= high:
            raise InputError(
                f"an item lasts {low:g} to {high:g} s; expected {least:g} s or more, the shorter first"
            )
        if self.shortest is not None and not least <= self.shortest <= low:
            raise InputError(
                f"shortest is {self.shortest:g} s; expected {least:g} to {low:g} s, the least of an item"
            )
        if self.span < 1 or self.context < 1:
            raise InputError(f"span is {self.span}, context is {self.context}; expected 1 latent or more")
        for name, value, known in (
            ("layout", self.layout, LAYOUTS),
            ("detector", self.detector, DETECTORS),
            ("voice", self.voice, VOICES),
        ):
            if value not in known:
                raise InputError(f"{name} is {value!r}; expected one of {', '.join(known)}")

    @property
    def frames(self) -> tuple[int, int]:
        """Least and most frames of an item, 8 n + 1 each."""
        low, high = self.seconds
        count = round(high * FPS)
        return _whole_latents(low), count - (count - 1) % FRAMES_PER_LATENT

    @property
    def kept_from(self) -> int:
        """Least frames of a stretch that becomes an item, 8 n + 1."""
        least = self.frames[0]
        return min(least, ONE_CLIP) if self.shortest is None else min(least, _whole_latents(self.shortest))

    def stamp(self) -> dict[str, Any]:
        """What the result depends on, but for both models, whose fingerprints tell them."""
        return {
            "size": self.size,
            "layout": self.layout,
            "face": self.face.to_dict(),
            "seconds": list(self.seconds),
            "shortest": self.kept_from / FPS,
            "span": self.span,
            "context": self.context,
            "detector": self.detector,
            "voice": self.voice,
        }


def _whole_latents(seconds: float) -> int:
    """The least frames, 8 n + 1, that are not shorter."""
    count = round(seconds * FPS)
    return count + -(count - 1) % FRAMES_PER_LATENT
