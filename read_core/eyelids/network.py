"""A small network that closes the lids of one eye."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from diffusers import ConfigMixin, ModelMixin
from diffusers.configuration_utils import register_to_config
from torch import Tensor, nn
from torch.nn import functional as F

from ..detail.network import Residual, doubled_size, zeroed
from ..pictures import sampled
from .patches import GRID, grid_steps

RIM = 0.12  # share of the patch's half sides over which every change fades out
FLOW_UNIT = 0.1  # of the patch's half sides


@dataclass(frozen=True)
class LidChange:
    """How a picture of an eye changes.

    Attributes:
        flow: (n, 2, h, w), where each pixel's color comes from, in half sides of the patch.
        moved: (n, 1, h, w), share of that color, 0..1.
        painted: (n, 1, h, w), share of ``color``, 0..1.
        color: (n, 3, h, w), 0..1.
    """

    flow: Tensor
    moved: Tensor
    painted: Tensor
    color: Tensor

    def applied(self, picture: Tensor, places: Tensor) -> Tensor:
        """Change a picture.

        Args:
            picture: (n, 3, H, W), 0..1, on the grid of this change.
            places: (n, H, W, 2), each pixel's source in the picture, -1..1 along width and height.
        """
        source = sampled(picture, places)
        stretched = torch.lerp(picture, source, self.moved)
        return torch.lerp(stretched, self.color, self.painted)


class EyelidNetwork(ModelMixin, ConfigMixin):  # type: ignore[misc]
    """Patch around an open eye, how far to close it -> how the picture of the eye changes.

    The skin above the eye is stretched over it, which keeps the picture's own texture at any size. Lashes,
    shading and what the skin does not cover are painted.

    Args:
        widths: channels at a half, a quarter and an eighth of the patch's grid.
    """

    @register_to_config  # type: ignore[untyped-decorator]
    def __init__(self, widths: tuple[int, int, int] = (24, 40, 56)) -> None:
        super().__init__()
        fine, middle, coarse = widths
        self.enter = nn.Conv2d(4 * 6, fine, 3, padding=1)
        self.fine_in = Residual(fine)
        self.to_middle = nn.Conv2d(fine, middle, 3, 2, 1)
        self.middle_in = Residual(middle)
        self.to_coarse = nn.Conv2d(middle, coarse, 3, 2, 1)
        self.coarse = nn.Sequential(Residual(coarse), Residual(coarse))
        self.from_coarse = nn.Conv2d(coarse, middle, 1)
        self.middle_out = Residual(middle)
        self.from_middle = nn.Conv2d(middle, fine, 1)
        self.fine_out = Residual(fine)
        self.leave = zeroed(nn.Conv2d(fine, 4 * 7, 3, padding=1))

    def forward(self, patches: Tensor, closure: Tensor) -> LidChange:
        """Compute the change of each patch.

        Args:
            patches: (n, 3, *GRID), 0..1.
            closure: (n,), 0 as it is .. 1 shut.

        Returns:
            The change on the patch's grid, float32: none at the patch's rim and where ``closure`` is 0.
        """
        p, q = grid_steps(GRID, patches.device)
        n = len(patches)
        amount = closure[:, None, None, None].to(patches)
        known = torch.cat(
            [patches - 0.5, amount.expand(n, 1, *GRID), p.expand(n, 1, *GRID), q.expand(n, 1, *GRID)], dim=1
        )
        fine = self.fine_in(self.enter(F.pixel_unshuffle(known.to(self.dtype), 2)))
        middle = self.middle_in(self.to_middle(fine))
        middle = self.middle_out(middle + doubled_size(self.from_coarse(self.coarse(self.to_coarse(middle)))))
        fine = self.fine_out(fine + doubled_size(self.from_middle(middle)))
        found = F.pixel_shuffle(self.leave(fine), 2).float()
        window = (((1 - p.abs()) / RIM).clamp(0, 1) * ((1 - q.abs()) / RIM).clamp(0, 1)) * (amount > 0)
        return LidChange(
            flow=FLOW_UNIT * found[:, :2],
            moved=torch.sigmoid(4 * found[:, 2:3]) * window,
            painted=torch.sigmoid(4 * found[:, 3:4] - 3) * window,
            color=torch.sigmoid(4 * found[:, 4:]),
        )


def change_patches(patches: Tensor, change: LidChange) -> Tensor:
    """Apply a change to the patches themselves: (n, 3, *GRID), 0..1."""
    steps = torch.stack(grid_steps(GRID, patches.device), dim=-1)
    return change.applied(patches, steps + change.flow.permute(0, 2, 3, 1))
