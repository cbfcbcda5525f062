"""Times of the asynchronous noise scheduler: t = 1 is noise, t = 0 is data, float, one per latent."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor

from ..errors import InputError

SCHEDULE_STEPS = (4, 10)

Shift = float | Literal["tokens"]
"""s of the shifted schedule, or ``tokens``: s follows from the number of tokens, see :func:`shift_of`."""


def shift_of(shift: Shift, tokens: int) -> float:
    """s for windows of ``tokens`` tokens.

    The rule ``tokens`` is that of LTX-Video's trainer: s = exp(mu), mu(n) = 0.95 + 1.10 (n - 1024) / 3072. A
    logit-normal draw with mean 0 and this s is one with mean mu(n).

    Args:
        shift: s itself, or ``tokens``.
        tokens: W h w, the latents of one window (z_R included) times the places of a latent.
    """
    return math.exp(0.95 + 1.10 * (tokens - 1024) / 3072) if shift == "tokens" else float(shift)


def timesteps(steps: int, shift: float = 1.0) -> Tensor:
    """The schedule T_1 = 1 > ... > T_n = 0 of Algorithm 1, n = steps + 1.

    Args:
        steps: updates per latent, at least 1.
        shift: s > 0; above 1, more steps are near the noise.

    Returns:
        (steps + 1,) float32, on the CPU.

    Raises:
        InputError: ``steps`` or ``shift`` is out of range.
    """
    if steps < 1:
        raise InputError(f"steps is {steps}; expected at least 1")
    return _schedule(torch.arange(steps + 1), torch.tensor(steps), shift)


def guided_steps(times: Tensor, end: float) -> int:
    """How many steps of a schedule are guided if guidance ends early: those that begin at T > 1 - end.

    Args:
        times: (steps + 1,) on the CPU, see :func:`timesteps`.
        end: share of the way from noise to data, more than 0; 1: every step is guided.
    """
    return int((times[:-1] > 1 - end).sum())


def shift_times(t: Tensor, shift: float) -> Tensor:
    """T' = s T / (1 + (s - 1) T), elementwise; 0 and 1 are exactly unchanged."""
    if not 0.0 < shift < float("inf"):
        raise InputError(f"shift is {shift}; expected a number above 0")
    return shift * t / (shift * t + (1.0 - t))


def draw_continuation(batch: int, fraction: float, generator: torch.Generator | None = None) -> Tensor:
    """Draw which samples continue a clip, i.e. have a motion frame: (B,) bool, True with ``fraction``.

    The window of such a sample, and its frame for z_R, may be anywhere in the video. The window of the others
    starts the video, and z_R is its frame 0.
    """
    return _uniform(batch, generator) < fraction


def draw_times(  # noqa: PLR0913
    batch: int,
    frames: int,
    shift: float = 1.0,
    generator: torch.Generator | None = None,
    *,
    continuation: Tensor | None = None,
    continuation_fraction: float = 0.75,
    schedule_fraction: float = 0.4,
    mean: float = 0.0,
    std: float = 1.0,
) -> Tensor:
    """Draw training times t = [0, t1, t2 .. t2] (eq. 12), one row per sample.

    Two independent draws make the mixture (which goes beyond the paper):

    - A sample that continues a clip has a cleaner motion frame, t1 < t2. The others have none, t1 = t2, like
      the first clip of Algorithm 1.
    - With ``schedule_fraction``, the times are those of inference: (t2, t1) = (T_i, T_{i+1}) of the shifted
      schedule with 4 to 10 steps, including the last pair (t1 = 0); T_i alone without a motion frame. The
      others come from the shifted logit-normal distribution: two ordered draws, or one without a motion
      frame.

    The number of random values drawn depends only on ``batch``.

    Args:
        batch: samples B.
        frames: generated latents f per sample, at least 2.
        shift: s of :func:`timesteps`, applied to both kinds of times.
        generator: the result is on its device; None: the CPU's default generator.
        continuation: (B,) bool, which samples continue a clip; drawn at ``continuation_fraction`` if None.
        continuation_fraction: share of samples that continue a clip, if ``continuation`` is None.
        schedule_fraction: share of samples whose times come from the inference schedules.
        mean: mu of the normal distribution under the sigmoid, before the shift.
        std: sigma of it.

    Returns:
        (B, 1 + f) float32 in 0..1; the first column, z_R's, is 0.

    Raises:
        InputError: ``frames`` is less than 2, or ``continuation`` has not the shape (B,).
    """
    if frames < 2:
        raise InputError(f"frames is {frames}; expected at least 2 generated latents")
    drawn = draw_continuation(batch, continuation_fraction, generator)
    continues = drawn if continuation is None else continuation.to(drawn.device, torch.bool)
    if continues.shape != (batch,):
        raise InputError(f"continuation has shape {tuple(continues.shape)}; expected ({batch},)")
    from_schedule = _uniform(batch, generator) < schedule_fraction
    pairs = torch.where(
        from_schedule[:, None],
        _schedule_pairs(batch, shift, generator),
        _logit_normal_pairs(batch, shift, mean, std, generator),
    )
    pairs = torch.where(continues[:, None], pairs.sort(dim=1).values, pairs[:, 1:])
    motion, target = pairs.unbind(dim=1)
    reference = torch.zeros_like(target)
    return torch.stack([reference, motion, *[target] * (frames - 1)], dim=1)


def _logit_normal_pairs(
    batch: int, shift: float, mean: float, std: float, generator: torch.Generator | None
) -> Tensor:
    """(B, 2) float32: two shifted logit-normal draws, not ordered."""
    device = generator.device if generator is not None else None
    normal = torch.randn(batch, 2, dtype=torch.float64, generator=generator, device=device)
    return shift_times(torch.sigmoid(mean + std * normal), shift).float()


def _schedule_pairs(batch: int, shift: float, generator: torch.Generator | None) -> Tensor:
    """(B, 2) float32: (T_{i+1}, T_i), i uniform, of schedules of 4 to 10 steps."""
    fewest, most = SCHEDULE_STEPS
    steps = fewest + (_uniform(batch, generator) * (most - fewest + 1)).long()
    index = (_uniform(batch, generator) * steps).long()
    return torch.stack([_schedule(index + 1, steps, shift), _schedule(index, steps, shift)], dim=1)


def _schedule(index: Tensor, steps: Tensor, shift: float) -> Tensor:
    """T_{index + 1} of the schedule of ``steps`` updates, float32, elementwise."""
    return shift_times(1.0 - index.double() / steps, shift).float()


def _uniform(batch: int, generator: torch.Generator | None) -> Tensor:
    device = generator.device if generator is not None else None
    return torch.rand(batch, dtype=torch.float64, generator=generator, device=device)
