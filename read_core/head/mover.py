"""Move the head in finished frames."""

from __future__ import annotations

import torch
from torch import Tensor

from ..detail.flow import resize_flow, warp
from ..face.paste import RIM, smooth
from ..side_by_side import for_each_frame

CELLS = 64  # of the grid of displacements, along each side
# A head of usual proportions, in eye distances from the middle between eyes and mouth:
_HEAD = (1.35, 1.85)  # half width and height of the head, with hair and ears
_PIVOT = 1.5  # how far below lies the point about which the head tilts
_NECK, _NOSE = 0.5, 0.45  # depth of the face's outline in front of the axis, and of the nose before that
_NOSE_WIDTH = (0.75, 0.95)  # of its slope


class HeadMover:
    """Frames and poses -> the same frames with the head in that pose.

    A result depends only on its frame and pose, so chunks of any length give the same frames. The border of
    the frames does not move.

    Args:
        points: (3, 2), centers of both eyes and of the mouth in the frames as fractions of width and height;
            the left eye in the picture first.
        aspect: width of the frames by their height.
    """

    def __init__(self, points: Tensor, aspect: float) -> None:
        sides = torch.tensor([aspect, 1.0])
        left, right, mouth = (points.float().cpu() * sides).unbind(0)
        distance = (right - left).norm().clamp(min=1e-3)
        across = (right - left) / distance
        down = torch.stack([-across[1], across[0]])
        axes = torch.stack([across, down])  # rows: directions of the face
        steps = (torch.arange(CELLS) + 0.5) / CELLS
        cells = torch.stack(torch.meshgrid(steps, steps, indexing="xy"), dim=-1)
        middle = ((left + right) / 2 + mouth) / 2
        offset = (cells * sides - middle) @ axes.T / distance  # in eye distances
        moved = _responses(offset) * _follows(offset, cells)[..., None]
        self._basis = (moved @ axes * distance / sides * CELLS).permute(0, 3, 1, 2)  # in cells

    def move(self, frames: Tensor, pose: Tensor) -> Tensor:
        """Move the head.

        Args:
            frames: (n, H, W, 3) float, 0..1.
            pose: (n, 6), see ``track.POSE``.

        Returns:
            (n, H, W, 3) on the frames' device; ``frames`` itself if nothing moves.
        """
        if not pose.any():
            return frames
        result = torch.empty_like(frames)

        def move(index: int) -> None:
            own = pose[index]
            if not own.any():
                result[index] = frames[index]
                return
            flow = -torch.einsum("p,pchw->chw", own, self._basis)[None].to(frames.device)
            picture = frames[index].float().permute(2, 0, 1)[None]
            moved = warp(picture, resize_flow(flow, frames.shape[1:3]), "bicubic")
            result[index] = moved[0].clamp(0, 1).permute(1, 2, 0)

        for_each_frame(len(frames), move, frames.device)
        return result


def _responses(offset: Tensor) -> Tensor:
    """Displacements by one unit of each value of the pose, at ``offset`` from the middle: (6, h, w, 2)."""
    slope = offset / offset.new_tensor(_NOSE_WIDTH)
    depth = _NECK + _NOSE * torch.exp(-slope.square().sum(-1))
    arm = offset - offset.new_tensor([0.0, _PIVOT])
    none, one = torch.zeros_like(depth), torch.ones_like(depth)
    ways = ((depth, none), (none, depth), (-arm[..., 1], arm[..., 0]), (one, none), (none, one))
    return torch.stack([*(torch.stack(way, dim=-1) for way in ways), arm])


def _follows(offset: Tensor, cells: Tensor) -> Tensor:
    """1 on the head, less around it, 0 at the border of the frames."""
    ratio = offset / offset.new_tensor(_HEAD)
    around = 1 / (1 + ratio.square().sum(-1).square().square())
    inwards = torch.minimum(cells, 1 - cells).amin(-1) - 0.5 / CELLS  # 0 in the outer cells
    return around * smooth(inwards / RIM)
