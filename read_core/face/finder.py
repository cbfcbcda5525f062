"""Find faces in a picture: their boxes, both eyes and the mouth."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from ..errors import InputError
from ..pictures import antialiased
from ..weights.bundled import load_bundled
from .network import EYE_POINTS, FEATURES, POINT_SIDE, SIDE, STRIDE, FaceFinder

__all__ = ["THRESHOLD", "WEIGHTS", "FaceFinder", "Faces", "find_faces", "load_finder"]

WEIGHTS = Path(__file__).with_name("finder.safetensors")
THRESHOLD = 0.85  # smallest score; chosen on validation pictures

CORNERS = (0, 1, EYE_POINTS, EYE_POINTS + 1, 2 * EYE_POINTS, 2 * EYE_POINTS + 1)  # among the features

_SEARCHED = (256, 112, 64)  # longest sides in pixels of the searched pictures
_SURE = 0.98  # from this score on the turned picture is not searched
_TURNS = (2, 1, 3)  # quarter turns of the picture
_LIKELY = 0.3  # smallest search score for a close-up
_MOST = 12  # most close-ups
_SAME = 0.55  # overlap relative to the smaller box from which two boxes count as one face
_ROOM = 2.8  # side of a close-up, in mean distances of eyes and mouth
_POINT_ROOM = 1.15  # that of a close-up of one point


@dataclass(frozen=True)
class Faces:
    """Faces in a picture, the largest first; x and y in pixels, the center of the first pixel is at 0.5.

    Attributes:
        boxes: (N, 4) left, top, right, bottom, from chin to forehead.
        points: (N, 3, 2) the eye on the picture's left when the face is upright, the other eye, the mouth;
            each is the center between its two corners.
        scores: (N,) 0..1, at least the threshold.
        features: (N, 16, 2) corners, lids, pupils and lips, see :func:`read_features`; none: (0, 16, 2).
    """

    boxes: Tensor
    points: Tensor
    scores: Tensor
    features: Tensor = field(default_factory=lambda: torch.zeros(0, len(FEATURES), 2))

    def __len__(self) -> int:
        return len(self.scores)


def find_faces(
    image: Tensor,
    device: torch.device | str | None = None,
    *,
    finder: FaceFinder | None = None,
    threshold: float = THRESHOLD,
) -> Faces:
    """Find all faces in a picture; if one scores higher in the turned picture, those that are not upright.

    Args:
        image: (H, W, 3) floating point, 0..1.
        device: device of the computation; default: the image's.
        finder: the network, already on that device; default: the bundled one.
        threshold: smallest score.

    Returns:
        The faces, on the CPU.

    Raises:
        InputError: the tensor has a wrong shape or type.
    """
    if image.ndim != 3 or image.shape[2] != 3 or not image.is_floating_point() or not image.numel():
        raise InputError(
            f"image is {tuple(image.shape)} {image.dtype}; expected (H, W, 3) floating point, 0..1"
        )
    place = torch.device(device) if device is not None else image.device
    finder = finder or _bundled(str(place))
    with torch.inference_mode():
        picture = image.to(place, torch.float32).permute(2, 0, 1)
        best, turn = _find(finder, picture, threshold), 0
        for quarters in _TURNS:
            if _surest(best) >= _SURE:
                break
            found = _find(finder, picture.rot90(quarters, (1, 2)), threshold)
            if _surest(found) > _surest(best):
                best, turn = found, quarters
        return _turned_back(best, turn, *picture.shape[1:])


def _surest(faces: Faces) -> float:
    """The best score, 0 without a face."""
    return float(faces.scores.max()) if len(faces) else 0.0


def _find(finder: FaceFinder, picture: Tensor, threshold: float) -> Faces:
    """The faces in a picture (3, H, W) without turning it, on the CPU."""
    boxes, points, scores = candidates(finder, picture)
    features = points.new_zeros(0, len(FEATURES), 2)
    if len(scores):
        seen, points = read_close(finder, picture, points)
        scores = ((scores + seen) / 2).sigmoid()
        kept = _non_maximum_suppression(boxes, scores)
        kept = kept[scores[kept] >= threshold]
        boxes, points, scores = boxes[kept], points[kept], scores[kept]
    if len(scores):
        features = read_features(finder, picture, points)
        points = middles(features)
    order = (boxes[:, 2:] - boxes[:, :2]).prod(dim=1).argsort(descending=True)
    return Faces(*(part[order].cpu() for part in (boxes, points, scores, features)))


def _turned_back(faces: Faces, quarters: int, height: int, width: int) -> Faces:
    """Faces of a picture (height, width) turned counterclockwise, as places in the picture itself."""
    boxes, points, features = faces.boxes.view(-1, 2, 2), faces.points, faces.features
    for turn in range(quarters):
        across = width if (quarters - turn) % 2 else height
        boxes, points, features = (
            torch.stack([across - places[..., 1], places[..., 0]], dim=-1)
            for places in (boxes, points, features)
        )
    boxes = torch.cat([boxes.amin(1), boxes.amax(1)], dim=1)
    return Faces(boxes, points, faces.scores, features)


def load_finder(path: Path = WEIGHTS) -> FaceFinder:
    """Load the face finder with its bundled weights, or those of another file, frozen, in float32.

    Raises:
        InputError: the file is missing.
    """
    if not path.is_file():
        raise InputError(
            f"{path} is missing; install the package again, or make the file: python "
            "scripts/fit_face_finder.py"
        )
    return load_bundled(FaceFinder(), path)


@functools.lru_cache(maxsize=2)
def _bundled(device: str) -> FaceFinder:
    return load_finder().to(device)


def candidates(finder: FaceFinder, picture: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Candidate faces in a picture (3, H, W): boxes (n, 4), points (n, 3, 2) and logits (n,)."""
    height, width = picture.shape[1:]
    small = picture[None]
    found: list[tuple[Tensor, Tensor, Tensor]] = []
    for longest in _SEARCHED:
        scale = min(1.0, longest / max(height, width))
        size = max(1, round(scale * height)), max(1, round(scale * width))
        if size != small.shape[2:]:
            small = antialiased(small, size, "bilinear")
        elif found:
            continue
        padded = F.pad(small - 0.5, (0, -size[1] % 16, 0, -size[0] % 16)) + 0.5
        boxes, points, logits = decode(finder.search(padded.contiguous(memory_format=torch.channels_last)))[0]
        unit = picture.new_tensor([width / size[1], height / size[0]])
        found.append((boxes * unit.repeat(2), points * unit, logits))
    boxes, points, logits = (torch.cat(part) for part in zip(*found, strict=True))
    kept = _non_maximum_suppression(boxes, logits)[:_MOST]
    return boxes[kept], points[kept], logits[kept]


