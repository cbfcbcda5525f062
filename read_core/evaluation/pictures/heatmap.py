"""Maps of the difference of neighboring frames around a clip boundary, as the paper's figure 2."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from .rows import save_rows

REACH = 2  # pairs of frames before and after the boundary
_SIDE = 128  # pixels of a map
_BRIGHTEST = 0.995  # share of the pixels that the scale covers


def difference_maps(frames: Tensor, last: int) -> Tensor:
    """Mean absolute difference over the colors between neighbors around ``last`` and the next frame.

    Args:
        frames: (F, H, W, 3), 0..1.
        last: frame before the boundary; ``REACH <= last < F - REACH - 1``.

    Returns:
        (2 REACH + 1, H, W), 0..1; the boundary's own in the middle.
    """
    around = frames[last - REACH : last + REACH + 2]
    return (around[1:] - around[:-1]).abs().mean(dim=-1)


def colored(values: Tensor) -> Tensor:
    """matplotlib's map "inferno", black over red and yellow to white: (H, W), 0..1 -> (H, W, 3)."""
    from matplotlib import colormaps

    colors = colormaps["inferno"](values.clamp(0, 1).numpy())
    return torch.from_numpy(colors[..., :3]).float()


def save_heatmaps(videos: Sequence[tuple[str, Sequence[Tensor]]], path: Path) -> float:
    """Draw the mean maps of each kind of video, all in one scale, which is shown below.

    Args:
        videos: name, and the :func:`difference_maps` of every boundary of every video of the kind.
        path: ``*.png``.

    Returns:
        The difference that is drawn white, in 1/255.

    Raises:
        MediaError: the file cannot be written.
    """
    maps = [torch.stack(list(found)).mean(0) for _, found in videos]
    ordered = torch.stack(maps).flatten().float().sort().values
    brightest = max(float(ordered[int(_BRIGHTEST * (len(ordered) - 1))]), 1e-6)
    rows = [
        (name, [colored(each / brightest) for each in found])
        for (name, _), found in zip(videos, maps, strict=True)
    ]
    scale = colored(torch.linspace(0, 1, _SIDE).expand(_SIDE, -1))
    rows.append((f"mean of {len(videos[0][1])} boundaries\n0 .. {255 * brightest:.1f} of 255", [scale]))
    titles = [f"{step} to {step + 1}" for step in range(-REACH, REACH + 1)]
    titles[REACH] += " (clips meet)"
    save_rows(rows, path, _SIDE, titles)
    return 255 * brightest
