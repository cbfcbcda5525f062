"""Make photographs of nobody: each blends at least four faces of a folder of portraits by their landmarks.

    python scripts/blend_faces.py --faces FOLDER

Reads assets/faces/blends.json. Writes the first blend to assets/photo.jpg, and all blends at half the size to
assets/faces/, a folder that the corpus of talking photographs can read. FOLDER has index.json, landmarks.npy
and images/; only portraits of its test split are used. Nothing is random: the same folder and blends give the
same pictures.

A thin-plate spline warps each portrait, so that its 478 landmarks and the hand-set outline of its head match
the blend's. Its exposure and tint are matched too. The average is computed in linear light. Averages are
soft, so each band of detail is amplified to the sources' mean energy. No portrait has a weight above 0.4
anywhere on the face. The backdrop is drawn.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from read_core.corpus.photo.stills import IMAGES, INDEX, LANDMARKS, Still, find_stills
from read_core.errors import InputError
from read_core.media import read_image

ASSETS = Path(__file__).resolve().parents[1] / "assets"
SIZE = (512, 640)  # width, height
LEAST, LARGEST_WEIGHT = 4, 0.4  # sources of a face; share of one of them
QUALITY = 92
KNOTS = 4  # pixels between evaluated points of the spline
STIFFNESS = 20.0  # smoothing of the spline: landmarks are not exact
BANDS = ((0.6, 2.2), (1.2, 2.0), (2.4, 1.6), (4.8, 1.2))  # scale in landmark pixels, largest amplification
OVAL = (
    10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377, 152, 148, 176,
    149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109,
)  # fmt: skip
SKIN = (50, 280, 205, 425, 151, 101, 330, 108, 337, 9, 118, 347)
CHIN, BROWS = 152, (105, 334)
INNER_LIPS = (13, 14)
EYES = ((33, 133), (362, 263))


@dataclass(frozen=True)
class Source:
    """One portrait of a blend; places are (x, y) in its pixels.

    Attributes:
        file: name in the folder.
        weight: weight in each of its parts.
        outline: outline of head and shoulders, from the lower left over the top to the lower right; the
            number and places of the points are the same in all sources of a blend.
        rows: first and last row to use; beyond them the picture is a reflection.
        parts: any of face, forehead, hair (with the ears), body.
        without: discs (x, y, radius) to leave out, for example jewelry.
        tone: weight in the tint of the blend's skin.
        even: how far to remove colored light from it, 0..1.
    """

    file: str
    weight: float
    outline: list[list[float]]
    rows: tuple[float, float]
    parts: tuple[str, ...] = ("face", "forehead", "hair", "body")
    without: tuple[tuple[float, float, float], ...] = ()
    tone: float = 1.0
    even: float = 0.0


@dataclass(frozen=True)
class Blend:
    """A blended picture.

    Attributes:
        file: its name; the number decides its split.
        shows: a short description.
        window: left, top, right, bottom of the picture, in pixels of the mean landmarks.
        backdrop: sRGB colors of its light and dark parts.
        sources: the portraits.
        cloth: sRGB color of the clothes; None: unchanged.
        neckline: polygon of the neck, in pixels of the mean landmarks; everything outside it is cloth.
    """

    file: str
    shows: str
    window: tuple[float, float, float, float]
    backdrop: tuple[tuple[float, float, float], tuple[float, float, float]]
    sources: tuple[Source, ...]
    cloth: tuple[float, float, float] | None = None
    neckline: tuple[tuple[float, float], ...] = ()


class Canvas:
    """The pixels of a blend and its regions. Masks are (1, H, W), 0..1."""

    def __init__(self, blend: Blend, mean: Tensor, outline: Tensor) -> None:
        left, top, right, bottom = blend.window
        self.width, self.height = SIZE
        self.scale = self.width / (right - left)
        self.corner = torch.tensor([left, top])
        columns = left + (torch.arange(self.width) + 0.5) / self.scale
        rows = top + (torch.arange(self.height) + 0.5) / self.scale
        self.places = torch.stack(torch.meshgrid(columns, rows, indexing="xy"), dim=-1)
        self.figure = self.polygon(_figure(_rounded(outline), bottom))
        face = self.blur(self.polygon(mean[list(OVAL)]), 4)
        y = self.places[..., 1]
        body = ((y - mean[CHIN, 1] + 20) / 25).clamp(0, 1)[None] * (1 - face)
        below_brows = ((y - mean[list(BROWS), 1].mean() + 24) / 28).clamp(0, 1)[None]
        self.parts = {
            "face": face * below_brows,
            "forehead": face * (1 - below_brows),
            "body": body,
            "hair": (1 - face) * (1 - body),
        }

    def blur(self, picture: Tensor, radius: float) -> Tensor:
        """Gaussian blur of (C, H, W); ``radius`` in landmark pixels."""
        sigma = radius * self.scale
        reach = max(1, int(3 * sigma))
        kernel = torch.exp(-0.5 * (torch.arange(-reach, reach + 1) / sigma).square())
        kernel = (kernel / kernel.sum()).expand(len(picture), 1, 1, -1)
        padded = F.pad(picture[None], (reach, reach, reach, reach), mode="replicate")
        across = F.conv2d(padded, kernel, groups=len(picture))
        return F.conv2d(across, kernel.transpose(2, 3), groups=len(picture))[0]

    def polygon(self, corners: Tensor) -> Tensor:
        """1 inside (N, 2) corners."""
        x, y = self.places.unbind(-1)
        inside = torch.zeros_like(x, dtype=torch.bool)
        for (x1, y1), (x2, y2) in zip(corners, corners.roll(-1, 0), strict=True):
            crosses = (y1 > y) != (y2 > y)
            inside ^= crosses & (x < (x2 - x1) * (y - y1) / (y2 - y1 + 1e-9) + x1)
        return inside[None].float()

    def colors(self, picture: Tensor, points: Tensor) -> Tensor:
        """(3, N) colors of (3, H, W) at (N, 2) places."""
        grid = (points - self.corner) * self.scale / torch.tensor([self.width, self.height]) * 2 - 1
        return F.grid_sample(picture[None], grid[None, None], align_corners=False)[0, :, 0]


def blend_faces(blend: Blend, stills: dict[str, Still]) -> tuple[Tensor, Tensor]:
    """Return the picture (3, H, W), sRGB 0..1, and its landmarks (478, 3) in its pixels.

    Raises InputError if a source is missing, there are too few, or one has too much weight.
    """
    unknown = [source.file for source in blend.sources if source.file not in stills]
    if unknown:
        raise InputError(f"{blend.file}: no test portrait {', '.join(unknown)}; expected another folder")
    points = torch.stack([stills[source.file].landmarks for source in blend.sources])
    outlines = torch.tensor([source.outline for source in blend.sources], dtype=torch.float32)
    weight = torch.tensor([s.weight * ("face" in s.parts) for s in blend.sources])
    weight = weight / weight.sum()
    mean = torch.einsum("n,npc->pc", weight, points)
    everywhere = torch.tensor([s.weight for s in blend.sources])
    outline = torch.einsum("n,npc->pc", everywhere / everywhere.sum(), outlines)
    canvas = Canvas(blend, mean[:, :2], outline)
    frame = torch.tensor([(x, y) for x in (-60.0, 160.0, 380.0) for y in (-60.0, 160.0, 380.0) if x != y])
    target = torch.cat([mean[:, :2], outline, frame])
    warped, trusted = [], []
    for source, own, border in zip(blend.sources, points, outlines, strict=True):
        places = spline(target, torch.cat([own[:, :2], border, frame]), canvas)
        picture, valid = take(read_image(stills[source.file].path).permute(2, 0, 1), places, source)
        warped.append(to_linear(picture))
        trusted.append(canvas.blur(valid, 3) * sum(canvas.parts[part] for part in source.parts))
    pictures = match_colors(warped, blend, canvas, mean[:, :2])
    weights = share(torch.stack(trusted), everywhere, canvas)
    picture = with_detail(pictures, weights, canvas)
    picture = dress(picture, blend, canvas, mean[:, :2])
    landmarks = torch.cat([(mean[:, :2] - canvas.corner) * canvas.scale, mean[:, 2:] * canvas.scale], dim=1)
    return before_backdrop(picture, blend, canvas), landmarks


def spline(target: Tensor, source: Tensor, canvas: Canvas) -> Tensor:
    """Place in a portrait for each pixel of the canvas: (H, W, 2), by a thin-plate spline."""
    target, source = target.double(), source.double()
    count = len(target)
    affine = torch.cat([torch.ones(count, 1, dtype=torch.float64), target], dim=1)
    system = torch.zeros(count + 3, count + 3, dtype=torch.float64)
    system[:count, :count] = _kernel(target, target) + STIFFNESS * torch.eye(count)
    system[:count, count:], system[count:, :count] = affine, affine.T
    solution = torch.linalg.solve(system, F.pad(source, (0, 0, 0, 3)))
    columns, rows = canvas.width // KNOTS + 1, canvas.height // KNOTS + 1
    steps = torch.meshgrid(torch.arange(columns), torch.arange(rows), indexing="xy")
    knots = (canvas.corner + torch.stack(steps, dim=-1) * KNOTS / canvas.scale).reshape(-1, 2).double()
    parts = [
        _kernel(some, target) @ solution[:count] + solution[count] + some @ solution[count + 1 :]
        for some in torch.split(knots, 4096)
    ]
    coarse = torch.cat(parts).reshape(rows, columns, 2).permute(2, 0, 1)[None].float()
    last = torch.tensor([canvas.width, canvas.height])
    grid = (canvas.places - canvas.corner) * canvas.scale / last * 2 - 1
    fine = F.grid_sample(coarse, grid[None], mode="bicubic", padding_mode="border", align_corners=True)
    return fine[0].permute(1, 2, 0)


def take(image: Tensor, places: Tensor, source: Source) -> tuple[Tensor, Tensor]:
    """The portrait (3, h, w) sampled at (H, W, 2) places, and the mask of its usable part, (1, H, W)."""
    height, width = image.shape[1:]
    grid = (places / torch.tensor([width, height]) * 2 - 1)[None]
    picture = F.grid_sample(image[None], grid, mode="bicubic", padding_mode="border", align_corners=False)[0]
    x, y = places.unbind(-1)
    first, last = source.rows
    valid = ((y > first + 2) & (y < last - 2) & (x > 2) & (x < width - 2)).float()
    for center_x, center_y, radius in source.without:
        near = (x - center_x).square() + (y - center_y).square() < radius**2
        valid = valid * ~near
    return picture.clamp(0, 1), valid[None]


def match_colors(pictures: list[Tensor], blend: Blend, canvas: Canvas, mean: Tensor) -> list[Tensor]:
    """Give the skin of all pictures one brightness and tint."""
    skin = mean[list(SKIN)]
    tones = [canvas.colors(canvas.blur(p, 3), skin).log().median(-1).values for p in pictures]
    shares = torch.tensor([source.tone for source in blend.sources])
    tone = torch.einsum("n,nc->c", shares / shares.sum(), torch.stack(tones))
    matched = []
    for picture, own, source in zip(pictures, tones, blend.sources, strict=True):
        exposed = (picture * (tone - own).clamp(-1.6, 1.6).exp()[:, None, None]).clamp(0, 1.3)
        if source.even:
            light = canvas.blur(exposed, 8)
            white = tone.exp() / tone.exp().mean()
            neutral = white[:, None, None] * light.mean(0, keepdim=True)
            where = canvas.blur(torch.stack([canvas.parts[part] for part in source.parts]).sum(0), 3)
            exposed = exposed * ((neutral + 0.01) / (light + 0.01)).clamp(0.4, 2.5) ** (source.even * where)
        matched.append(exposed)
    return matched


def share(trusted: Tensor, weight: Tensor, canvas: Canvas) -> Tensor:
    """(N, 1, H, W) weights that sum to 1."""
    weights = (trusted + 1e-4) * weight[:, None, None, None]
    weights = weights / weights.sum(0)
    for _ in range(20):
        weights = weights.clamp(max=LARGEST_WEIGHT)
        weights = weights / weights.sum(0)
    face = canvas.parts["face"] + canvas.parts["forehead"] > 0.5
    largest = float((weights * face).amax())
    several = int(((weights * face).amax(dim=(1, 2, 3)) > 0.05).sum())
    if several < LEAST or largest > LARGEST_WEIGHT + 0.01:
        raise InputError(
            f"{several} portraits make the face and one weighs {largest:.2f}; "
            f"expected at least {LEAST} and at most {LARGEST_WEIGHT}"
        )
    return weights


def with_detail(pictures: list[Tensor], weights: Tensor, canvas: Canvas) -> Tensor:
    """The average in linear light, sRGB; each band of detail as strong as the sources' on average."""
    low = to_srgb(sum(w * p for w, p in zip(weights, pictures, strict=True)))
    lows = [to_srgb(p) for p in pictures]
    detail = torch.zeros_like(low)
    for radius, most in BANDS:
        next_low, next_lows = canvas.blur(low, radius), [canvas.blur(p, radius) for p in lows]
        band = low - next_low
        energy = sum(w * (p - q).square().mean(0) for w, p, q in zip(weights, lows, next_lows, strict=True))
        own = band.square().mean(0, keepdim=True)
        gain = (canvas.blur(energy, 4) / (canvas.blur(own, 4) + 1e-7)).sqrt()
        detail = detail + band * gain.clamp(1, most)
        low, lows = next_low, next_lows
    return (low + detail).clamp(0, 1)


