"""Make the workflows' cards and the pictures of ``docs/nodes.md`` by running them in ComfyUI's page.

    python scripts/make_pictures.py --host http://127.0.0.1:8188

Run it after a change of the nodes, the workflows or the bundled checkpoint. It needs a ComfyUI with this pack
as ``custom_nodes/ComfyUI-READ`` (the pictures show that name), started with ``--cache-none`` (cached nodes
show nothing). It also needs playwright and a Chromium, and takes some minutes.

workflows/NAME.jpg              the card: frames of the video that the workflow made, or words
docs/images/workflows/NAME.png  the page after the run
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import av
import numpy as np
from comfy_page import ComfyPage, chromium
from PIL import Image, ImageDraw, ImageFont

from read_core.media import read_audio
from read_core.mouth.measure import mouth_opening

ROOT = Path(__file__).resolve().parents[1]
WORKFLOWS, PAGES, ASSETS = ROOT / "workflows", ROOT / "docs" / "images" / "workflows", ROOT / "assets"
SIDE = 512  # pixels of a card
WINDOW = (2240, 1260)
QUALITY = 88
PLOT = 222  # pixels of READ Check's plot above its numbers
PAPER, INK = (250, 248, 244), (90, 150, 190)
NOT_RUN = "READ_text_and_lora"
INPUTS = ("READ_ExampleInputs", "READ_EncodeReference")  # they show inputs
Frames = np.ndarray[Any, np.dtype[np.uint8]]


def talking_head(video: Path, _: Path | None) -> Image.Image:
    """Card: four frames, the mouth from shut to open."""
    frames = read_frames(video)
    return tiled([frames[index] for index in by_opening(frames, 4)], 2, SIDE // 2)


def long_audio(video: Path, _: Path | None) -> Image.Image:
    """Card: twelve frames in order over the sound."""
    frames = read_frames(video)
    card = Image.new("RGB", (SIDE, SIDE), PAPER)
    card.paste(tiled(frames[np.linspace(0, len(frames) - 1, 12).astype(int)], 4, SIDE // 4))
    level = np.abs(read_audio(ASSETS / "speech.flac").numpy())
    bars = np.array([part.max() for part in np.array_split(level, SIDE // 4)])
    draw = ImageDraw.Draw(card)
    for index, bar in enumerate(bars / bars.max()):
        x, middle = 4 * index, SIDE - SIDE // 8
        draw.rectangle((x, middle - 1 - 52 * bar, x + 2, middle + 1 + 52 * bar), fill=INK)
    return card


def compare(video: Path, _: Path | None) -> Image.Image:
    """Card: two moments with both guidances."""
    frames = read_frames(video)
    height = frames.shape[1]
    left, right = frames[:, :, :height], frames[:, :, -height:]
    return two_moments(left, right, by_opening(left, 4)[1:4:2], ("Split-CFG", "Joint-CFG"))


def check(video: Path, plot: Path | None) -> Image.Image:
    """Card: eight frames over the plot."""
    frames = read_frames(video)
    card = Image.new("RGB", (SIDE, SIDE), PAPER)
    card.paste(tiled(frames[np.linspace(0, len(frames) - 1, 8).astype(int)], 4, SIDE // 4))
    if plot is not None:
        curves = Image.open(plot).convert("RGB")
        curves = curves.crop((0, 0, curves.width, PLOT))
        card.paste(curves.resize((SIDE, SIDE // 2 - 20), Image.Resampling.LANCZOS), (0, SIDE // 2 + 10))
    return card


def photo_compare(video: Path, _: Path | None) -> Image.Image:
    """Card: two moments of the face with and without the portrait's detail."""
    frames = read_frames(video)
    width = (frames.shape[2] - 8) // 2
    left, right = frames[:, :, :width], frames[:, :, -width:]
    moments = np.linspace(0, len(frames) - 1, 4).astype(int)[1:3]
    return two_moments(left, right, moments, ("with detail", "without"))


