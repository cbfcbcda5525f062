"""Motion of the head: shift a depth map with yaw and pitch, rotate it, and fade out towards the border."""

from __future__ import annotations

import torch
from torch import Tensor

from ...face.paste import smooth
from ..motion import Motion
from .anatomy import Anatomy

BORDER = 0.10
"""Share of the crop's side over which motion fades out, so that the crop fits back into its picture."""
_CELLS = 48  # of the depth map, along each side
_NEAR = 0.045  # radius over which a cell averages the points of the mesh
_NECK = 0.14  # distance of the head's rotation axis behind the face's outline
_AROUND = (1.25, 1.35)  # size of the head, with hair and ears, relative to the face's outline
_PIVOT = 1.1  # center of the head's tilt, in half heights of the face below its center


class HeadPose:
    """Displacements of one face's head.

    Args:
        face: its anatomy.
    """

    def __init__(self, face: Anatomy) -> None:
        self.center, self.pivot = face.center, face.center + torch.tensor([0.0, _PIVOT]) * face.reach
        self.reach = face.reach * torch.tensor(_AROUND)
        self.depth = _depth_map(face)

    def sources(self, places: Tensor, motion: Motion) -> Tensor:
        """Source in the still of ``places`` on the moved head: (H, W, 2) -> (F, H, W, 2)."""
        result = places.expand(len(motion), *places.shape)
        for _ in range(2):  # the displacement is that of the source: find it by iteration
            result = places - self._moved(result, motion)
        return result

    def _moved(self, sources: Tensor, motion: Motion) -> Tensor:
        yaw, pitch, roll, x, y, scale = (
            track[:, None, None]
            for track in (motion.yaw, motion.pitch, motion.roll, motion.x, motion.y, motion.scale)
        )
        depth = self._depth_at(sources) + _NECK
        offset = sources - self.pivot
        dx = torch.sin(yaw) * depth + x + scale * offset[..., 0] - roll * offset[..., 1]
        dy = torch.sin(pitch) * depth + y + scale * offset[..., 1] + roll * offset[..., 0]
        return torch.stack([dx, dy], dim=-1) * self._follows(sources)[..., None]

    def _follows(self, places: Tensor) -> Tensor:
        """1 on the head, less around it, 0 at the crop's border."""
        offset = (places - self.center) / self.reach
        around = 1 / (1 + offset.square().sum(-1).square().square())
        return around * inner(places)

    def _depth_at(self, places: Tensor) -> Tensor:
        grid = (places * 2 - 1).reshape(1, -1, 1, 2)
        found = torch.nn.functional.grid_sample(
            self.depth[None, None], grid, padding_mode="border", align_corners=False
        )
        return found.reshape(places.shape[:-1])


def inner(places: Tensor) -> Tensor:
    """Factor on a displacement at places (..., 2): 1 inside, 0 at the crop's border."""
    return smooth(torch.minimum(places, 1 - places).amin(-1) / BORDER)


def _depth_map(face: Anatomy) -> Tensor:
    """(cells, cells) depth of the mesh, 0 away from it."""
    steps = (torch.arange(_CELLS) + 0.5) / _CELLS
    cells = torch.stack(torch.meshgrid(steps, steps, indexing="xy"), dim=-1)
    distance = (cells[:, :, None] - face.points).square().sum(-1)
    weights = torch.exp(-distance / (2 * _NEAR**2))
    return (weights * face.depth).sum(-1) / (weights.sum(-1) + 1.0)
