"""Run flite, the held-out synthesizer: text to a waveform with phoneme end times.

Only needed for evaluation corpora: ``apt-get install flite`` (Debian, Ubuntu).
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path

from ...geometry import SAMPLE_RATE
from .espeak import SynthesizerError
from .synthesized import SILENCE, Segment, Speech, Voice, read_wave

FLITE_VOICES = ("awb", "rms", "slt", "kal")

_TIMEOUT_SECONDS = 60
# slt's sounds are this much later than flite reports, measured by the energy of its vowels (seconds).
_LATE = {"slt": 0.015}


def locate_flite() -> str:
    """Path of the flite program; SynthesizerError when it is not installed."""
    program = shutil.which("flite")
    if program is None:
        raise SynthesizerError(
            "flite is needed for the held-out voices and was not found; install it: apt-get install flite"
        )
    return program


def speak_flite(text: str, voice: Voice) -> Speech:
    """Speak ``text``; the segments cover the whole waveform.

    Raises:
        SynthesizerError: flite is absent, does not know the voice or fails.
    """
    program = locate_flite()
    if voice.name not in FLITE_VOICES:
        raise SynthesizerError(
            f"flite has no voice {voice.name!r}; expected one of {', '.join(FLITE_VOICES)}"
        )
    with tempfile.TemporaryDirectory(prefix="read-flite-") as folder:
        sound = Path(folder) / "speech.wav"
        stretch = f"duration_stretch={175 / voice.rate:.4f}"
        done = subprocess.run(
            [program, "-voice", voice.name, "--setf", stretch, "-psdur", "-t", text, "-o", str(sound)],
            capture_output=True, text=True, timeout=_TIMEOUT_SECONDS, check=False,
        )  # fmt: skip
        if done.returncode != 0 or not sound.exists():
            raise SynthesizerError(f"flite failed on {text!r}: {done.stderr.strip() or 'no output'}")
        waveform = read_wave(sound)
    seconds = waveform.shape[0] / SAMPLE_RATE
    segments = _segments(done.stdout, seconds, _LATE.get(voice.name, 0.0))
    return Speech(waveform, segments, "flite")


def _segments(listing: str, seconds: float, late: float) -> tuple[Segment, ...]:
    """``listing`` is flite's "pau:0.142 b:0.215 ...": each phoneme with its end in seconds."""
    segments: list[Segment] = []
    start = 0.0
    for item in listing.split():
        phoneme, _, end = item.rpartition(":")
        stop = min(float(end) + late, seconds)
        if stop > start:
            segments.append(Segment(phoneme, start, stop))
            start = stop
    if start < seconds:
        segments.append(Segment(SILENCE["flite"], start, seconds))
    return tuple(segments)
