"""Short videos of a talking photograph, in whole pictures, and settings that prepare them fast."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

FRAME = (160, 224)  # height and width of a video
SIDE = 128  # of the talk inside it


@dataclass(frozen=True)
class Talk:
    """A talk, (F, 128, 128, 3) uint8, and its sound."""

    frames: Tensor
    waveform: Tensor


def draw_talk(photographs: Path) -> Talk:
    """61 frames."""
    from read_core.corpus.photo.scene import PhotoScene

    drawn = PhotoScene(0, "validation", 61 / 25, SIDE, photographs, "babble").draw()
    return Talk(drawn["frames"], drawn["waveform"].float() / 32767)


def placed(frames: Tensor, left: int = 40, tone: float = 0.35) -> Tensor:
    """Frames (F, 128, 128, 3) uint8 in larger pictures of one tone: (F, 160, 224, 3), 0..1."""
    pictures = torch.full((len(frames), *FRAME, 3), tone)
    pictures[:, 16 : 16 + SIDE, left : left + SIDE] = frames.float() / 255
    return pictures


def write_video(path: Path, frames: Tensor, waveform: Tensor | None, fps: int = 25) -> Path:
    """An mp4 with sound, if any."""
    from read_core.media import VideoWriter, waveform_track

    path.parent.mkdir(parents=True, exist_ok=True)
    track = None if waveform is None else waveform_track(waveform, 16_000)
    with VideoWriter(path, (frames.shape[1], frames.shape[2]), track, crf=20, fps=fps) as video:
        video.write(frames)
    return path


def write_videos(folder: Path, talk: Talk) -> Path:
    """Two people, one of them in two videos, named as HDTF names them: four items of 1 to 1.5 s."""
    frames, sound = talk.frames, talk.waveform
    write_video(folder / "WRA_Ada_000.mp4", placed(frames), sound)
    write_video(folder / "WRA_Ada_001.mp4", placed(frames[20:57], 60), sound[20 * 640 :])
    write_video(folder / "WDA_Bob_000.mp4", placed(frames[10:47].flip(2), 30, 0.6), sound[6400:])
    return folder


def with_splits(footage: Path, folder: Path, held_out: int) -> tuple[Path, dict[str, list[str]]]:
    """A copy of footage in which only one item is held out; and the names of the items of each split."""
    shutil.copytree(footage, folder)
    content = json.loads((folder / "manifest.json").read_text())
    names: dict[str, list[str]] = {"train": [], "validation": []}
    for number, item in enumerate(content["items"]):
        item["split"] = "validation" if number == held_out else "train"
        names[item["split"]].append(item["file"].removeprefix("sources/").removesuffix(".safetensors"))
    (folder / "manifest.json").write_text(json.dumps(content))
    return folder, names


def fast_settings(checkpoint: Path):
    """Crops of 64 pixels, items of 1 to 1.5 s, spans of two latents."""
    from read_core.footage.settings import Settings

    return Settings(
        checkpoint / "vae",
        checkpoint / "whisper",
        size=64,
        layout="hdtf",
        seconds=(1.0, 1.5),
        span=2,
        context=1,
        voice="loudness",
        license="test footage",
        device="cpu",
    )
