"""Read mouth and eyelids in a folder of videos and compare them with known tracks.

    python scripts/read_faces.py FOLDER [--tracks FOLDER] [--save FOLDER]

The folder has .mp4 files or .safetensors files of a corpus. The track of a video is the file with the same
name in the folder of tracks: .safetensors with "mouth" (F, 3) and optionally "blink" (F,), or .npy with the
opening. Files of a corpus contain their tracks. Without a track only range and blinks are printed.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from read_core.errors import InputError, ReadError
from read_core.evaluation.figures import cells_of, column, columns_of, mean_figures
from read_core.evaluation.metrics.face import FaceTracks, count_blinks, read_face
from read_core.evaluation.metrics.span import opening_span
from read_core.evaluation.metrics.sync import correlation
from read_core.media.files import open_input

VIDEOS = (".mp4", ".safetensors")


@dataclass(frozen=True)
class Figures:
    """One video, or the mean of several; NaN where the track does not tell."""

    frames: float = column("frames")
    opening: float = column("open r")
    width: float = column("width r")
    rounding: float = column("round r")
    span: float = column("range")
    true_span: float = column("true range")
    blinks: float = column("blinks")
    true_blinks: float = column("true blinks")
    lids: float = column("lids r")


def load_frames(path: Path) -> Tensor:
    """(F, H, W, 3) float32, 0..1, of an MP4 or a corpus's file.

    Raises:
        ReadError: it cannot be read.
    """
    if path.suffix == ".safetensors":
        return load_file(path)["frames"].float() / 255
    with open_input(path, "video") as container:
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    return torch.from_numpy(np.stack(frames)).float() / 255


def load_track(path: Path) -> dict[str, Tensor]:
    """``mouth`` (F, 1 or 3) and optionally ``blink`` (F,)."""
    if path.suffix == ".npy":
        return {"mouth": torch.from_numpy(np.load(path)).float().reshape(-1, 1)}
    return {name: track for name, track in load_file(path).items() if name in ("mouth", "blink")}


def find_track(video: Path, folder: Path | None) -> Path | None:
    """The file with the track of a video, if there is one."""
    if folder is None:
        return video if video.suffix == ".safetensors" else None
    return next(
        (p for p in (folder / f"{video.stem}{s}" for s in (".safetensors", ".npy")) if p.is_file()), None
    )


def compare(read: FaceTracks, track: dict[str, Tensor]) -> Figures:
    """Compare a reading with its track; both are cut to the shorter length."""
    nan = float("nan")
    mouth, blink = track.get("mouth"), track.get("blink")
    count = len(read.mouth) if mouth is None else min(len(read.mouth), len(mouth))
    fits = [nan] * 3
    if mouth is not None:
        for i in range(mouth.shape[1]):
            fits[i] = correlation(read.mouth[:count, i], mouth[:count, i])
    return Figures(
        frames=len(read.mouth),
        opening=fits[0],
        width=fits[1],
        rounding=fits[2],
        span=opening_span(read.mouth[:, 0]),
        true_span=nan if mouth is None else opening_span(mouth[:, 0]),
        blinks=read.blinks(),
        true_blinks=nan if blink is None else count_blinks(blink[:count]),
        lids=nan
        if blink is None or not bool(blink.any())
        else correlation(read.blink[:count], blink[:count]),
    )


def read_folder(
    folder: Path, tracks: Path | None = None, save: Path | None = None
) -> dict[str, Figures | None]:
    """Figures by the videos' names; None if no face is found. ``save`` is a folder for the readings.

    Raises:
        InputError: the folder has no videos.
    """
    videos = sorted(path for path in folder.iterdir() if path.suffix in VIDEOS) if folder.is_dir() else []
    if not videos:
        raise InputError(f"{folder} holds no videos; expected {' or '.join(VIDEOS)} files")
    found: dict[str, Figures | None] = {}
    for video in videos:
        read, track = read_face(load_frames(video)), find_track(video, tracks)
        found[video.name] = None if read is None else compare(read, load_track(track) if track else {})
        if save is not None and read is not None:
            save.mkdir(parents=True, exist_ok=True)
            save_file({"mouth": read.mouth, "blink": read.blink}, save / f"{video.stem}.safetensors")
    return found


def main(arguments: list[str] | None = None) -> int:
    """Print a line per video, and their mean."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="of .mp4 or .safetensors videos")
    parser.add_argument("--tracks", type=Path, metavar="FOLDER", help="known tracks, by the videos' names")
    parser.add_argument("--save", type=Path, metavar="FOLDER", help="write what was read, as tracks")
    args = parser.parse_args(arguments)
    try:
        found = read_folder(args.folder, args.tracks, args.save)
    except ReadError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    width = max(len(name) for name in found)
    print(" " * width, *columns_of(Figures), sep="  ")
    rows = [figures for figures in found.values() if figures is not None]
    for name, figures in found.items():
        print(name.ljust(width), "no face" if figures is None else _row(figures), sep="  ")
    if rows:
        print("mean".ljust(width), _row(mean_figures(rows)), sep="  ")
    return 0


def _row(figures: Figures) -> str:
    cells = zip(columns_of(Figures), cells_of(figures), strict=True)
    return "  ".join(f"{value:{len(title)}.2f}" for title, value in cells)


if __name__ == "__main__":
    sys.exit(main())
