"""A contact sheet: frames spread over a video, with mouth opening and loudness below."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from torch import Tensor

from ..errors import OnWarning, ReadError, warn
from ..geometry import FPS
from ..media import check_output, file_track
from ..media.files import written_whole
from ..mouth.measure import mouth_opening

COLUMNS = 8
ROWS = 3
THUMBNAIL = 128
GAP = 4
LABEL = 14
PLOT_HEIGHT = 90
PAPER, INK = (250, 250, 248), (40, 40, 40)
_FAINT = (205, 205, 200)
_MOUTH, _SOUND = (190, 50, 40), (150, 185, 215)

Track = NDArray[np.float32]


class ContactSheet:
    """Collects thumbnails and the mouth's opening while a video is generated; keeps no whole clip.

    Args:
        num_frames: length of the video.
        on_warning: called if there can be no mouth track, and with warnings about the recording.
    """

    def __init__(self, num_frames: int, on_warning: OnWarning = warn) -> None:
        self.on_warning = on_warning
        count = min(COLUMNS * ROWS, num_frames)
        self.num_frames = num_frames
        self.wanted = np.linspace(0, num_frames - 1, count).round().astype(int).tolist()
        self.thumbnails: list[tuple[int, Image.Image]] = []
        self.opening: list[Track] | None = []
        self.seen = 0

    def add(self, frames: Tensor) -> None:
        """Process the next frames, (F, H, W, 3), 0..1."""
        self._measure(frames)
        for index in self.wanted:
            if self.seen <= index < self.seen + len(frames):
                pixels = frames[index - self.seen].float().clamp(0, 1).mul(255).round().byte().cpu().numpy()
                image = Image.fromarray(pixels)
                image.thumbnail((THUMBNAIL, THUMBNAIL), Image.Resampling.LANCZOS)
                self.thumbnails.append((index, image))
        self.seen += len(frames)

    def save(
        self,
        path: str | os.PathLike[str],
        speech: str | os.PathLike[str],
        overwrite: bool = False,
        track: int | None = None,
    ) -> Path:
        """Draw the sheet.

        Args:
            path: ``*.png``.
            speech: the recording; its loudness is drawn behind the mouth track.
            overwrite: replace an existing file.
            track: number of its audio track, see ``file_track``.

        Raises:
            MediaError: the file exists or cannot be written, or ``speech`` cannot be read.
        """
        path = check_output(path, ".png", overwrite)
        image = self._drawn(loudness(speech, self.num_frames, track, self.on_warning))
        with written_whole(path) as temporary:
            image.save(temporary, format="PNG")
        return path

    def _measure(self, frames: Tensor) -> None:
        """Append the mouth's opening in these frames; drop the track if no mouth can be found."""
        if self.opening is None:
            return
        try:
            self.opening.append(mouth_opening(frames).numpy())
        except ReadError as error:
            self.on_warning(f"the contact sheet has no mouth track: {error}")
            self.opening = None

    def _drawn(self, sound: Track) -> Image.Image:
        cell_width = max((thumbnail.width for _, thumbnail in self.thumbnails), default=THUMBNAIL)
        cell_height = max((thumbnail.height for _, thumbnail in self.thumbnails), default=THUMBNAIL) + LABEL
        width = COLUMNS * (cell_width + GAP) + GAP
        rows = -(-len(self.thumbnails) // COLUMNS)
        plot_top = rows * (cell_height + GAP) + GAP + LABEL
        sheet = Image.new("RGB", (width, plot_top + PLOT_HEIGHT + LABEL + 2 * GAP), PAPER)
        draw = ImageDraw.Draw(sheet)
        for place, (index, thumbnail) in enumerate(self.thumbnails):
            left = GAP + place % COLUMNS * (cell_width + GAP)
            top = GAP + place // COLUMNS * (cell_height + GAP)
            sheet.paste(thumbnail, (left, top))
            draw.text((left + 2, top + thumbnail.height), f"{index / FPS:.2f} s", fill=INK)
        opening = np.concatenate(self.opening) if self.opening else None
        plot_tracks(draw, (GAP, plot_top, width - GAP, plot_top + PLOT_HEIGHT), opening, sound)
        return sheet


def plot_tracks(
    draw: ImageDraw.ImageDraw, box: tuple[int, int, int, int], opening: Track | None, sound: Track
) -> None:
    """Plot the mouth track over the loudness, (F,) each; a column shows the maximum of its frames."""
    left, top, right, bottom = box
    columns = right - left
    draw.text((left + 100, top - LABEL), "loudness", fill=_SOUND)
    for x, level in enumerate(_columns(sound, columns, least=0.0)):
        draw.line((left + x, bottom, left + x, bottom - level * (bottom - top)), fill=_SOUND)
    if opening is not None:
        draw.text((left, top - LABEL), "mouth opening", fill=_MOUTH)
        levels = enumerate(_columns(opening, columns))
        draw.line([(left + x, bottom - level * (bottom - top)) for x, level in levels], fill=_MOUTH, width=2)
    draw.rectangle(box, outline=_FAINT)
    draw.text((left, bottom + 2), "0 s", fill=INK)
    draw.text((right - 50, bottom + 2), f"{len(sound) / FPS:.2f} s", fill=INK)


def loudness(
    speech: str | os.PathLike[str], num_frames: int, number: int | None = None, on_warning: OnWarning = warn
) -> Track:
    """Root mean square of a recording per video frame, (num_frames,), decoded piece by piece."""
    track = file_track(speech, number, on_warning)
    power = np.zeros(num_frames, np.float64)
    start = 0
    for chunk in track.chunks():
        frame = (np.arange(start, start + chunk.shape[1]) * FPS // track.sample_rate).clip(0, num_frames - 1)
        power += np.bincount(frame, weights=np.square(chunk).mean(axis=0), minlength=num_frames)
        start += chunk.shape[1]
    return np.sqrt(power * FPS / track.sample_rate).astype(np.float32)


def _columns(track: Track, count: int, least: float | None = None) -> Track:
    """A track as ``count`` columns, scaled so that ``least`` (None: the minimum) to the maximum is 0..1."""
    edges = np.linspace(0, len(track), count + 1).astype(int)
    spans = zip(edges[:-1], np.maximum(edges[1:], edges[:-1] + 1), strict=True)
    columns = np.array([track[a:b].max() for a, b in spans], np.float32)
    least = float(columns.min()) if least is None else least
    scaled: Track = (columns - least) / ((float(columns.max()) - least) or 1.0)
    return scaled
