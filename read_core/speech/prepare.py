"""Optional preparation of a recording before it is encoded: cut, normalize, scale, gate."""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch import Tensor
from torch.nn import functional as F

from ..errors import InputError
from ..geometry import FPS, frames_of_samples

LOUDNESS = -23.0  # dB, root mean square of the speech after normalization
PEAK = 0.99
NO_GATE = -100.0
_BLOCK = 0.02  # seconds over which a level is measured
_QUIET = 30.0  # dB below the loudest block: quieter blocks are not speech and do not count for loudness


@dataclass(frozen=True)
class Preparation:
    """Preparation of the encoder's input, applied in this order.

    Attributes:
        normalize: bring the speech to ``LOUDNESS``, with a peak of at most ``PEAK``.
        scale: factor 0..10 applied afterwards.
        gate: dB, -100..0: quieter blocks of 20 ms become silence; -100: off.
    """

    normalize: bool = False
    scale: float = 1.0
    gate: float = NO_GATE

    def __post_init__(self) -> None:
        if not 0 <= self.scale <= 10:
            raise InputError(f"audio scale is {self.scale}; expected 0 to 10")
        if not NO_GATE <= self.gate <= 0:
            raise InputError(f"silence gate is {self.gate} dB; expected -100 (off) to 0")


def cut(waveform: Tensor, sample_rate: int, start: float = 0.0, duration: float = 0.0) -> Tensor:
    """Cut a part of a recording (channels, samples); ``duration`` 0 keeps the rest.

    Raises:
        InputError: a time is negative, or nothing is left.
    """
    if not (start >= 0 and duration >= 0):
        raise InputError(f"start is {start}, duration {duration}; expected 0 s or more")
    first = round(start * sample_rate)
    last = waveform.shape[-1] if duration == 0 else first + max(1, round(duration * sample_rate))
    part = waveform[..., first:last]
    if part.shape[-1] == 0:
        seconds = waveform.shape[-1] / sample_rate
        raise InputError(
            f"start is {start:g} s, but the recording lasts {seconds:.2f} s; expected a start before its end"
        )
    return part


def prepare(waveform: Tensor, sample_rate: int, how: Preparation) -> Tensor:
    """Apply a preparation to a recording (channels, samples), nominally -1..1; its input is not changed."""
    speech = normalize(waveform, sample_rate) if how.normalize else waveform
    speech = speech * how.scale
    return speech if how.gate <= NO_GATE else gate(speech, sample_rate, how.gate)


def normalize(waveform: Tensor, sample_rate: int) -> Tensor:
    """Bring the speech in (channels, samples) to ``LOUDNESS``; pauses do not count, silence is unchanged."""
    power = _powers(waveform, sample_rate)
    loud = power[power > power.max() * 10 ** (-_QUIET / 10)]
    peak = float(waveform.abs().max())
    if loud.numel() == 0 or peak == 0:
        return waveform
    gain = 10 ** (LOUDNESS / 20) / math.sqrt(float(loud.mean()))
    return waveform * min(gain, PEAK / peak)


def gate(waveform: Tensor, sample_rate: int, threshold: float) -> Tensor:
    """Silence parts of (channels, samples) that are quieter than ``threshold`` dB, fading over a block."""
    block = _block(sample_rate)
    opened = (_powers(waveform, sample_rate) > 10 ** (threshold / 10)).float()[None, None]
    opened = F.max_pool1d(opened, 5, stride=1, padding=2)  # two more blocks on either side
    curve = F.interpolate(opened, opened.shape[-1] * block, mode="linear", align_corners=False)[0, 0]
    return waveform * curve[: waveform.shape[-1]].to(waveform)


def padded_to_frames(waveform: Tensor, sample_rate: int) -> Tensor:
    """Pad a recording (channels, samples) with zeros to a whole number of video frames."""
    samples = waveform.shape[-1]
    whole = frames_of_samples(samples, sample_rate) * sample_rate / FPS
    return F.pad(waveform, (0, max(0, round(whole) - samples)))


def _block(sample_rate: int) -> int:
    return max(1, round(_BLOCK * sample_rate))


def _powers(waveform: Tensor, sample_rate: int) -> Tensor:
    """Mean square of the loudest channel per block, (blocks,)."""
    block = _block(sample_rate)
    padded = F.pad(waveform.float(), (0, -waveform.shape[-1] % block))
    blocks = padded.reshape(-1, padded.shape[-1] // block, block)
    return blocks.square().mean(dim=2).amax(dim=0)
