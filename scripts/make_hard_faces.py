"""Make docs/images/hard-faces.jpg: difficult pictures, crops, a frame in which each speaks, and what is said.

    python scripts/make_hard_faces.py --hopper grace_hopper.jpg --astronaut astronaut.png --cat chelsea.png

The photographs are in the public domain or CC0. matplotlib ships the first one (mpl-data/sample_data),
scikit-image the others and the optional --profile (data/camera.png). assets/photo.jpg shows nobody; the other
faces are drawn. The same pictures give the same sheet.
"""

from __future__ import annotations

import argparse
import textwrap
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont

from read_core.bundled import BUNDLED
from read_core.corpus.drawing.presenter import sample_presenter
from read_core.corpus.drawing.render import render
from read_core.corpus.motion import neutral_motion
from read_core.face.command import drawn
from read_core.face.finder import Faces, find_faces
from read_core.face.measure import PUBLIC, as_image
from read_core.finish import Finishing
from read_core.geometry import SAMPLE_RATE
from read_core.media import read_audio
from read_core.pipeline import ReadPipeline
from read_core.records import SpeechCodes

ROOT = Path(__file__).resolve().parents[1]
SPEECH = ROOT / "assets" / "speech.flac"
OUT = ROOT / "docs" / "images" / "hard-faces.jpg"
PHOTO = ROOT / "assets" / "photo.jpg"
COLUMNS, CELL, SHOWN, CROP, LINES = 3, 448, 176, 128, 4  # pixels, but for the columns and lines
MOMENT = 19  # frame of assets/speech.flac in which the mouth is wide open
PAPER, INK, SAID = (250, 248, 244), (40, 44, 52), (170, 60, 30)
QUALITY = 72
Point = tuple[float, float]


def cases(
    hopper: Image.Image, astronaut: Image.Image, cat: Image.Image, profile: Image.Image | None
) -> Iterator[tuple[str, Image.Image]]:
    """Name and picture of each case."""
    photo = Image.open(PHOTO).convert("RGB")
    seen = PUBLIC["astronaut.png"], PUBLIC["grace_hopper.jpg"]
    yield "nothing wrong: glasses", hopper
    yield "no face", astronaut.crop((150, 230, 512, 512))
    yield "an animal", cat
    yield "several: the largest speaks", _row(astronaut, hopper.resize((256, 300)), _presenter(3, 0.0, 260))
    if profile is not None:
        yield "a profile", profile
    yield "turned away (squeezed to 40 %)", photo.resize((round(0.4 * photo.width), photo.height))
    yield "cut by the border: half", hopper.crop((265, 60, 512, 400))
    yield "cut by the border: the mouth", astronaut.crop((60, 0, 400, 128))
    yield "20 pixels small", _distant_face(astronaut.crop((150, 30, 300, 200)), photo)
    yield "upside down", astronaut.rotate(180)
    yield "on its side", photo.rotate(90, expand=True)
    yield "sunglasses", _sunglasses(astronaut, seen[0], 17)
    yield "sunglasses", _sunglasses(hopper, seen[1], 33)
    yield "a hand before the mouth", _hand(astronaut, seen[0], 46, (214, 170, 145))
    yield "an open mouth", _presenter(8, 1.0, 400)
    yield "gray and dark", astronaut.convert("L").point(lambda value: value * 0.3).convert("RGB")