def decode(answers: Tensor) -> list[tuple[Tensor, Tensor, Tensor]]:
    """The best candidates of each searched picture, from outputs (B, 11, h, w) of :class:`FaceSearch`.

    Returns boxes (n, 4) and points (n, 3, 2), both in pixels of the searched picture, and logits (n,).
    """
    height, width = answers.shape[2:]
    highest = F.max_pool2d(answers[:, :1], 3, 1, 1)[:, 0]
    least = math.log(_LIKELY / (1 - _LIKELY))
    result = []
    for answer, peak in zip(answers, highest, strict=True):
        logits = torch.where(answer[0] >= peak, answer[0], -math.inf).flatten()
        logits, cells = logits.topk(min(2 * _MOST, height * width))
        cells, logits = cells[logits > least], logits[logits > least]
        values = answer.flatten(1)[:, cells].T
        middle = torch.stack([cells % width + 0.5, cells // width + 0.5], dim=1)
        sides = values[:, 3:5].clamp(-2, 5).exp()
        box_middle = middle + values[:, 1:3]
        boxes = STRIDE * torch.cat([box_middle - sides / 2, box_middle + sides / 2], dim=1)
        unit = sides.prod(dim=1).sqrt()[:, None, None]
        points = STRIDE * (middle[:, None] + unit * values[:, 5:].unflatten(1, (3, 2)))
        kept = _non_maximum_suppression(boxes, logits)[:_MOST]
        result.append((boxes[kept], points[kept], logits[kept]))
    return result


def read_close(finder: FaceFinder, picture: Tensor, points: Tensor) -> tuple[Tensor, Tensor]:
    """Read close-ups at points (n, 3, 2) in a picture (3, H, W): logits (n,) and refined points."""
    frames = close_frames(points)
    logits, seen = finder.read(torch.stack([close_up(picture, frame) for frame in frames]))
    return logits, _to_picture(frames, seen)


def read_twice(finder: FaceFinder, picture: Tensor, points: Tensor) -> Tensor:
    """Refined points (n, 3, 2): the mean of the readings of a close-up and of its mirror image."""
    frames = close_frames(points)
    pictures = torch.stack([close_up(picture, frame) for frame in frames])
    seen, mirrored = finder.read(torch.cat([pictures, pictures.flip(3)]))[1].chunk(2)
    seen = (seen + mirrored[:, [1, 0, 2]] * seen.new_tensor([-1.0, 1.0])) / 2
    return _to_picture(frames, seen)


def read_features(finder: FaceFinder, picture: Tensor, points: Tensor) -> Tensor:
    """Sixteen points of each face (n, 16, 2), read in close-ups of its eyes and mouth.

    Those of the eye at the left of the upright face, those of the other, those of the mouth; of an eye outer
    and inner corner, upper and lower lid, pupil; of the mouth the corners and, from the upper lip down, the
    outer and inner edges of the lips.
    """
    frames = point_frames(points)
    eyes, mouths = finder.point(torch.stack([close_up(picture, frame, POINT_SIDE) for frame in frames]))
    first, second, third = frames.chunk(3)
    left, right = eyes.chunk(2)
    return torch.cat(
        [_to_picture(first, left), _to_picture(second, right), _to_picture(third, mouths)], dim=1
    )


def middles(features: Tensor) -> Tensor:
    """Both eyes and the mouth (n, 3, 2), each between its corners, of the features (n, 16, 2) of faces."""
    return features[:, CORNERS].view(-1, 3, 2, 2).mean(dim=2)


def point_frames(points: Tensor) -> Tensor:
    """Matrices (3 n, 2, 3) of close-ups of the single points (n, 3, 2): first eyes, second eyes, mouths.

    That of a second eye is mirrored, so that both eyes look alike.
    """
    linear = close_frames(points)[:, :, :2] * (_POINT_ROOM / _ROOM)
    sides = (linear, linear * linear.new_tensor([-1.0, 1.0]), linear)
    return torch.cat([torch.cat([side, points[:, k, :, None]], dim=2) for k, side in enumerate(sides)])


def _to_picture(frames: Tensor, points: Tensor) -> Tensor:
    """Convert points (n, 3, 2) in close-ups, -1..1, to points in the picture."""
    return points @ frames[:, :, :2].transpose(1, 2) + frames[:, None, :, 2]


def close_frames(points: Tensor) -> Tensor:
    """Matrices (n, 2, 3) from coordinates -1..1 of upright close-ups at points (n, 3, 2) to the picture."""
    eyes = points[:, 1] - points[:, 0]
    middle = (points[:, 0] + points[:, 1]) / 2
    down = points[:, 2] - middle
    upright = down + torch.stack([-eyes[:, 1], eyes[:, 0]], dim=1)
    upright = upright / upright.norm(dim=1, keepdim=True).clamp(min=1e-6)
    half = _ROOM / 4 * (eyes.norm(dim=1) + down.norm(dim=1)).clamp(min=1.0)[:, None]
    across = torch.stack([upright[:, 1], -upright[:, 0]], dim=1)
    return torch.stack([half * across, half * upright, middle + 0.45 * down], dim=2)


def close_up(picture: Tensor, frame: Tensor, side: int = SIDE) -> Tensor:
    """What a frame (2, 3) shows of a picture (3, H, W), antialiased, gray outside: (3, side, side)."""
    reach = frame[:, :2].abs().sum(dim=1)
    low, high = (frame[:, 2] - reach).floor().int().tolist(), (frame[:, 2] + reach).ceil().int().tolist()
    pixels = 2 * float(frame[:, 0].norm()) / side  # pixels of the picture per pixel of the close-up
    factor = max(1, int(pixels))
    left, top = max(0, low[0] - 1), max(0, low[1] - 1)
    part = picture[None, :, top : max(top + 1, high[1] + 1), left : max(left + 1, high[0] + 1)] - 0.5
    if not part.numel():
        return picture.new_full((3, side, side), 0.5)
    if factor > 1:
        part = F.pad(part, (0, -part.shape[3] % factor, 0, -part.shape[2] % factor))
        part = F.avg_pool2d(part, factor)
    steps = (torch.arange(side, device=picture.device) + 0.5) * 2 / side - 1
    grid = torch.stack(torch.meshgrid(steps, steps, indexing="xy"), dim=-1)
    places = grid @ frame[:, :2].T + frame[:, 2] - frame.new_tensor([left, top])
    places = 2 * places / (factor * places.new_tensor([part.shape[3], part.shape[2]])) - 1
    shown: Tensor = F.grid_sample(part, places[None], align_corners=False)[0] + 0.5
    return shown


def overlap(one: Tensor, two: Tensor) -> Tensor:
    """Intersection over union of boxes (n, 4) and (m, 4): (n, m)."""
    shared, area_one, area_two = _overlaps(one, two)
    return shared / (area_one + area_two - shared).clamp(min=1e-6)


def _overlaps(one: Tensor, two: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Intersections (n, m) of boxes (n, 4) and (m, 4), and the areas of the boxes, (n, 1) and (m,)."""
    low, high = torch.maximum(one[:, None, :2], two[:, :2]), torch.minimum(one[:, None, 2:], two[:, 2:])
    shared = (high - low).clamp(min=0).prod(dim=2)
    area_one, area_two = ((boxes[:, 2:] - boxes[:, :2]).prod(dim=1) for boxes in (one, two))
    return shared, area_one[:, None], area_two


def _non_maximum_suppression(boxes: Tensor, scores: Tensor) -> Tensor:
    """Indices of the boxes that overlap no better one, best first."""
    order = scores.argsort(descending=True)
    shared, area, other = _overlaps(boxes[order], boxes[order])
    same = (shared > _SAME * torch.minimum(area, other)).tolist()
    kept: list[int] = []
    for index, row in enumerate(same):
        if not any(row[better] for better in kept):
            kept.append(index)
    return order[kept]
