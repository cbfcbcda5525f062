"""Make one item of a video: crop, latents, features and a small video of the crop.

The file of an item holds ``latents`` (C, L, h, w), normalized; ``references`` (R, C, h, w), single frames
encoded as portraits, the first of them frame 0; ``steps`` (2 (F + 8), layers + 1, D_A), the hidden states of
Whisper, of which ``speech.steps`` makes features. float16.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..errors import MediaError, ignore
from ..face.alignment import FaceCrop, cut_face
from ..geometry import FRAMES_PER_LATENT, SAMPLE_RATE, SAMPLES_PER_FRAME
from ..media import VideoWriter, waveform_track
from ..media.files import partial_beside
from ..media.frames import FrameReader, Shown
from ..speech import WhisperFeatures
from ..speech.steps import steps_of
from ..video import TemporalVAE
from ..weights.origin import checksum
from .encode import SpanEncoder
from .records import CannotWriteError, Plan, item_path, write_bytes, write_json
from .scan import SOUND, write_sound
from .settings import Settings

REFERENCES = 4
_HEARD_AFTER = 5 * SAMPLE_RATE  # samples after an item that Whisper hears, so that no item ends in silence
_AT_ONCE = 25  # frames


@dataclass(frozen=True)
class Models:
    """What items are made with."""

    vae: TemporalVAE
    features: WhisperFeatures


def make_item(
    source: Path, folder: Path, plan: Plan, number: int, settings: Settings, models: Models
) -> None:
    """Write the files of item ``number`` of a plan; its record, written last, says that they are there.

    Raises:
        CannotWriteError: a file cannot be written.
        MediaError: the video cannot be read there.
        OSError: the sound of the video, made again if it is gone, cannot be written.
    """
    span = plan.spans[number]
    if span.crop is None:
        raise MediaError(f"{source}: span {number} is no item ({span.reason})")
    if not (folder / SOUND).is_file():  # all items were finished, and one is lost
        write_sound(source, folder / SOUND, ignore)
    heard = np.memmap(folder / SOUND, np.int16, "r")
    picture = item_path(folder, number, ".mp4")
    partial_beside(picture).unlink(missing_ok=True)  # of a run that was killed
    began = time.monotonic()
    with torch.no_grad():
        encoded = _pictures(
            source, (span.start, span.stop), span.crop, settings, models.vae, (picture, heard)
        )
        spoken = _steps(heard, (span.start, span.stop), models.features)
    tensors = {**encoded, "steps": spoken}
    stored = {name: value.to(torch.float16).cpu().contiguous() for name, value in tensors.items()}
    sums = {picture.name: _digest_and_size(picture, checksum([picture]))}
    sums |= _write_tensors(item_path(folder, number, ".safetensors"), stored, source, number)
    record = {
        "source": plan.source,
        "identity": plan.identity,
        "start": span.start,
        "stop": span.stop,
        "crop": asdict(span.crop),
        "latents": stored["latents"].shape[1],
        "spoken": plan.spoken[number],
        "license": settings.license,
        "seconds_taken": round(time.monotonic() - began, 2),
        "files": sums,
    }
    write_json(item_path(folder, number, ".json"), record)


def _write_tensors(path: Path, tensors: dict[str, Tensor], source: Path, number: int) -> dict[str, Any]:
    from safetensors.torch import save

    content = save(tensors, {"source": source.name, "span": str(number)})
    write_bytes(path, content)
    return {path.name: _digest_and_size(path, hashlib.sha256(content).hexdigest())}


def _digest_and_size(path: Path, sha256: str) -> dict[str, Any]:
    return {"sha256": sha256, "bytes": path.stat().st_size}


def _pictures(
    source: Path,
    span: tuple[int, int],
    crop: FaceCrop,
    settings: Settings,
    vae: TemporalVAE,
    written: tuple[Path, np.ndarray[Any, Any]],
) -> dict[str, Tensor]:
    """Latents and references, and the crop as a video, from one pass over the frames of the span."""
    start, stop = span
    count, size = stop - start, (settings.size, settings.size)
    chosen = [i * (count - 1) // (REFERENCES - 1) for i in range(REFERENCES)]
    encoder = SpanEncoder(vae, settings.span, settings.context)
    portraits: dict[int, Tensor] = {}
    target, heard = written
    sound = torch.from_numpy(_sound(heard, start, stop).astype(np.float32) / 32768)
    try:
        with VideoWriter(
            target, size, waveform_track(sound, SAMPLE_RATE, ignore), overwrite=True, on_warning=ignore
        ) as video:
            done = 0
            for part in _parts(source, span, crop, settings.size, vae.vae.device):
                video.write(part)
                encoder.write(part)
                portraits |= {i: part[i - done] for i in chosen if done <= i < done + len(part)}
                done += len(part)
            if done != count:
                raise _CannotReadError(
                    f"{source}: {done} of {count} frames could be read from {start / 25:.1f} s on"
                )
    except _CannotReadError:
        raise
    except MediaError as error:  # of the writer: it says nothing of the video
        raise CannotWriteError(str(error)) from error
    references = vae.encode(torch.stack([portraits[i] for i in chosen])[:, None])[:, :, 0]
    return {"latents": encoder.finish(), "references": references}


def _parts(source: Path, span: tuple[int, int], crop: FaceCrop, size: int, device: torch.device) -> Any:
    """The crops of a span, (n, size, size, 3) in 0..1, a second at a time; a held frame is cut once."""
    held: list[Tensor] = []
    last = -1.0
    for shown in _read(source, span):
        if shown.time != last or not held:
            picture = torch.from_numpy(shown.pixels()).to(device).float() / 255
            cut, last = cut_face(picture, crop, (size, size)), shown.time
        held.append(cut)
        if len(held) == _AT_ONCE:
            yield torch.stack(held)
            held = []
    if held:
        yield torch.stack(held)


def _read(source: Path, span: tuple[int, int]) -> Iterator[Shown]:
    try:
        yield from FrameReader(source).read(*span)
    except MediaError as error:
        raise _CannotReadError(str(error)) from error


class _CannotReadError(MediaError):
    """The video cannot be read, as opposed to its crop that cannot be written."""


def _steps(heard: np.ndarray[Any, Any], span: tuple[int, int], features: WhisperFeatures) -> Tensor:
    """The hidden states of an item and of one more latent, so that its last code does not see an end."""
    start, stop = span
    low = start * SAMPLES_PER_FRAME
    samples = np.asarray(heard[low : stop * SAMPLES_PER_FRAME + _HEARD_AFTER]).astype(np.float32) / 32768
    waveform = torch.from_numpy(samples).to(features.encoder.device)
    return steps_of(features(waveform, stop - start + FRAMES_PER_LATENT))


def _sound(heard: np.ndarray[Any, Any], start: int, stop: int) -> np.ndarray[Any, Any]:
    return np.asarray(heard[start * SAMPLES_PER_FRAME : stop * SAMPLES_PER_FRAME])
