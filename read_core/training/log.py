"""The log of a run: ``log.jsonl``, its progress bar and TensorBoard's files."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np
from PIL import Image
from torch import Tensor
from tqdm import tqdm

from ..geometry import FPS
from ..media.frames import FrameReader
from .config import ConfigError

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

_GIF_HEIGHT = 256


class Log:
    """Continues the log in ``output`` after step ``first`` of ``steps``.

    Args:
        tensorboard: whether scalars, contact sheets and their videos also go to ``output/tensorboard``.

    Raises:
        ConfigError: tensorboard is not installed.
    """

    def __init__(self, output: Path, first: int, steps: int, tensorboard: bool = False) -> None:
        self.board = _board(output / "tensorboard", first) if tensorboard else None
        self.file = _open_log(output / "log.jsonl", first)
        self.bar = tqdm(total=steps, initial=first, desc=output.name)
        self.started = time.monotonic()

    def step(self, step: int, values: Mapping[str, Tensor] | None) -> None:
        """Note that a step is done; write its row of scalars, which are read from the device only here."""
        self.bar.update()
        if values is None:
            return
        row = {"step": step, **{name: value.item() for name, value in values.items()}}
        row["seconds"] = round(time.monotonic() - self.started, 1)
        self.file.write(json.dumps(row) + "\n")
        self.file.flush()
        if self.board is not None:
            for name in values:
                self.board.add_scalar(name, row[name], step)
        shown = {k: f"{v:.4g}" for k, v in row.items() if k not in ("step", "seconds", "norm")}
        self.bar.set_postfix(shown)

    def sheet(self, step: int, path: Path) -> None:
        """Show TensorBoard a contact sheet, and the MP4 of the same name, if there is one.

        TensorBoard shows videos as animated GIFs. ``SummaryWriter.add_video`` makes the same, but by moviepy.
        """
        if self.board is None:
            return
        with Image.open(path) as picture:
            self.board.add_image("sheet", np.asarray(picture.convert("RGB")), step, dataformats="HWC")
        if (video := path.with_suffix(".mp4")).is_file():
            from tensorboard.compat.proto.summary_pb2 import Summary

            gif, (height, width) = _as_gif(video)
            image = Summary.Image(height=height, width=width, colorspace=3, encoded_image_string=gif)
            writer: Any = self.board.file_writer
            writer.add_summary(Summary(value=[Summary.Value(tag="video", image=image)]), step)

    def close(self) -> None:
        """Close the files and the bar."""
        if self.board is not None:
            self.board.close()
        self.bar.close()
        self.file.close()


def _board(folder: Path, first: int) -> SummaryWriter:
    """A writer after step ``first``: readers drop what an earlier run wrote of later steps."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise ConfigError(
            "loop.tensorboard needs the package tensorboard: pip install -e '.[train]' (or pip "
            "install tensorboard)"
        ) from error
    return SummaryWriter(folder, purge_step=first + 1)


def _as_gif(video: Path) -> tuple[bytes, tuple[int, int]]:
    """A video as a GIF with half of its frames, at most ``_GIF_HEIGHT`` high; and its height and width."""
    frames = [Image.fromarray(frame.pixels()) for frame in FrameReader(video).read() if frame.index % 2 == 0]
    height = min(_GIF_HEIGHT, frames[0].height)
    size = (round(frames[0].width * height / frames[0].height), height)
    small = [frame.resize(size, Image.Resampling.LANCZOS) for frame in frames]
    made = io.BytesIO()
    small[0].save(
        made, "GIF", save_all=True, append_images=small[1:], duration=2 * 1000 // FPS, loop=0, optimize=False
    )
    return made.getvalue(), (size[1], size[0])


def _open_log(path: Path, step: int) -> IO[str]:
    """Open the log to continue after ``step``: remove rows of later steps and broken rows."""
    rows = path.read_text().splitlines() if path.exists() else []
    kept = [row for row in rows if row.endswith("}") and json.loads(row)["step"] <= step]
    if kept != rows:
        temporary = path.with_suffix(".tmp")
        temporary.write_text("".join(f"{row}\n" for row in kept))
        temporary.replace(path)
    return path.open("a")
