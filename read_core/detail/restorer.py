"""Give decoded frames the portrait's own detail, frame by frame."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import torch
from torch.nn import functional as F

from ..errors import InputError
from .flow import blur, estimate_flow, resize_flow, warp
from .trust import face_places, odd, trust

if TYPE_CHECKING:
    from torch import Tensor

    from .network import DetailNetwork

ANALYSIS_SIDE = 256  # flow and trust are found on pictures halved until their shorter side is at most this
STILL = 0.013  # root mean square difference in place at which half of the flow is believed
STILL_BOX = 15 / 128  # side of the box it is measured in, of the picture's shorter side


class DetailRestorer:
    """Decoded frames at the codec's size -> frames at the portrait's size, with the portrait's detail.

    Without a network nothing is learned: the portrait is moved along the flow between the codec's picture of
    it and the frame, and shown where the two agree; elsewhere the frame is enlarged. A frame depends on
    itself and the portrait alone, so chunks of any length give the same frames, and memory beyond the result
    is that of one frame.

    Args:
        network: a learned form; it stays where it is and decides where the work is done.
    """

    def __init__(self, network: DetailNetwork | None = None) -> None:
        self.network = network

    @torch.no_grad()
    def restore(
        self, frames: Tensor, portrait: Tensor, decoded: Tensor, points: Tensor | None = None
    ) -> Tensor:
        """Restore frames.

        Args:
            frames: (n, h, w, 3), 0..1, out of the decoder.
            portrait: (H, W, 3), 0..1: what the codec encoded, at the size of the result.
            decoded: (h, w, 3), 0..1: the codec's picture of the portrait.
            points: (3, 2), both eyes and the mouth in the portrait as fractions of width and height; None:
                unknown, lips and lids are then judged like everything else. The network needs none.

        Returns:
            (n, H, W, 3), float32 in 0..1, on the frames' device.

        Raises:
            InputError: shapes that do not belong together.
        """
        _check(frames, portrait, decoded, points)
        device = frames.device if self.network is None else self.network.device
        large, small = (_planes(picture[None], device) for picture in (portrait, decoded))
        places = None
        if points is not None:
            places = face_places(points.to(device, torch.float32), *small.shape[-2:])
        result = torch.empty(len(frames), *portrait.shape, device=frames.device)
        for index, frame in enumerate(frames):
            picture = _planes(frame[None], device)
            if self.network is None:
                restored = restore_unlearned(picture, large, small, places)
            else:
                restored = self.network(picture, large, small).float()
            result[index] = restored[0].clamp(0, 1).permute(1, 2, 0)
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


def analyze(frame: Tensor, decoded: Tensor, places: Tensor | None) -> tuple[Tensor, Tensor]:
    """Flow (b, 2, a, c) in pixels and trust (b, 1, a, c), on a grid of ``analysis_size``."""
    size = analysis_size(*frame.shape[-2:])
    small_frame, small_decoded = (shrink(picture, size) for picture in (frame, decoded))
    flow = estimate_flow(*(picture.mean(1, keepdim=True) for picture in (small_frame, small_decoded)))
    in_place = (small_frame - small_decoded).square().mean(1, keepdim=True)
    in_place = blur(in_place, odd(STILL_BOX * min(size)))
    flow = flow * (in_place / (in_place + STILL**2))  # the codec's noise moves nothing
    if places is not None:
        places = warp(shrink(places, size).expand(len(flow), -1, -1, -1), flow)
    return flow, trust(small_frame, warp(small_decoded, flow), places)


def analysis_size(height: int, width: int) -> tuple[int, int]:
    """Height and width, halved until the shorter one is at most ``ANALYSIS_SIDE``."""
    while min(height, width) > ANALYSIS_SIDE:
        height, width = -(-height // 2), -(-width // 2)
    return height, width


def shrink(picture: Tensor, size: tuple[int, int]) -> Tensor:
    """(b, c, h, w) at ``size``, averaged over what a pixel covers."""
    return picture if tuple(picture.shape[-2:]) == size else F.interpolate(picture, size=size, mode="area")


def resize(picture: Tensor, size: tuple[int, int] | torch.Size) -> Tensor:
    """(b, c, h, w) at ``size``: cubic, and antialiased where it gets smaller."""
    if tuple(picture.shape[-2:]) == tuple(size):
        return picture
    rows, columns = (
        cubic_weights(old, new, picture.device) for old, new in zip(picture.shape[-2:], size, strict=True)
    )
    with torch.autocast(picture.device.type, enabled=False):  # half precision would show as bands
        resized: Tensor = rows @ picture @ columns.T
    return resized


@lru_cache(maxsize=16)
def cubic_weights(old: int, new: int, device: torch.device) -> Tensor:
    """(new, old): what ``F.interpolate`` does to one axis. Two products are several times as fast as it."""
    with torch.inference_mode(False):
        unit = torch.eye(old)[None, None]
        size = (new, old)
        weights = F.interpolate(unit, size=size, mode="bicubic", align_corners=False, antialias=new < old)
        return weights[0, 0].to(device)


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
