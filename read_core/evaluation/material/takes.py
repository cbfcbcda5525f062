"""Takes for the paper's experiments: files cut from drawn or real recordings."""

from __future__ import annotations

import wave
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from PIL import Image
from tqdm import tqdm

from ...errors import MediaError, OnWarning, warn
from ...geometry import FPS, SAMPLE_RATE, SAMPLES_PER_FRAME
from ...media import VideoWriter, waveform_track
from ...records import FaceChoice
from ..metrics.joins import Joins
from ..metrics.seams import whole_clips
from ..tables.report import make_folder
from .talks import FINE, TalkSource
from .video_files import find_real, held_out_split, read_frames, read_sound, video_seconds
from .videos import whole_face

if TYPE_CHECKING:
    from torch import Tensor

    from ...checkpoint import Card
    from .talks import Talk

CRF = 12  # of the real videos; generated ones are written with 17


@dataclass(frozen=True)
class Recording:
    """A person who talks.

    Attributes:
        name: unique.
        frames: F.
        waveform: (640 F,), 16 kHz.
        read: frames [start, stop), (H, W, 3) uint8 each.
        face: where the face is in frame 0, the portrait.
    """

    name: str
    frames: int
    waveform: Tensor
    read: Callable[[int, int], Iterator[Tensor]]
    face: FaceChoice = FaceChoice()


@dataclass(frozen=True)
class Take:
    """What a video is generated from, and the real video that it is compared with.

    Attributes:
        name: unique among the takes of one length.
        recording: name of the recording that it is cut from.
        portrait: the recording's first frame, ``*.png``.
        speech: ``*.wav``.
        video: ``*.mp4``, the real one.
        face: where the face is in the portrait.
    """

    name: str
    recording: str
    portrait: Path
    speech: Path
    video: Path
    face: FaceChoice


def drawn_recordings(
    card: Card,
    count: int,
    frames: int,
    speakers: tuple[str, ...],
    side: int = 0,
    faces: Path | None = None,
) -> Iterator[Recording]:
    """Held-out talks of the corpus, drawn at their turn.

    Args:
        card: of the checkpoint that shall generate them.
        count: drawn presenters, and photographs at most.
        frames: of each.
        speakers: synthesizers that take turns.
        side: shorter side in pixels; 0: 256 for a checkpoint of aligned faces, else the checkpoint's.
        faces: folder of portraits to animate too, see ``corpus.photo.stills``; None: none are.

    Raises:
        InputError: the folder is none of portraits.
        SynthesizerError: a synthesizer is not installed.
    """
    side = side or (min(card.resolution) if card.face is None else FINE)
    source = TalkSource("test", frames, card.resolution, card.face, speakers, side)
    for talk in map(source.draw, source.presenters(count)):
        yield _of_talk(talk, card)
    if faces is not None:
        for talk in map(source.draw, source.photographs(faces, count)):
            yield _of_talk(talk, card)


def real_recordings(
    folder: Path, frames: int, count: int = 0, on_warning: OnWarning = warn
) -> Iterator[Recording]:
    """The videos of a folder, those of enough frames with sound; others are left out with a warning.

    Args:
        folder: of real videos, already framed as the checkpoint frames its portraits. Of footage that
            ``read-core prepare`` has made, only people held out are taken.
        frames: how many each must have.
        count: how many videos at most; 0: all.
        on_warning: is told what is left out.

    Raises:
        MediaError: the folder holds no such video.
    """
    found = 0
    for name, path in find_real(folder).items():
        if count and found == count:
            return
        try:
            length = int(video_seconds(path) * FPS + 0.01)
            if length < frames:
                raise MediaError(f"it has {length} frames; expected {frames} or more")
            sound = torch.from_numpy(read_sound(path)).float() / 32768
        except MediaError as error:
            on_warning(f"{path} is left out: {error}")
            continue
        padded = torch.zeros(max(len(sound), frames * SAMPLES_PER_FRAME))
        padded[: len(sound)] = sound
        found += 1

        def read(start: int, stop: int, path: Path = path) -> Iterator[Tensor]:
            return (_cropped_to_even(frame) for frame in read_frames(path, start, stop))

        yield Recording(name, frames, padded[: frames * SAMPLES_PER_FRAME], read)
    if not found:
        split = held_out_split(folder)
        told = (
            f" in its split {split}; 'read-core prepare --seconds' sets the length of items" if split else ""
        )
        raise MediaError(f"{folder} holds no video of {frames} frames with sound{told}")