def sheet(pairs: Iterator[tuple[str, Image.Image]], pipe: ReadPipeline) -> Image.Image:
    """One cell per case: the picture with what was found, the crop, a frame of its video, and the warning."""
    speech = pipe.encode_speech(read_audio(SPEECH)[: 2 * SAMPLE_RATE], SAMPLE_RATE)
    cells = [_cell(name, picture, pipe, speech) for name, picture in pairs]
    rows = -(-len(cells) // COLUMNS)
    height = cells[0].height
    whole = Image.new("RGB", (COLUMNS * CELL, rows * height), PAPER)
    for index, cell in enumerate(cells):
        whole.paste(cell, (index % COLUMNS * CELL, index // COLUMNS * height))
    return whole


def _cell(name: str, picture: Image.Image, pipe: ReadPipeline, speech: SpeechCodes) -> Image.Image:
    image = as_image(picture)
    warnings: list[str] = []
    faces: list[Faces] = []

    def find(image: torch.Tensor) -> Faces:
        faces.append(find_faces(image))
        return faces[0]

    reference = pipe.encode_reference(image, find=find, on_warning=warnings.append)
    frames = pipe.decode(pipe.sample(speech, reference), MOMENT + 1)
    speaking = list(pipe.finish(reference, None, Finishing(paste_back=False, size=CROP))(frames))[-1][-1]
    cell = Image.new("RGB", (CELL, 30 + SHOWN + 16 * LINES), PAPER)
    shown = drawn(image, faces[0])
    shown.thumbnail((SHOWN, SHOWN))
    cell.paste(shown, (4 + (SHOWN - shown.width) // 2, 24))
    for place, frame in ((SHOWN + 8, reference.image), (SHOWN + CROP + 16, speaking)):
        cell.paste(Image.fromarray((frame * 255).round().byte().numpy()), (place, 24))
    draw, font = ImageDraw.Draw(cell), ImageFont.load_default(12)
    draw.text((6, 4), name, fill=INK, font=ImageFont.load_default(14))
    for line, text in enumerate(textwrap.wrap(" ".join(warnings) or "no warning", 78)[:LINES]):
        draw.text((6, 28 + SHOWN + 15 * line), text, fill=SAID if warnings else INK, font=font)
    return cell


def _row(*pictures: Image.Image) -> Image.Image:
    """Pictures side by side."""
    row = Image.new("RGB", (sum(p.width for p in pictures), max(p.height for p in pictures)), (120, 130, 140))
    left = 0
    for picture in pictures:
        row.paste(picture, (left, row.height - picture.height))
        left += picture.width
    return row


def _presenter(face: int, opening: float, side: int) -> Image.Image:
    mouth = torch.tensor([[opening, 0.2 * opening, 0.0]])
    frame = render(sample_presenter(face, "test"), neutral_motion(1), mouth, side)[0]
    return Image.fromarray((frame.numpy() * 255).round().astype(np.uint8))


def _distant_face(face: Image.Image, photo: Image.Image) -> Image.Image:
    """A face about 20 pixels high before the photograph's backdrop."""
    wall = photo.crop((0, 0, photo.width, 80)).resize((480, 360))
    wall.paste(face.resize((32, 36), Image.Resampling.LANCZOS), (300, 200))
    return wall


def _sunglasses(picture: Image.Image, points: tuple[Point, ...], reach: float) -> Image.Image:
    covered = picture.copy()
    draw = ImageDraw.Draw(covered)
    for x, y in points[:2]:
        draw.ellipse((x - reach, y - 0.75 * reach, x + reach, y + 0.75 * reach), fill=(15, 15, 18))
    draw.line([points[0], points[1]], fill=(15, 15, 18), width=4)
    return covered


def _hand(
    picture: Image.Image, points: tuple[Point, ...], unit: float, skin: tuple[int, int, int]
) -> Image.Image:
    covered = picture.copy()
    draw = ImageDraw.Draw(covered)
    x, y = points[2]
    for finger in range(4):
        top = y - 0.32 * unit + 0.22 * finger * unit
        shade = tuple(round(value * (0.9 + 0.03 * finger)) for value in skin)
        draw.rounded_rectangle(
            (x - 0.75 * unit, top, x + 0.6 * unit, top + 0.2 * unit), 0.1 * unit, fill=shade
        )
    draw.ellipse((x + 0.1 * unit, y - 0.4 * unit, x + 1.1 * unit, y + 0.7 * unit), fill=skin)
    return covered


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    for name in ("hopper", "astronaut", "cat"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--profile", type=Path)
    parser.add_argument("--out", type=Path, default=OUT)
    args = parser.parse_args()
    hopper, astronaut, cat = (
        Image.open(path).convert("RGB") for path in (args.hopper, args.astronaut, args.cat)
    )
    profile = Image.open(args.profile).convert("RGB") if args.profile else None
    pipe = ReadPipeline.from_pretrained(BUNDLED, "cpu")
    sheet(cases(hopper, astronaut, cat, profile), pipe).save(args.out, quality=QUALITY)
    print(f"{args.out}: written, {args.out.stat().st_size // 1000} kB")
