"""Make the README's pictures from the output of ``make demo``: two short loops and a sheet of frames.

docs/images/demo.webp        the photograph speaks
docs/images/demo-drawn.webp  the drawn presenter speaks
docs/images/demo.png         frames of the first, with the measured mouth
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

import av
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
MADE, IMAGES = ROOT / "output", ROOT / "docs" / "images"
LOOPS = {"demo-photo.mp4": "demo.webp", "demo.mp4": "demo-drawn.webp"}
HEIGHT = 360
SECONDS = 6
EVERY = 2  # frames: 12.5 per second
QUALITY = 80


def make_loop(video: Path, picture: Path) -> None:
    """Write the first seconds of a video as an animated picture."""
    with av.open(str(video)) as file:
        shown = [frame.to_image() for frame in file.decode(video=0)][: 25 * SECONDS : EVERY]
    size = round(shown[0].width * HEIGHT / shown[0].height), HEIGHT
    first, *rest = [image.resize(size, Image.Resampling.LANCZOS) for image in shown]
    first.save(
        picture, save_all=True, append_images=rest, duration=40 * EVERY, loop=0, quality=QUALITY, method=6
    )


def main() -> None:
    """Write all pictures."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    for video, picture in LOOPS.items():
        make_loop(MADE / video, IMAGES / picture)
    shutil.copyfile(MADE / "demo-photo.png", IMAGES / "demo.png")


if __name__ == "__main__":
    main()
