"""Make the README's pictures, docs/images/demo.webp and demo.png, from the output of ``make demo``."""

from __future__ import annotations

import shutil
from pathlib import Path

import av
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
VIDEO, SHEET = ROOT / "output" / "demo.mp4", ROOT / "output" / "demo.png"
IMAGES = ROOT / "docs" / "images"
SIDE = 256
SECONDS = 6
EVERY = 2  # frames: 12.5 per second
QUALITY = 80


def main() -> None:
    """Write both pictures."""
    with av.open(str(VIDEO)) as file:
        shown = [frame.to_image() for frame in file.decode(video=0)][: 25 * SECONDS : EVERY]
    first, *rest = [image.resize((SIDE, SIDE), Image.Resampling.LANCZOS) for image in shown]
    first.save(
        IMAGES / "demo.webp",
        save_all=True,
        append_images=rest,
        duration=40 * EVERY,
        loop=0,
        quality=QUALITY,
        method=6,
    )
    shutil.copyfile(SHEET, IMAGES / "demo.png")


if __name__ == "__main__":
    main()
