"""The first pass over a video: its sound at 16 kHz, its shots, and the spans that become items."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path

import numpy as np

from ..errors import MediaError, OnWarning, ignore
from ..geometry import FPS, SAMPLE_RATE, SAMPLES_PER_FRAME
from ..media.audio import at_rate, file_track
from ..media.decode import find_source
from ..media.files import temporary_beside
from ..media.frames import FrameReader, Shown
from .detectors import Detect
from .looks import See, see_again
from .settings import Settings
from .shots import SIZE, ShotChanges
from .stretches import EVERY, FROZEN, Look, Span, look, spans_of_shot
from .voice import Samples, Voiced

SOUND = "sound.i16"
"""The file with a video's sound: 16 kHz, mono, 16 bits, nothing else; items are cut out of it."""

_STILL = 0.5  # seconds that a frame may be held for
_LEAST_RATE = 20.0  # frames per second
_CUT_SHORT = (0.3, 1.0)  # seconds that a video may be shorter than it says: of the pictures, of the file
_SPOKEN = 0.3  # least share of an item with speech


@dataclass(frozen=True)
class Scanned:
    """What a video holds.

    Attributes:
        spans: items and what becomes none, in order; all of it.
        seconds: its length.
        spoken: share of speech of each span that becomes an item, or would.
        remarks: what is not as it should be, in words.
    """

    spans: list[Span]
    seconds: float
    spoken: list[float]
    remarks: list[str]


def scan(
    path: Path,
    folder: Path,
    settings: Settings,
    detect: Detect,
    voiced: Voiced | None,
    see: See = see_again,
) -> Scanned:
    """Look at a whole video, frame after frame, and write its sound into ``folder``.

    Args:
        path: of the video.
        folder: for ``SOUND``.
        settings: how it is cut.
        detect: finds the faces of a picture.
        voiced: measures the share of speech; None: nobody asks.
        see: takes looks of an earlier scan, see ``looks``.

    Raises:
        MediaError: it cannot be used at all: no sound, no picture, no frames, cut short, damaged.
    """
    reader = FrameReader(path)
    find_source(path, None, ignore)  # before anything that takes long
    remarks: list[str] = []
    shots, looks, size, stop = _watched(reader, detect, see)
    if not stop:
        raise MediaError(f"{path} holds no frames that can be decoded; download or export it again")
    missing = _missing(reader, stop / FPS)
    if missing and reader.exact:
        raise _cut_short(reader, stop / FPS)
    rate = reader.decoded / (stop / FPS)
    if rate < _LEAST_RATE:
        raise MediaError(
            f"{path} has {rate:.1f} frames per second; expected {_LEAST_RATE:g} or more, or lips "
            "cannot be followed"
        )
    if reader.damaged:
        remarks.append(f"{path}: {reader.damaged} damaged packets of the picture were left out")
    heard_seconds = write_sound(path, folder / SOUND, remarks.append)
    if missing:  # the header tells of the whole file: its sound may last longer than its picture
        if _missing(reader, heard_seconds):
            raise _cut_short(reader, stop / FPS)
        remarks.append(
            f"{path}: the picture ends at {stop / FPS:.1f} s, the sound at {heard_seconds:.1f} s; the sound "
            "after the picture is left out"
        )
    spans: list[Span] = []
    frames = (settings.kept_from, *settings.frames)
    for first, last in shots:
        within = [one for one in looks if first <= one.index < last]
        spans += spans_of_shot((first, last), within, size, settings.size, settings.face, frames)
    heard = np.memmap(folder / SOUND, np.int16, "r")
    told = [_with_speech(span, heard, voiced) for span in spans]
    return Scanned([span for span, _ in told], stop / FPS, [share for _, share in told], remarks)


def _missing(reader: FrameReader, seconds: float) -> bool:
    """Whether what lasts ``seconds`` ends before the duration in the header, if there is one."""
    if reader.declared is None:
        return False
    slack = _CUT_SHORT[0 if reader.exact else 1]
    return reader.declared - seconds > max(slack, 0.02 * reader.declared)


def _cut_short(reader: FrameReader, seconds: float) -> MediaError:
    return MediaError(
        f"{reader.path} is cut short: {seconds:.1f} s of the {reader.declared:.1f} s that it declares "
        "are there; download it again"
    )


def write_sound(path: Path, target: Path, on_warning: OnWarning) -> float:
    """Write the sound of a file, piece by piece; under its name there is all of it or nothing.

    Returns:
        Its seconds.

    Raises:
        MediaError: it has none, or it cannot be decoded.
        OSError: it cannot be written.
    """
    track = file_track(path, None, on_warning)
    count, temporary = 0, temporary_beside(target)
    try:
        with temporary.open("wb") as file:
            mixed = (piece.mean(axis=0, keepdims=True) for piece in track.chunks())
            for piece in at_rate(mixed, track.sample_rate, SAMPLE_RATE, channels=1):
                quantized = (piece[0].clip(-1, 1) * 32767).round().astype(np.int16)
                file.write(quantized.tobytes())
                count += len(quantized)
        if not count:
            raise MediaError(f"{path} has a sound track without any samples; expected speech")
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)
    return count / SAMPLE_RATE


def _watched(
    reader: FrameReader, detect: Detect, see: See
) -> tuple[list[tuple[int, int]], list[Look], tuple[int, int], int]:
    """Shots, looks, the size of the picture and the moment after the last."""
    starts: list[int] = []
    looks: list[Look] = []
    changes, last, stop, size = ShotChanges(), -1.0, 0, (0, 0)
    for shown in reader.read():
        stop = shown.index + 1
        if shown.time != last:
            last = shown.time
            if changes(shown.thumbnail(*SIZE)) or not starts:
                starts.append(shown.index)
        if (shown.index - starts[-1]) % EVERY == 0:
            if shown.age > _STILL:
                looks.append(Look(shown.index, None, FROZEN))
                continue
            looks.append(see(shown.index, partial(_look, shown, detect)))
            if size == (0, 0):
                height, width, _ = shown.pixels().shape
                size = height, width
    return list(pairwise([*starts, stop])), looks, size, stop


def _look(shown: Shown, detect: Detect) -> Look:
    return look(shown.index, detect(shown.pixels()))


def _with_speech(span: Span, heard: Samples, voiced: Voiced | None) -> tuple[Span, float]:
    """A span, no item any more if it is silent, and its share of speech."""
    if span.crop is None:
        return span, 0.0
    samples = np.asarray(heard[span.start * SAMPLES_PER_FRAME : span.stop * SAMPLES_PER_FRAME])
    if len(samples) < (span.stop - span.start) * SAMPLES_PER_FRAME // 2:
        return Span(span.start, span.stop, reason="the sound ends before the picture"), 0.0
    share = 1.0 if voiced is None else voiced(samples)
    if share < _SPOKEN:
        return Span(span.start, span.stop, reason=f"speech in {share:.0%} of it only"), share
    return span, share