def dress(picture: Tensor, blend: Blend, canvas: Canvas, mean: Tensor) -> Tensor:
    """Dye the cloth: several garments become one with a single color."""
    if blend.cloth is None:
        return picture
    neck = canvas.polygon(torch.tensor(blend.neckline, dtype=torch.float32))
    below = canvas.places[..., 1] > min(y for _, y in blend.neckline)
    face = canvas.polygon(mean[list(OVAL)])
    where = canvas.blur(below * (1 - neck) * (1 - face), 1.2)
    shade = picture.mean(0, keepdim=True)
    usual = float((shade * where).sum() / where.sum())
    dyed = torch.tensor(blend.cloth)[:, None, None] * (1 + 0.6 * (shade / usual - 1))
    return torch.lerp(picture, dyed.clamp(0, 1), where)


def before_backdrop(picture: Tensor, blend: Blend, canvas: Canvas) -> Tensor:
    """Put the figure in front of a plain wall, lit from one side."""
    bright, dark = (to_linear(torch.tensor(color))[:, None, None] for color in blend.backdrop)
    y, x = ((torch.arange(count) + 0.5) / count for count in (canvas.height, canvas.width))
    light = torch.exp(-((x - 0.62).square() / 0.30 + (y[:, None] - 0.42).square() / 0.35))[None]
    inner = ((canvas.blur(canvas.figure, 2.2) - 0.72) / 0.28).clamp(0, 1)
    return to_srgb(torch.lerp(dark + (bright - dark) * light, to_linear(picture), canvas.blur(inner, 1.0)))


