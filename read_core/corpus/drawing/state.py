"""The moving quantities of a batch of frames, shaped to broadcast against a canvas."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from ..motion import Motion
from .presenter import Presenter

TURN_DEPTH = 1.1  # radius of the rotating head, in half widths of the face


@dataclass(frozen=True)
class FaceState:
    """Motion and mouth of f frames, every tensor (f, 1, 1)."""

    yaw: Tensor
    pitch: Tensor
    gaze_x: Tensor
    gaze_y: Tensor
    blink: Tensor
    brows: Tensor
    opening: Tensor
    width: Tensor
    rounding: Tensor

    def place(
        self, presenter: Presenter, x: float, y: float, depth: float = 1.0
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Place of a feature on the turned head: center x, center y and horizontal foreshortening."""
        radius = TURN_DEPTH * presenter.face_width
        angle = math.asin(max(-0.95, min(0.95, x / radius)))
        turned = torch.cos(self.yaw + angle) / math.cos(angle)
        center_x = x * torch.cos(self.yaw) + depth * radius * math.cos(angle) * torch.sin(self.yaw)
        return center_x, y + 0.30 * depth * torch.sin(self.pitch), turned

    def jaw_drop(self, presenter: Presenter) -> Tensor:
        """Distance of the chin below its place with a closed mouth, head units."""
        return presenter.jaw_drop * presenter.mouth_gap * self.opening


def make_state(motion: Motion, mouth: Tensor) -> FaceState:
    """Bring motion and mouth tracks of the same f frames to the mouth's device and dtype."""

    def column(track: Tensor) -> Tensor:
        return track.to(mouth)[:, None, None]

    return FaceState(
        yaw=column(motion.yaw),
        pitch=column(motion.pitch),
        gaze_x=column(motion.gaze[:, 0]),
        gaze_y=column(motion.gaze[:, 1]),
        blink=column(motion.blink),
        brows=column(motion.brows),
        opening=column(mouth[:, 0]).clamp(0.0, 1.0),
        width=column(mouth[:, 1]).clamp(-1.0, 1.0),
        rounding=column(mouth[:, 2]).clamp(0.0, 1.0),
    )
