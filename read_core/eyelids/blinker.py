"""Close the eyelids in finished frames."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from ..side_by_side import for_each_frame
from .network import EyelidNetwork, LidChange
from .patches import cut_patches, eye_axes, grid_steps


class Blinker:
    """Frames and how far their lids close -> the same frames with closed lids.

    A result depends only on its frame, so chunks of any length give the same frames. Frames with open lids
    are returned unchanged.

    Args:
        network: it is not moved, and the work on the patches runs on its device.
        points: (2 or more, 2), centers of the eyes in the frame as fractions of width and height; the left
            eye in the picture first.
    """

    def __init__(self, network: EyelidNetwork, points: Tensor) -> None:
        self.network, self.points = network, points[:2]

    @torch.no_grad()
    def blink(self, frames: Tensor, closure: Tensor) -> Tensor:
        """Close lids.

        Args:
            frames: (n, H, W, 3) float, 0..1.
            closure: (n,), 0 open .. 1 shut.

        Returns:
            (n, H, W, 3) on the frames' device; ``frames`` itself if nothing closes.
        """
        chosen = [i for i, amount in enumerate(closure.tolist()) if amount > 0]
        if not chosen:
            return frames
        result = frames.clone()
        height, width = frames.shape[1:3]
        points = self.points.float().cpu() * torch.tensor([float(width), float(height)])
        centers, axes = eye_axes(points)

        def close(number: int) -> None:
            index = chosen[number]
            for center, own in zip(centers, axes, strict=True):
                self._close(result[index], float(closure[index]), center, own)

        for_each_frame(len(chosen), close, frames.device)
        return result

    def _close(self, frame: Tensor, closure: float, center: Tensor, axes: Tensor) -> None:
        """Close one eye of ``frame`` (H, W, 3), in place."""
        device = self.network.device
        reach = axes.abs().sum(0)
        (left, top), (right, bottom) = (
            [int(v) for v in edge] for edge in ((center - reach).floor(), (center + reach).ceil())
        )
        left, top = max(left, 0), max(top, 0)
        region = frame[top : max(bottom, 0), left : max(right, 0)]
        if region.numel() == 0:
            return
        picture = region.to(device, torch.float32).permute(2, 0, 1)[None]
        origin = (center - torch.tensor([float(left), float(top)])).to(device)
        axes = axes.to(device)
        patch = cut_patches(picture, origin[None], axes[None])
        change = self.network(patch, torch.tensor([closure], device=device))

        height, width = picture.shape[2:]
        x, y = (s + 1 for s in grid_steps((height, width), device))
        offsets = torch.stack([x * width / 2, y * height / 2], dim=-1) - origin
        inside = offsets @ torch.linalg.inv(axes)  # in half sides of the patch
        fields = torch.cat([change.flow, change.moved, change.painted, change.color], dim=1)
        found = F.grid_sample(fields, inside[None], padding_mode="zeros", align_corners=False)
        larger = LidChange(*found.split_with_sizes((2, 1, 1, 3), dim=1))
        sources = offsets + origin + larger.flow[0].permute(1, 2, 0) @ axes
        places = sources / sources.new_tensor([width, height]) * 2 - 1
        changed = larger.applied(picture, places[None])
        frame[top:bottom, left:right] = changed[0].clamp(0, 1).permute(1, 2, 0).to(frame)