def to_linear(picture: Tensor) -> Tensor:
    """SRGB -> linear light."""
    return torch.where(picture <= 0.04045, picture / 12.92, ((picture + 0.055) / 1.055) ** 2.4)


def to_srgb(picture: Tensor) -> Tensor:
    """Linear light -> sRGB, 0..1."""
    picture = picture.clamp(0, 1)
    return torch.where(picture <= 0.0031308, picture * 12.92, 1.055 * picture ** (1 / 2.4) - 0.055)


def _kernel(a: Tensor, b: Tensor) -> Tensor:
    square = torch.cdist(a, b).square()
    return 0.5 * torch.xlogy(square, square)


def _rounded(points: Tensor) -> Tensor:
    """A Catmull-Rom curve through (N, 2) points."""
    p = torch.cat([2 * points[:1] - points[1:2], points, 2 * points[-1:] - points[-2:-1]])
    t = (torch.arange(8) / 8)[:, None]
    curve = []
    for a, b, c, d in zip(p, p[1:], p[2:], p[3:]):  # noqa: B905 (neighbors)
        curve.append(
            b + 0.5 * ((c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3)
        )
    return torch.cat([*curve, points[-1:]])


def _figure(curve: Tensor, bottom: float) -> Tensor:
    """Close an outline below the picture."""
    below = torch.tensor([[float(curve[i, 0]), bottom + 100] for i in (-1, 0)])
    return torch.cat([curve, below])


def read_blends(path: Path) -> list[Blend]:
    """Read blends from a JSON file; its keys are the attributes of Blend and Source."""
    blends = []
    for entry in json.loads(path.read_text()):
        sources = tuple(Source(**source) for source in entry.pop("sources"))
        blends.append(Blend(sources=sources, **entry))
    return blends


def lip_gap(landmarks: Tensor) -> float:
    """Distance of the inner lips divided by that of the eyes."""
    flat = landmarks[:, :2]
    eyes = [flat[list(corners)].mean(0) for corners in EYES]
    return float((flat[INNER_LIPS[1], 1] - flat[INNER_LIPS[0], 1]) / (eyes[0] - eyes[1]).norm())


def main() -> None:
    """Write the pictures and the folder."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--faces", type=Path, required=True, metavar="FOLDER", help="portraits to blend")
    parser.add_argument("--out", type=Path, default=ASSETS, metavar="FOLDER", help="default: assets")
    options = parser.parse_args()
    stills = {still.path.name: still for still in find_stills(options.faces, "test")}
    folder = options.out / "faces"
    (folder / IMAGES).mkdir(parents=True, exist_ok=True)
    index: list[dict[str, Any]] = []
    points: list[Any] = []
    for blend in read_blends(ASSETS / "faces" / "blends.json"):
        picture, landmarks = blend_faces(blend, stills)
        image = Image.fromarray((picture * 255).round().byte().permute(1, 2, 0).numpy())
        if not points:
            image.save(options.out / "photo.jpg", quality=QUALITY, optimize=True)
        half = image.resize((SIZE[0] // 2, SIZE[1] // 2), Image.Resampling.LANCZOS)
        half.save(folder / IMAGES / blend.file, quality=QUALITY, optimize=True)
        index.append({"file": blend.file, "lip_gap": round(lip_gap(landmarks), 4), "shows": blend.shows})
        points.append((landmarks / 2).half().numpy())
        print(f"{blend.file}: {blend.shows}, {len(blend.sources)} portraits")
    (folder / INDEX).write_text(json.dumps(index, indent=1) + "\n")
    np.save(folder / LANDMARKS, np.stack(points))


if __name__ == "__main__":
    main()
