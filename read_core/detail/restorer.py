"""Restore the portrait's detail in decoded frames, frame by frame."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from torch.nn import functional as F

from ..errors import InputError
from ..side_by_side import for_frames
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
        return self.of(portrait, decoded, points)(frames)

    def of(
        self, portrait: Tensor, decoded: Tensor, points: Tensor | None = None
    ) -> Callable[[Tensor], Tensor]:
        """:meth:`restore` for frames of one portrait, which is prepared once."""
        return PortraitRestorer(self, portrait, decoded, points)

    def device(self, frames: Tensor) -> torch.device:
        """Where the work on ``frames`` runs."""
        return frames.device if self.network is None else self.network.device


class PortraitRestorer:
    """:meth:`DetailRestorer.restore` for one portrait: what does not depend on frames is computed once.

    Args:
        restorer: the restorer.
        portrait, decoded, points: see there.
    """

    def __init__(
        self, restorer: DetailRestorer, portrait: Tensor, decoded: Tensor, points: Tensor | None = None
    ) -> None:
        self.restorer, self.portrait, self.decoded, self.points = restorer, portrait, decoded, points
        self._known: tuple[Tensor, Tensor, Tensor | None] | None = None

    @torch.no_grad()
    def __call__(self, frames: Tensor) -> Tensor:
        """Frames (n, h, w, 3), 0..1 -> (n, H, W, 3), float32 in 0..1, on their device.

        Raises:
            InputError: the shapes do not fit together.
        """
        _check(frames, self.portrait, self.decoded, self.points)
        device = self.restorer.device(frames)
        if self._known is None or self._known[0].device != device:
            self._known = self._prepared(device)
        large, small, more = self._known
        result = torch.empty(len(frames), *self.portrait.shape, device=frames.device)

        def restore(part: slice) -> None:
            pictures, network = _planes(frames[part], device), self.restorer.network
            shape = (len(pictures), -1, -1, -1)
            both = large.expand(shape), small.expand(shape)
            if network is None:
                restored = restore_unlearned(pictures, *both, places=more)
            else:
                restored = network(pictures, *both, None if more is None else more.expand(shape)).float()
            result[part] = restored.clamp_(0, 1).permute(0, 2, 3, 1)

        for_frames(len(frames), restore, device)
        return result

    def _prepared(self, device: torch.device) -> tuple[Tensor, Tensor, Tensor | None]:
        """Both pictures, and for the network the portrait on its grid, else the places of eyes and mouth."""
        large, small = (_planes(picture[None], device) for picture in (self.portrait, self.decoded))
        if self.restorer.network is not None:
            return large, small, on_fine_grid(large, small)
        if self.points is None:
            return large, small, None
        return large, small, face_places(self.points.to(device, torch.float32), *small.shape[-2:])


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
