"""A small network that corrects flow and mask of the training-free form and adds what the portrait lacks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from diffusers import ConfigMixin, ModelMixin
from diffusers.configuration_utils import register_to_config
from torch import nn
from torch.nn import functional as F

from .analysis import analysis_size, analyze, resize, shrink
from .flow import resize_flow, warp

if TYPE_CHECKING:
    from torch import Tensor

ALIGNMENT = 8  # the analysis is padded to multiples of this: one folding and two halvings
MOST_TRUST = 0.98  # so that the network can still reduce trust
FLOW_UNIT = 8.0  # pixels


class DetailNetwork(ModelMixin, ConfigMixin):  # type: ignore[misc]
    """Decoded frame, codec's picture of the portrait, portrait -> frame at the portrait's size.

    The analysis, on the frame's grid or that grid halved, corrects the training-free flow and trust. The
    refinement, on a grid twice as fine, adds a residual and corrects the mask. Warping and blending are done
    at the portrait's size. The last layers start at zero, so an untrained network equals the training-free
    form (up to ``MOST_TRUST``). Every layer sees one frame only.

    Args:
        widths: channels of the analysis at a half, a quarter and an eighth of its grid.
        features: channels passed from the analysis to the refinement.
        refine_width: channels of the refinement.
    """

    @register_to_config  # type: ignore[untyped-decorator]
    def __init__(
        self,
        widths: tuple[int, int, int] = (32, 64, 96),
        features: int = 7,
        refine_width: int = 16,
    ) -> None:
        super().__init__()
        fine, middle, coarse = widths
        self.enter = nn.Conv2d(4 * 12, fine, 3, padding=1)
        self.fine_in = Residual(fine)
        self.to_middle = nn.Conv2d(fine, middle, 3, 2, 1)
        self.middle_in = nn.Sequential(Residual(middle), Residual(middle))
        self.to_coarse = nn.Conv2d(middle, coarse, 3, 2, 1)
        self.coarse = nn.Sequential(Residual(coarse), Residual(coarse))
        self.from_coarse = nn.Conv2d(coarse, middle, 1)
        self.middle_out = Residual(middle)
        self.from_middle = nn.Conv2d(middle, fine, 1)
        self.fine_out = Residual(fine)
        self.hints = nn.Conv2d(fine, 4 * features, 3, padding=1)
        self.correction = zeroed(nn.Conv2d(fine, 4 * 3, 3, padding=1))

        self.refine_in = nn.Conv2d(2 * 12 + 1 + features, refine_width, 3, padding=1)
        self.refine = Residual(refine_width)
        self.refine_out = zeroed(nn.Conv2d(refine_width, 4 * 4, 3, padding=1))

    def forward(
        self, frame: Tensor, portrait: Tensor, decoded: Tensor, fine_portrait: Tensor | None = None
    ) -> Tensor:
        """Restore frames independently.

        Args:
            frame: (b, 3, h, w), 0..1, from the decoder.
            portrait: (b, 3, H, W), 0..1.
            decoded: (b, 3, h, w), 0..1, the codec's picture of the portrait.
            fine_portrait: the portrait on the refinement's grid, see :func:`on_fine_grid`; None: it is
                resized here.

        Returns:
            (b, 3, H, W), float32, not clamped.
        """
        size = portrait.shape[-2:]
        grid, doubled = analysis_size(*frame.shape[-2:]), fine_size(frame)
        small_frame, small_decoded = shrink(frame, grid), shrink(decoded, grid)
        with torch.no_grad():
            flow, share = analyze(small_frame, small_decoded, None)
        if fine_portrait is None:
            fine_portrait = on_fine_grid(portrait, frame)
        small_portrait = F.avg_pool2d(fine_portrait, 2)
        flow, logit, features = self._analysis(small_frame, small_decoded, small_portrait, flow, share)

        fine_portrait = warp(fine_portrait, resize_flow(flow, doubled))
        base = resize(frame, size)
        fine_base = base if tuple(size) == doubled else resize(frame, doubled)
        residual, logit = self._refinement(fine_base, fine_portrait, logit, features)
        if tuple(size) == doubled:
            return base + torch.sigmoid(logit) * (fine_portrait - base) + residual
        moved = warp(portrait, resize_flow(flow, size))
        mask = resize(torch.sigmoid(logit), size).clamp(0, 1)
        return base + mask * (moved - base) + resize(residual, size)

    def _analysis(
        self, frame: Tensor, decoded: Tensor, portrait: Tensor, flow: Tensor, share: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Corrected flow (b, 2, a, c), logit of the mask (b, 1, a, c) and features (b, f, a, c)."""
        height, width = frame.shape[-2:]
        moved = [warp(picture, flow) for picture in (decoded, portrait)]
        known = torch.cat([frame - 0.5, *(m - frame for m in moved), share, flow / FLOW_UNIT], dim=1)
        padded = F.pad(known, (0, -width % ALIGNMENT, 0, -height % ALIGNMENT), mode="replicate")

        fine = self.fine_in(self.enter(F.pixel_unshuffle(padded, 2).to(self.dtype)))
        middle = self.middle_in(self.to_middle(fine))
        coarse = self.coarse(self.to_coarse(middle))
        middle = self.middle_out(middle + doubled_size(self.from_coarse(coarse)))
        fine = self.fine_out(fine + doubled_size(self.from_middle(middle)))

        correction = F.pixel_shuffle(self.correction(fine), 2)[..., :height, :width].float()
        features = F.pixel_shuffle(self.hints(fine), 2)[..., :height, :width]
        logit = torch.logit(share * MOST_TRUST, eps=1 - MOST_TRUST) + correction[:, 2:]
        return flow + correction[:, :2], logit, features

    def _refinement(
        self, base: Tensor, portrait: Tensor, logit: Tensor, features: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Residual (b, 3, 2 a, 2 c) and logit (b, 1, 2 a, 2 c) of the mask, on the doubled grid."""
        folded = F.pixel_unshuffle(torch.cat([base - 0.5, portrait - base], dim=1), 2)
        known = torch.cat([folded.to(self.dtype), torch.sigmoid(logit).to(self.dtype), features], dim=1)
        refined = F.pixel_shuffle(self.refine_out(self.refine(self.refine_in(known))), 2).float()
        return refined[:, :3], doubled_size(logit) + refined[:, 3:]


def fine_size(frame: Tensor) -> tuple[int, int]:
    """Height and width of the refinement's grid for frames (b, 3, h, w)."""
    height, width = analysis_size(*frame.shape[-2:])
    return 2 * height, 2 * width


def on_fine_grid(portrait: Tensor, frame: Tensor) -> Tensor:
    """The portrait (b, 3, H, W) on that grid: the same for all frames of a video."""
    return resize(portrait, fine_size(frame))


class Residual(nn.Module):
    """Residual block: activation and two convolutions plus the identity, then an activation."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(width, width, 3, padding=1)
        self.second = zeroed(nn.Conv2d(width, width, 3, padding=1))

    def forward(self, x: Tensor) -> Tensor:
        """(b, width, h, w) -> the same shape."""
        inner = self.second(F.relu(self.first(F.relu(x))))
        total: Tensor = x + inner
        return total


def zeroed(layer: nn.Conv2d) -> nn.Conv2d:
    """Set all weights of the layer to zero and return it."""
    nn.init.zeros_(layer.weight)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer


def doubled_size(picture: Tensor) -> Tensor:
    """Twice as many pixels along both sides, each repeated."""
    return F.interpolate(picture, scale_factor=2, mode="nearest")