def write_takes(
    recordings: Iterable[Recording], folder: Path, lengths: Sequence[int], window: int
) -> list[list[Take]]:
    """Cut every recording into takes of each length and write them; those that are there are kept.

    Takes of a length follow each other by the frames that clips add; the last one ends with the recording, so
    it may overlap. All start from the recording's first frame as portrait.

    Args:
        recordings: each of the largest length.
        folder: of the files.
        lengths: in whole clips, rising.
        window: latents per clip.

    Returns:
        The takes of each length.

    Raises:
        MediaError: a file cannot be written.
    """
    total, added = max(lengths), Joins.of_window(window).added
    found: list[list[Take]] = [[] for _ in lengths]
    for recording in tqdm(recordings, desc="real videos", unit="recording", leave=False):
        portrait = _nested_path(folder / "portraits", recording.name, ".png")
        if not portrait.is_file():
            _save_picture(next(recording.read(0, 1)), portrait)
        for takes, clips in zip(found, lengths, strict=True):
            frames = whole_clips(clips, window)
            for number, start in enumerate(range(0, total, clips), start=1):
                name = recording.name if clips == total else f"{recording.name}/{number}"
                take = Take(
                    name=name,
                    recording=recording.name,
                    portrait=portrait,
                    speech=_nested_path(folder / f"speech-{frames}", name, ".wav"),
                    video=_nested_path(folder / f"real-{frames}", name, ".mp4"),
                    face=recording.face,
                )
                if not take.video.is_file():
                    _write_take(recording, take, min(start, total - clips) * added, frames)
                takes.append(take)
    return found


def _of_talk(talk: Talk, card: Card) -> Recording:
    return Recording(
        name=talk.name,
        frames=len(talk.pixels),
        waveform=talk.waveform,
        read=lambda start, stop: iter(talk.pixels[start:stop]),
        face=FaceChoice() if card.face is None else whole_face(talk.portrait),
    )


def _write_take(recording: Recording, take: Take, start: int, frames: int) -> None:
    samples = recording.waveform[start * SAMPLES_PER_FRAME : (start + frames) * SAMPLES_PER_FRAME]
    _save_sound(samples, take.speech)
    pictures = recording.read(start, start + frames)
    first = next(pictures)
    track = waveform_track(samples, SAMPLE_RATE)
    size = (first.shape[0], first.shape[1])
    with VideoWriter(take.video, size, track, overwrite=True, crf=CRF) as video:
        video.write(first[None].float() / 255)
        for picture in pictures:
            video.write(picture[None].float() / 255)


def _cropped_to_even(frame: Tensor) -> Tensor:
    """A picture (H, W, 3) without the last row or column if their number is odd."""
    height, width = frame.shape[:2]
    return frame[: height // 2 * 2, : width // 2 * 2]


def _nested_path(folder: Path, name: str, suffix: str) -> Path:
    """Path of a file by a name that may have folders, which are made."""
    path = folder / f"{name}{suffix}"
    make_folder(path.parent)
    return path


def _save_picture(frame: Tensor, path: Path) -> None:
    try:
        Image.fromarray(frame.numpy()).save(path)
    except OSError as error:
        raise MediaError(f"{path}: cannot be written: {error.strerror or error}") from error


def _save_sound(samples: Tensor, path: Path) -> None:
    pcm = (samples.clamp(-1, 1) * 32767).round().to(torch.int16).numpy().astype("<i2")
    try:
        with wave.open(str(path), "wb") as file:
            file.setparams((1, 2, SAMPLE_RATE, 0, "NONE", ""))
            file.writeframes(pcm.tobytes())
    except OSError as error:
        raise MediaError(f"{path}: cannot be written: {error.strerror or error}") from error