def two_moments(left: Frames, right: Frames, moments: Iterable[int], names: tuple[str, str]) -> Image.Image:
    """Two moments of two videos next to each other, with the videos' names."""
    card = tiled([side[index] for index in moments for side in (left, right)], 2, SIDE // 2)
    draw = ImageDraw.Draw(card)
    for x, text in zip((0, SIDE // 2), names, strict=True):  # below: pages put a badge at the top
        draw.rectangle((x, SIDE - 30, x + 118, SIDE), fill=(0, 0, 0))
        draw.text((x + 10, SIDE - 26), text, fill=(255, 255, 255), font=ImageFont.load_default(20))
    return card


def squared(frame: np.ndarray[Any, np.dtype[np.uint8]]) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """The middle square of a picture."""
    side = min(frame.shape[:2])
    top, left = (frame.shape[0] - side) // 2, (frame.shape[1] - side) // 2
    return frame[top : top + side, left : left + side]


def title_card() -> Image.Image:
    """Card of the workflow for a full-size checkpoint: a text."""
    card = Image.new("RGB", (SIDE, SIDE), PAPER)
    draw = ImageDraw.Draw(card)
    for top, text, size in ((110, "“A person speaks\nto the camera”", 40), (290, "your LoRA", 40)):
        draw.rounded_rectangle((56, top, SIDE - 56, top + 120), 20, fill=INK)
        draw.text(
            (SIDE // 2, top + 60),
            text,
            fill=PAPER,
            font=ImageFont.load_default(size),
            anchor="mm",
            align="center",
        )
    for y, text, size in ((260, "+", 48), (458, "with a full-size checkpoint", 26)):
        draw.text((SIDE // 2, y), text, fill=INK, font=ImageFont.load_default(size), anchor="mm")
    return card


CARDS: dict[str, Callable[[Path, Path | None], Image.Image]] = {
    "READ_talking_head": talking_head,
    "READ_long_audio": long_audio,
    "READ_compare_guidance": compare,
    "READ_check": check,
    "READ_photo_compare": photo_compare,
}


def read_frames(path: Path) -> Frames:
    """A video as (F, H, W, 3)."""
    with av.open(str(path)) as file:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in file.decode(video=0)])


def by_opening(frames: Frames, count: int) -> list[int]:
    """Frames with increasing mouth opening, from shut."""
    import torch

    order = mouth_opening(torch.from_numpy(frames).float() / 255).argsort()
    return [int(order[index]) for index in np.linspace(0, len(order) - 1, count).astype(int)]


def tiled(frames: Any, columns: int, side: int) -> Image.Image:
    """The middle squares of frames in rows, each ``side`` pixels wide and high."""
    rows = -(-len(frames) // columns)
    sheet = Image.new("RGB", (columns * side, rows * side))
    for index, frame in enumerate(frames):
        tile = Image.fromarray(squared(frame)).resize((side, side), Image.Resampling.LANCZOS)
        sheet.paste(tile, (side * (index % columns), side * (index // columns)))
    return sheet


def made(page: ComfyPage, folder: Path) -> dict[str, Path]:
    """Output of the last run, by file suffix, without the portraits that the page shows."""
    found, nodes = {}, page.prompt()
    for number, output in page.outputs().items():
        if nodes.get(number, {}).get("class_type") not in INPUTS:
            for item in output.get("images", []):
                target = folder / item["filename"]
                found[target.suffix] = page.fetch(item, target)
    return found


def make(page: ComfyPage, name: str, folder: Path) -> None:
    """Make both pictures of a workflow."""
    page.open(json.loads((WORKFLOWS / f"{name}.json").read_text(encoding="utf-8")), name)
    if name != NOT_RUN:
        ending, detail = page.run()
        if ending != "execution_success":
            raise SystemExit(f"error: {name}: {detail.get('exception_message', ending)}")
    page.fit()
    shown = folder / f"{name}.png"
    page.picture(shown)
    with Image.open(shown) as image:
        image.convert("RGB").save(PAGES / f"{name}.png", optimize=True)
    if name == NOT_RUN:
        card = title_card()
    else:
        files = made(page, folder)
        card = CARDS[name](files[".mp4"], files.get(".png"))
    card.save(WORKFLOWS / f"{name}.jpg", quality=QUALITY, optimize=True)


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--host", default="http://127.0.0.1:8188", help="address of ComfyUI")
    parser.add_argument("names", nargs="*", help="workflows, for example READ_check (default: all)")
    args = parser.parse_args()
    PAGES.mkdir(parents=True, exist_ok=True)
    names = args.names or sorted(path.stem for path in WORKFLOWS.glob("*.json"))
    with chromium() as browser, tempfile.TemporaryDirectory() as folder:
        page = ComfyPage(browser, args.host.rstrip("/"), size=WINDOW)
        for name in names:
            make(page, name, Path(folder))
            sys.stderr.write(f"{name}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
