"""Restore the portrait's detail in decoded frames, frame by frame."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch.nn import functional as F

from ..errors import InputError
from ..side_by_side import for_each_frame
from .analysis import analyze, resize
from .flow import resize_flow, warp
from .network import on_fine_grid
from .trust import face_places

if TYPE_CHECKING:
    from torch import Tensor

    from .network import DetailNetwork


class DetailRestorer:
    """Decoded frames at the codec's size -> frames at the portrait's size, with the portrait's detail.

    The training-free form warps the portrait along the flow between the codec's picture of it and the frame.
    It shows the warped portrait where both agree, and the enlarged frame elsewhere. A result depends only on
    its frame and the portrait. So chunks of any length give the same frames, and memory beyond the result is
    that of one frame; on a CPU, of those worked on at once.

    Args:
        network: the learned form; it is not moved, and the work runs on its device. None: the training-free
            form.
    """

    def __init__(self, network: DetailNetwork | None = None) -> None:
        self.network = network

    @torch.no_grad()
    def restore(
        self, frames: Tensor, portrait: Tensor, decoded: Tensor, points: Tensor | None = None
    ) -> Tensor:
        """Restore frames.

        Args:
            frames: (n, h, w, 3), 0..1, from the decoder.
            portrait: (H, W, 3), 0..1: the encoded portrait, at the size of the result.
            decoded: (h, w, 3), 0..1: the codec's picture of the portrait.
            points: (3, 2), both eyes and the mouth in the portrait as fractions of width and height; None:
                unknown; lips and eyelids are then treated like everything else. The network does not use
                them.

        Returns:
            (n, H, W, 3), float32 in 0..1, on the frames' device.

        Raises:
            InputError: the shapes do not fit together.
        """
        _check(frames, portrait, decoded, points)
        device = frames.device if self.network is None else self.network.device
        large, small = (_planes(picture[None], device) for picture in (portrait, decoded))
        places = None
        if points is not None:
            places = face_places(points.to(device, torch.float32), *small.shape[-2:])
        fine = None if self.network is None else on_fine_grid(large, small)
        result = torch.empty(len(frames), *portrait.shape, device=frames.device)

        def restore(index: int) -> None:
            picture = _planes(frames[index][None], device)
            if self.network is None:
                restored = restore_unlearned(picture, large, small, places)
            else:
                restored = self.network(picture, large, small, fine).float()
            result[index] = restored[0].clamp(0, 1).permute(1, 2, 0)

        for_each_frame(len(frames), restore, device)
        return result


def restore_unlearned(frame: Tensor, portrait: Tensor, decoded: Tensor, places: Tensor | None) -> Tensor:
    """The training-free form.

    Args:
        frame: (b, 3, h, w), 0..1.
        portrait: (b, 3, H, W).
        decoded: (b, 3, h, w).
        places: of eyes and mouth in the portrait, (1, 2, h, w), see :func:`face_places`; None: unknown.

    Returns:
        (b, 3, H, W), not clamped.
    """
    size = portrait.shape[-2:]
    flow, share = analyze(frame, decoded, places)
    base = resize(frame, size)
    moved = warp(portrait, resize_flow(flow, size))
    return torch.lerp(base, moved, F.interpolate(share, size=size, mode="bilinear", align_corners=False))


def _planes(pictures: Tensor, device: torch.device) -> Tensor:
    """(b, h, w, 3) -> (b, 3, h, w), float32."""
    return pictures.to(device, torch.float32).permute(0, 3, 1, 2).contiguous()


def _check(frames: Tensor, portrait: Tensor, decoded: Tensor, points: Tensor | None) -> None:
    if frames.ndim != 4 or frames.shape[-1] != 3:
        raise InputError(f"frames have shape {tuple(frames.shape)}; expected (n, h, w, 3)")
    if decoded.shape != frames.shape[1:]:
        raise InputError(
            f"the decoded portrait has shape {tuple(decoded.shape)}; expected {tuple(frames.shape[1:])}"
        )
    if portrait.ndim != 3 or portrait.shape[-1] != 3:
        raise InputError(f"the portrait has shape {tuple(portrait.shape)}; expected (H, W, 3)")
    if points is not None and points.shape != (3, 2):
        raise InputError(f"points have shape {tuple(points.shape)}; expected (3, 2): two eyes and the mouth")
