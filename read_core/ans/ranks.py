"""Run Algorithm 1 in several processes. They take the clips in turn and send only motion frames.

Rank r of G samples the clips r, r + G, ... through all steps. Before step i, clip j needs the last latent of
clip j - 1 at T_{i+1}. The owner of that clip sends it to the next rank after each step. So neighbors are one
step apart, and all ranks work all the time if there are at least G steps: k clips of n steps take the time of
at most ceil(k / G) n + G - 1 steps. A motion frame at full size has 131 kB. If ranks owned steps instead, the
latents of clips would travel, 2 MB each. ``benchmarks/ranks.py`` measures both messages, and the speed-up.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from ..errors import InputError
from ..geometry import latents_of_clips
from .cells import ByStep, Velocity
from .clips import clip_spans
from .reverse import NoiseSource, OnStep, _cells, _noise_source


class Ring:
    """The processes of a started process group, each connected to the next.

    Every edge of the ring is a process group of its own: sends of one edge never wait for those of another.

    Args:
        device: of the tensors that travel; it must fit the group's back end (``nccl``: cuda, ``gloo``: cpu).

    Raises:
        InputError: no process group was started.
    """

    def __init__(self, device: torch.device) -> None:
        if not dist.is_available() or not dist.is_initialized():
            raise InputError("no process group was started; start the processes with torchrun")
        self.rank, self.size, self.device = dist.get_rank(), dist.get_world_size(), device
        edges = [(rank, (rank + 1) % self.size) for rank in range(self.size)] if self.size > 1 else []
        self._edges = [dist.new_group(sorted(edge)) for edge in edges]
        self._own: deque[Tensor] = deque()  # of a single process
        self._sent: deque[tuple[Any, Tensor]] = deque()

    def send(self, latent: Tensor) -> None:
        """Send to the next rank, without waiting."""
        if self.size == 1:
            self._own.append(latent)
            return
        latent = latent.to(self.device).contiguous()
        work = dist.isend(latent, (self.rank + 1) % self.size, group=self._edges[self.rank])
        self._sent.append((work, latent))
        while self._sent and self._sent[0][0].is_completed():
            self._sent.popleft()

    def receive(self, like: Tensor) -> Tensor:
        """The next latent of the rank before, on the device of ``like``."""
        if self.size == 1:
            return self._own.popleft()
        before = (self.rank - 1) % self.size
        buffer = torch.empty_like(like, device=self.device, memory_format=torch.contiguous_format)
        dist.recv(buffer, before, group=self._edges[before])
        return buffer.to(like.device)

    def send_to_first(self, values: Tensor) -> None:
        """Send to rank 0, and wait until it has what was sent to it before."""
        self.settle()
        values = values.to(self.device).contiguous()
        self._sent.append((dist.isend(values, 0), values))

    def receive_from(self, rank: int, shape: Sequence[int], dtype: torch.dtype) -> Tensor:
        """On rank 0: what ``rank`` sent to it next, on the ring's device."""
        buffer = torch.empty(tuple(shape), dtype=dtype, device=self.device)
        dist.recv(buffer, rank)
        return buffer

    def settle(self) -> None:
        """Wait until all that was sent has arrived."""
        for work, _ in self._sent:
            work.wait()
        self._sent.clear()

    def share(self, parts: list[Tensor]) -> None:
        """Fill part i of every rank with that of its owner, rank i mod G; returns when all have all."""
        self.settle()
        if self.size == 1:
            return
        for index, part in enumerate(parts):
            traveling = part.to(self.device).contiguous()
            dist.broadcast(traveling, index % self.size)
            part.copy_(traveling)


@torch.no_grad()
def reverse_over_ranks(
    velocity: Velocity | ByStep,
    noise: Tensor | NoiseSource,
    reference: Tensor,
    times: Tensor,
    window: int,
    ring: Ring,
    on_step: OnStep | None = None,
    *,
    clips: int | None = None,
) -> Tensor:
    """:func:`reverse` in the order ``clips``, with the clips dealt to the ranks of ``ring``.

    Every rank calls it with equal arguments. Each cell is the same evaluation as in one process, so on equal
    devices the bits are equal too.

    Args:
        velocity, noise, reference, times, window, clips: see :func:`reverse`.
        ring: the processes.
        on_step: as in :func:`reverse`; it counts this rank's own cells.

    Returns:
        (1, C, N, h, w), on every rank.

    Raises:
        InputError: as :func:`reverse`.
    """
    cells = _cells(velocity, reference, times)
    source, count = _noise_source(noise, cells.reference, window, clips)
    spans = clip_spans(latents_of_clips(count, window), window)
    own = range(ring.rank, count, ring.size)
    channels, height, width = cells.reference.shape[1], *cells.reference.shape[3:]
    found = [cells.reference.new_empty(1, channels, stop - start, height, width) for start, stop in spans]
    for done, clip in enumerate(own):
        latents = source(*spans[clip])
        for step in range(cells.steps):
            if clip > 0:
                latents = torch.cat([ring.receive(latents[:, :, :1]), latents[:, :, 1:]], dim=2)
            latents = cells.advance(latents, [step], [clip])
            if clip + 1 < count:
                ring.send(latents[:, :, -1:].clone())
            if on_step is not None:
                finished = latents if step + 1 == cells.steps else None
                on_step(done * cells.steps + step + 1, len(own) * cells.steps, finished)
        found[clip].copy_(latents)
    ring.share(found)
    return torch.cat([found[0], *(part[:, :, 1:] for part in found[1:])], dim=2)
