"""Several processes decode and finish one video in turn; the first one gets all pictures."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ..geometry import FRAMES_PER_LATENT, frames_of_latents
from ..pictures import as_bytes

if TYPE_CHECKING:
    from ..ans.ranks import Ring
    from ..finish import Finish
    from ..pipeline import ReadPipeline

_CHUNKS = 4  # of a piece, at most: the chunk before it is decoded in addition
_BYTES = 512 << 20  # of a piece, if a chunk has fewer; a rank has one piece under way and makes the next


def finished_in_turn(
    pipe: ReadPipeline, ring: Ring, latents: Tensor, num_frames: int, seed: int, finish: Finish
) -> Iterator[tuple[Tensor, Tensor]]:
    """Decode and finish a video, piece by piece: rank r of G makes the pieces r, r + G, ...

    Every rank iterates to the end, with equal arguments. Pieces of other ranks reach rank 0 as bytes, as they
    are written.

    Args:
        pipe, latents, num_frames, seed: see ``ReadPipeline.decode_stream``.
        ring: the processes.
        finish: see ``ReadPipeline.finish``.

    Yields:
        on rank 0, as ``Finish.with_faces``: faces and pictures, in order. On the others, nothing.
    """
    sizes = _sizes(finish)
    for number, (first, last) in enumerate(_pieces(pipe, latents.shape[2], ring.size, finish.size)):
        start, stop = (frames_of_latents(index) if index else 0 for index in (first, last))
        stop = min(stop, num_frames)
        maker = number % ring.size
        if start >= stop or ring.rank not in (0, maker):
            continue
        if maker == ring.rank:
            finish.begin_at(start)
            made = _finished(pipe, latents, (first, last), stop - start, seed, finish)
            if maker == 0:
                yield from made
            else:
                ring.send_to_first(_packed(made, len(sizes)))
        else:
            shapes = [(stop - start, *size, 3) for size in sizes]
            yield from _unpacked(ring, maker, shapes, finish.at_once)
    ring.settle()


def turns_memory(pipe: ReadPipeline, latents: int, num_frames: int, ranks: int, finish: Finish) -> int:
    """Bytes of the pieces that a process of ``ranks`` holds: one under way, and the one being made or shown.

    Args:
        pipe, num_frames, finish: see :func:`finished_in_turn`.
        latents: number of latents of the video, z_R included.
    """
    first, last = next(_pieces(pipe, latents, ranks, finish.size))
    frames = min(num_frames, FRAMES_PER_LATENT * (last - first))
    return 2 * frames * sum(3 * height * width for height, width in _sizes(finish))


def _sizes(finish: Finish) -> list[tuple[int, int]]:
    """(height, width) of the pictures, and of the faces if they are other pictures."""
    if finish.pastes or finish.face_size != finish.size:
        return [finish.size, finish.face_size]
    return [finish.size]


def _pieces(pipe: ReadPipeline, latents: int, ranks: int, size: tuple[int, int]) -> Iterator[tuple[int, int]]:
    """Latents [first, last) of each piece: whole chunks, few enough for all ranks to have some."""
    chunk = pipe.vae.settings.chunk
    chunk_bytes = 3 * size[0] * size[1] * frames_of_latents(chunk + 1)
    chunks = max(1, min(_CHUNKS, _BYTES // chunk_bytes, -(-latents // (chunk * ranks))))
    for first in range(0, latents, chunks * chunk):
        yield first, min(first + chunks * chunk, latents)


def _finished(
    pipe: ReadPipeline, latents: Tensor, span: tuple[int, int], count: int, seed: int, finish: Finish
) -> Iterator[tuple[Tensor, Tensor]]:
    """Faces and pictures of the first ``count`` frames of a span."""
    for frames in pipe.vae.decode_span(latents, *span, seed):
        wanted = frames[0, :count]
        count -= len(wanted)
        if len(wanted):
            yield from finish.with_faces(wanted)


def _packed(made: Iterator[tuple[Tensor, Tensor]], kinds: int) -> Tensor:
    """All pictures, and all faces if they are another kind, as one row of bytes."""
    pieces: list[list[Tensor]] = [[] for _ in range(kinds)]
    for faces, pictures in made:
        for kept, values in zip(pieces, (pictures, faces), strict=False):
            kept.append(as_bytes(values).flatten())
    return torch.cat([values for kept in pieces for values in kept])


def _unpacked(
    ring: Ring, rank: int, shapes: Sequence[tuple[int, ...]], at_once: int
) -> Iterator[tuple[Tensor, Tensor]]:
    """Faces and pictures that ``rank`` packed, a few at a time."""
    lengths = [math.prod(shape) for shape in shapes]
    parts = torch.split(ring.receive_from(rank, (sum(lengths),), torch.uint8), lengths)
    kinds = [torch.split(part.view(shape), at_once) for part, shape in zip(parts, shapes, strict=True)]
    for few in zip(*kinds, strict=True):
        yield few[-1].float().div_(255), few[0]
