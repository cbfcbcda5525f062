"""Asynchronous reverse process (Algorithm 1) in three orders that give the same latents.

A cell (step i, clip j) needs only the cells (i-1, j) and (i, j-1). The last latent of (i, j-1) has already
reached T_{i+1}; it is the first latent of clip j, the motion frame.

- ``steps``: as printed, all clips at each step.
- ``clips``: each clip through all steps, with only the trajectory of the previous clip's last latent. Memory
  does not depend on the number of clips, and finished clips can be used immediately.
- ``wavefront``: all cells of the same i + j as one batch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from ..errors import InputError
from ..geometry import latents_of_clips
from ..limits import ORDERS, Order
from .cells import ByStep, Cells, Velocity
from .clips import clip_spans

NoiseSource = Callable[[int, int], Tensor]
OnStep = Callable[[int, int, Tensor | None], None]


@torch.no_grad()
def reverse(
    velocity: Velocity | ByStep,
    noise: Tensor | NoiseSource,
    reference: Tensor,
    times: Tensor,
    window: int,
    order: Order = "clips",
    on_step: OnStep | None = None,
    *,
    clips: int | None = None,
) -> Tensor:
    """Generate z_1 .. z_N by Algorithm 1. Latents and times are float32, or float64 if ``reference`` is.

    Args:
        velocity: velocity(z, t, clips) -> v with z (B, C, 1+f, h, w), z_R first, t (B, 1+f) and the list of
            the B clip indices (0-based); guidance happens inside. B is 1 except in the order ``wavefront``.
            Or two of them by the step; in ``wavefront`` a batch may then need both.
        noise: (1, C, N, h, w), N = f + (k - 1)(f - 1), or a function (start, stop) -> that slice.
        reference: (1, C, 1, h, w), z_R; everything runs on its device.
        times: (steps + 1,), T_1 > ... > T_n = 0, see :func:`timesteps`.
        window: latents per clip, z_R included: f = window - 1.
        order: ``clips``, ``steps`` or ``wavefront``. The first two give equal bits, the third is equal up to
            rounding.
        on_step: called as on_step(done, total, finished) after every evaluation of ``velocity``: cells done,
            total cells, and the latents (1, C, f, h, w) of the clip if it is finished, else None. An
            exception in it stops the work and reaches the caller.
        clips: k; needed if ``noise`` is a function, else only checked.

    Returns:
        (1, C, N, h, w).

    Raises:
        InputError: N is not a number of whole clips, or another argument is out of range or of the wrong
        shape.
    """
    if order not in ORDERS:
        raise InputError(f"order is {order!r}; expected one of {', '.join(ORDERS)}")
    cells = _cells(velocity, reference, times)
    source, count = _noise_source(noise, cells.reference, window, clips)
    if order == "clips":
        return torch.cat(list(_clip_by_clip(cells, source, window, count, on_step)), dim=2)
    batches = _steps_order(cells.steps, count)
    if order == "wavefront":
        batches = _wavefront_order(cells.steps, count)
    return _whole(cells, source(0, latents_of_clips(count, window)), window, batches, on_step)


def reverse_stream(
    velocity: Velocity | ByStep,
    noise: Tensor | NoiseSource,
    reference: Tensor,
    times: Tensor,
    window: int,
    clips: int,
    on_step: OnStep | None = None,
) -> Iterator[Tensor]:
    """The order ``clips`` of :func:`reverse`, yielding each clip when it is finished.

    The arguments are those of :func:`reverse`. A noise function is called for the new latents of one clip at
    a time.

    Yields:
        (1, C, f, h, w), then (1, C, f - 1, h, w) per clip: the new ones of z_1 .. z_N.

    Raises:
        InputError: as :func:`reverse`, when called.
    """
    cells = _cells(velocity, reference, times)
    source, count = _noise_source(noise, cells.reference, window, clips)
    return _clip_by_clip(cells, source, window, count, on_step)


@torch.no_grad()
def _clip_by_clip(
    cells: Cells, noise: NoiseSource, window: int, clips: int, on_step: OnStep | None
) -> Iterator[Tensor]:
    trail: list[Tensor] = []  # last latent of the previous clip at T_1 .. T_n, (1, C, 1, h, w) each
    for clip, (start, stop) in enumerate(clip_spans(latents_of_clips(clips, window), window)):
        latents = noise(start, stop) if clip == 0 else torch.cat([trail[0], noise(start + 1, stop)], dim=2)
        next_trail = [latents[:, :, -1:].clone()]
        for step in range(cells.steps):
            if clip > 0:
                latents = torch.cat([trail[step + 1], latents[:, :, 1:]], dim=2)
            latents = cells.advance(latents, [step], [clip])
            next_trail.append(latents[:, :, -1:].clone())
            if on_step is not None:
                finished = latents if step + 1 == cells.steps else None
                on_step(clip * cells.steps + step + 1, clips * cells.steps, finished)
        trail = next_trail
        yield latents if clip == 0 else latents[:, :, 1:]


def _whole(
    cells: Cells, noise: Tensor, window: int, batches: Iterator[list[tuple[int, int]]], on_step: OnStep | None
) -> Tensor:
    """Run batches of cells (step, clip) over the latents of all clips, each kept at its current time.

    When a clip is read, the latent shared with the previous clip is exactly one step ahead. It is the motion
    frame, which is written back unchanged.
    """
    spans = clip_spans(noise.shape[2], window)
    latents = noise.clone()
    done, total = 0, cells.steps * len(spans)
    for batch in batches:
        steps, clips = [step for step, _ in batch], [clip for _, clip in batch]
        before = torch.cat([latents[:, :, slice(*spans[clip])] for clip in clips])
        after = cells.advance(before, steps, clips)
        for item, clip in enumerate(clips):
            latents[0, :, slice(*spans[clip])] = after[item]
        done += len(batch)
        if on_step is not None:
            on_step(done, total, after[-1:] if steps[-1] + 1 == cells.steps else None)
    return latents


def _steps_order(steps: int, clips: int) -> Iterator[list[tuple[int, int]]]:
    for step in range(steps):
        for clip in range(clips):
            yield [(step, clip)]


def _wavefront_order(steps: int, clips: int) -> Iterator[list[tuple[int, int]]]:
    """Anti-diagonals, later clips first: each reads its motion frame before the earlier clip advances it."""
    for diagonal in range(steps + clips - 1):
        last, first = min(diagonal, clips - 1), max(0, diagonal - steps + 1)
        yield [(diagonal - clip, clip) for clip in range(last, first - 1, -1)]


def _cells(velocity: Velocity | ByStep, reference: Tensor, times: Tensor) -> Cells:
    if reference.ndim != 5 or reference.shape[0] != 1 or reference.shape[2] != 1:
        raise InputError(f"reference has shape {tuple(reference.shape)}; expected (1, C, 1, h, w)")
    if times.ndim != 1 or len(times) < 2 or times[-1] != 0 or not bool((times[1:] < times[:-1]).all()):
        raise InputError(f"times are {times.tolist()}; expected at least two, falling to 0")
    dtype = torch.promote_types(reference.dtype, torch.float32)
    return Cells(velocity, reference.to(dtype), times.to(reference.device, dtype))


def _noise_source(
    noise: Tensor | NoiseSource, reference: Tensor, window: int, clips: int | None
) -> tuple[NoiseSource, int]:
    """The noise as a function with the type and device of ``reference``, and k."""
    if isinstance(noise, Tensor):
        if noise.ndim != 5:
            raise InputError(f"noise has shape {tuple(noise.shape)}; expected (1, C, N, h, w)")
        count = len(clip_spans(noise.shape[2], window))
        if clips not in (None, count):
            raise InputError(f"clips is {clips}, but the noise is for {count}")
    elif clips is None:
        raise InputError("noise is a function, so the number of clips is unknown; pass clips")
    else:
        count = clips
        latents_of_clips(count, window)  # checks both

    def answer(start: int, stop: int) -> Tensor:
        part = noise[:, :, start:stop] if isinstance(noise, Tensor) else noise(start, stop)
        expected = (*reference.shape[:2], stop - start, *reference.shape[3:])
        if part.shape != expected:
            raise InputError(
                f"noise for latents {start} to {stop} is {tuple(part.shape)}; expected {expected}"
            )
        return part.to(reference)

    return answer, count
