"""Sync-C and Sync-D: how well lips fit the sound, by SyncNet, with its own crop of the face."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from ...errors import InputError
from ...geometry import SAMPLES_PER_FRAME
from ..figures import column
from ..networks.syncnet import COEFFICIENTS, FEATURES, FRAMES, SIDE, STEPS, SyncNet
from .mfcc import mfcc

if TYPE_CHECKING:
    from ...face.finder import Faces

REACH = 15
"""Frames by which the sound is shifted to either side."""

LEAST = FRAMES + 1
"""Frames with sound that are needed."""

SEEN = (
    "every window of 5 frames at 25 per second and the 0.2 s of sound from its first frame; the crop of "
    f"syncnet_python, {SIDE} x {SIDE}: the box of the face, smoothed by a median over 13 frames, 0.4 "
    "wider to each side and longer below; the boxes are those of read_core's finder (syncnet_python uses "
    "S3FD's), and frames are not compressed again"
)
NOTE = (
    "Sync-D: smallest mean distance of lips and sound over shifts of up to 15 frames. Sync-C: median over "
    "the shifts less that. Offset: the shift, in frames; positive: the sound is early."
)

_SCALE = 0.4  # by which the crop is larger than the box
_MEDIAN = 13  # frames
_GRAY = 110  # around the picture
_BATCH = 20
_APART = 1e-6  # added to differences, as in torch's pairwise_distance


@dataclass(frozen=True)
class SyncFigures:
    """How well lips fit the sound.

    Attributes:
        confidence: Sync-C, larger is better.
        distance: Sync-D, smaller is better.
        offset: the best shift in frames of 40 ms.
        windows: how many windows of five frames were compared.
    """

    confidence: float = column("Sync-C")
    distance: float = column("Sync-D")
    offset: float = column("offset")
    windows: float = column("windows")


def follow_face(frames: Iterable[Tensor], find: Callable[[Tensor], Faces]) -> NDArray[np.float64] | None:
    """The box of one face in every frame, in between and at the ends by its neighbors.

    Args:
        frames: F pictures (H, W, 3) uint8.
        find: finds the faces of a picture (H, W, 3), 0..1.

    Returns:
        (F, 4) left, top, right and bottom in pixels; None: no frame shows a face.
    """
    seen: list[int] = []
    boxes: list[Tensor] = []
    count = 0
    for index, frame in enumerate(frames):
        count += 1
        found = find(frame.float() / 255).boxes
        if len(found):
            near = 0 if not boxes else int((found - boxes[-1]).square().sum(1).argmin())
            seen.append(index)
            boxes.append(found[near])
    if not boxes:
        return None
    known = torch.stack(boxes).double().numpy()
    everywhere = np.arange(count)
    return np.stack([np.interp(everywhere, seen, side) for side in known.T], axis=1)


def crop_faces(frames: Iterable[Tensor], boxes: NDArray[np.float64]) -> Tensor:
    """Cut out what SyncNet sees.

    Args:
        frames: F pictures (H, W, 3) uint8.
        boxes: (F, 4) left, top, right, bottom.

    Returns:
        (F, 224, 224, 3) uint8.

    Raises:
        InputError: there are fewer than 13 frames, over which boxes are smoothed.
    """
    from scipy.signal import medfilt

    if len(boxes) < _MEDIAN:
        raise InputError(f"the video has {len(boxes)} frames; SyncNet's crop needs {_MEDIAN} or more")

    left, top, right, bottom = boxes.T
    halves = medfilt(np.maximum(right - left, bottom - top) / 2, _MEDIAN)
    across, down = medfilt((left + right) / 2, _MEDIAN), medfilt((top + bottom) / 2, _MEDIAN)
    crops = []
    for frame, half, x, y in zip(frames, halves, across, down, strict=True):
        room = int(half * (1 + 2 * _SCALE))
        wide = F.pad(frame.permute(2, 0, 1), (room, room, room, room), value=_GRAY)
        rows = slice(int(y + room - half), int(y + room + half * (1 + 2 * _SCALE)))
        columns = slice(int(x + room - half * (1 + _SCALE)), int(x + room + half * (1 + _SCALE)))
        cut = wide[:, rows, columns].float()[None]
        crops.append(F.interpolate(cut, (SIDE, SIDE), mode="bilinear")[0].round().byte())
    return torch.stack(crops).permute(0, 2, 3, 1)


@torch.inference_mode()
def score_lip_sync(network: SyncNet, crops: Tensor, samples: NDArray[np.int16]) -> SyncFigures:
    """Compare lips with sound.

    Args:
        network: with weights; the computation is where it is.
        crops: (F, 224, 224, 3) uint8, RGB, see :func:`crop_faces`.
        samples: (n,) of 16 kHz; sound and pictures are cut to the shorter.

    Raises:
        InputError: fewer than six frames have sound.
    """
    device = next(network.parameters()).device
    length = min(len(crops), len(samples) // SAMPLES_PER_FRAME)
    if length < LEAST:
        raise InputError(f"{length} frames have sound; SyncNet needs {LEAST} or more")
    sound = torch.from_numpy(mfcc(samples)).float().T  # (13, T)
    faces = crops.flip(3).permute(3, 0, 1, 2)  # (3, F, h, w), blue first
    lips, heard = torch.empty(0, FEATURES), torch.empty(0, FEATURES)
    for first in range(0, length - FRAMES, _BATCH):
        starts = range(first, min(first + _BATCH, length - FRAMES))
        windows = torch.stack([faces[:, start : start + FRAMES] for start in starts]).float()
        steps = torch.stack([_steps(sound, start) for start in starts])
        lips = torch.cat((lips, network.read_lips(windows.to(device)).cpu()))
        heard = torch.cat((heard, network.read_sound(steps.to(device)).cpu()))
    return read_distances(sync_distances(lips, heard))


def sync_distances(lips: Tensor, heard: Tensor, reach: int = REACH) -> Tensor:
    """Distances of (N, D) lips from (N, D) sound shifted by -reach..reach: (N, 2 reach + 1).

    Outside the recording the sound's vector is zero, as in syncnet_python.
    """
    around = F.pad(heard, (0, 0, reach, reach)).unfold(0, 2 * reach + 1, 1)  # (N, D, 2 reach + 1)
    apart: Tensor = lips[:, :, None] - around + _APART
    distances: Tensor = torch.linalg.vector_norm(apart, dim=1)
    return distances


def read_distances(distances: Tensor) -> SyncFigures:
    """Figures of (N, 2 reach + 1) distances, see :func:`sync_distances`."""
    means = distances.mean(0)
    least, best = means.min(0)
    return SyncFigures(
        confidence=float(means.median() - least),
        distance=float(least),
        offset=float(distances.shape[1] // 2 - best),
        windows=float(len(distances)),
    )


def _steps(sound: Tensor, frame: int) -> Tensor:
    """(1, 13, 20) coefficients from a frame on."""
    first = frame * STEPS // FRAMES
    return sound[None, :COEFFICIENTS, first : first + STEPS]
