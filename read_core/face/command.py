"""``read-core face``: find the faces in a picture, print them and draw them."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL import Image
    from torch import Tensor

    from .finder import Faces

_BOX, _EYE, _OTHER, _MOUTH = (60, 220, 90), (255, 60, 60), (70, 120, 255), (255, 210, 0)


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``read-core face``."""
    parser.add_argument("image", type=Path, help="a photograph or a drawing; of a video, its first frame")
    parser.add_argument("--out", type=Path, metavar="PICTURE.png", help="draw what was found on the picture")
    parser.add_argument("--overwrite", action="store_true", help="replace an existing file")


def run(args: argparse.Namespace) -> int:
    """Print box, points and score of every face, the largest first."""
    from ..media import check_output, read_image
    from ..terminal import print_warning
    from .finder import find_faces

    out = args.out and check_output(args.out, ".png", args.overwrite, [args.image])
    image = read_image(args.image, print_warning)
    faces = find_faces(image)
    height, width = image.shape[:2]
    print(f"{args.image}: {width} x {height} pixels, {len(faces)} face{'' if len(faces) == 1 else 's'} found")
    if len(faces):
        names = ("face", "score", "box: left, top, right, bottom", "left eye", "right eye", "mouth")
        print("{:<6}{:<7}{:<33}{:<17}{:<17}{}".format(*names))
    for index, (box, points, score) in enumerate(zip(faces.boxes, faces.points, faces.scores, strict=True)):
        edges = ", ".join(f"{edge:.1f}" for edge in box.tolist())
        places = [f"{x:.1f}, {y:.1f}" for x, y in points.tolist()]
        print(f"{index:<6}{score:<7.2f}{edges:<33}{places[0]:<17}{places[1]:<17}{places[2]}")
    if out:
        save(drawn(image, faces), out)
        print(f"{out}: written")
    return 0


def drawn(image: Tensor, faces: Faces) -> Image.Image:
    """Draw boxes, scores and points on a picture (H, W, 3), 0..1: left eye red, other blue, mouth yellow."""
    from PIL import Image, ImageDraw

    picture = Image.fromarray((image * 255).round().byte().numpy())
    draw = ImageDraw.Draw(picture)
    line = max(1, round(max(picture.size) / 400))
    found = (faces.boxes.tolist(), faces.points.tolist(), faces.scores.tolist())
    for box, points, score in zip(*found, strict=True):
        draw.rectangle(box, outline=_BOX, width=line)
        draw.text((box[0] + 2 * line, box[1] + line), f"{score:.2f}", fill=_BOX, font_size=10 + 4 * line)
        for (x, y), color in zip(points, (_EYE, _OTHER, _MOUTH), strict=True):
            draw.ellipse((x - 2 * line, y - 2 * line, x + 2 * line, y + 2 * line), fill=color)
    return picture


def save(picture: Image.Image, out: Path) -> None:
    """Write a PNG atomically.

    Raises:
        MediaError: the file cannot be written.
    """
    from ..media.files import written_whole

    with written_whole(out) as temporary:
        picture.save(temporary, format="PNG")
