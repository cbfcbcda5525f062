"""Training data of the detail network: videos, and their smaller versions after the frozen codec.

A file has, for a span of one video: ``start`` (), its first frame; ``decoded`` (f, h, w, 3) uint8, the shrunk
frames after the codec; ``portraits`` (P,), frames used as portraits, the first is frame 0;
``decoded_portraits`` (P, h, w, 3) uint8, the codec's pictures of them, each encoded separately.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from einops import rearrange
from pydantic import Field
from safetensors.torch import load_file
from torch import Tensor
from torch.nn import functional as F
from torch.utils.data import Dataset

from ...checkpoint import load_model
from ...corpus.video_file import ClipFile
from ...geometry import FRAMES_PER_LATENT
from ...video import DecodeSettings, TemporalVAE
from ...weights.fingerprint import fingerprint
from ..config import Strict
from .latents import encode_missing

PORTRAITS = 4


class CodecConfig(Strict):
    """How the codec processes the videos.

    Attributes:
        shrink: side of the videos divided by the side of the codec's frames.
        frames: frames per video, at most, 8 n + 1; the video's name decides the place of the span.
        noise: largest noise on the latents, in their standard deviations; drawn per video, from 0. It stands
            for the difference between generated and encoded latents.
        halo, chunk, timestep, noise_scale: the checkpoint's decoding, see ``video.DecodeSettings``.
    """

    shrink: int = Field(default=2, gt=1)
    frames: int = Field(default=33, gt=1)
    noise: float = Field(default=0.2, ge=0)
    halo: int = Field(default=3, ge=1)
    chunk: int = Field(default=8, ge=1)
    timestep: float = Field(default=0.0, ge=0, le=1)
    noise_scale: float = Field(default=0.0, ge=0, le=1)


def decode_clips(
    files: Sequence[ClipFile], folder: Path, vae: Path, config: CodecConfig, device: torch.device
) -> list[Path]:
    """Process videos missing in ``folder`` with the codec; return the files, in the order of ``files``.

    Raises:
        ReadError: the folder has files of another codec or other settings.
    """
    stamp = fingerprint([vae], decoders=True) + json.dumps(config.model_dump(), sort_keys=True)

    def prepare() -> Callable[[ClipFile], dict[str, Tensor]]:
        model = load_model("vae", vae).to(device).eval()
        decoding = DecodeSettings(config.halo, config.chunk, config.timestep, config.noise_scale)
        codec = TemporalVAE(model, decoding)
        return lambda file: _decode(file, codec, config)

    return encode_missing(files, folder, stamp, prepare)


def _decode(file: ClipFile, codec: TemporalVAE, config: CodecConfig) -> dict[str, Tensor]:
    """The tensors of one file; random values depend only on the video's name."""
    generator = torch.Generator().manual_seed(
        int(hashlib.sha256(file.path.stem.encode()).hexdigest()[:8], 16)
    )
    count = min(config.frames, file.whole_frames)
    count -= (count - 1) % FRAMES_PER_LATENT
    start = int(torch.randint(file.frames - count + 1, (), generator=generator))
    chosen = [0, *torch.randint(file.frames, (PORTRAITS - 1,), generator=generator).tolist()]
    device = codec.vae.device

    frames = shrunk(file.read(start, start + count)[0].to(device), config.shrink)
    latents = codec.encode(frames[None])
    level = config.noise * float(torch.rand((), generator=generator))
    latents = latents + level * torch.randn(latents.shape, generator=generator).to(latents)
    portraits = torch.cat([file.read(index, index + 1)[0] for index in chosen])
    alone = codec.encode(shrunk(portraits.to(device), config.shrink)[:, None])
    return {
        "start": torch.tensor(start),
        "decoded": to_bytes(codec.decode(latents)[0]),
        "portraits": torch.tensor(chosen),
        "decoded_portraits": to_bytes(codec.decode(alone)[:, 0]),
    }


class DetailDataset(Dataset[dict[str, Tensor]]):
    """Two successive frames of a video and one portrait of it; sample i is a function of (seed, i).

    {"frames" (2, H, W, 3), "decoded" (2, h, w, 3), "portrait" (H, W, 3), "decoded_portrait" (h, w, 3): uint8;
    "boxes" (2, 4) of the mouth and "eyes" (2, 2, 4), pixels of ``frames``}. Half of them are mirrored.

    Args:
        files: the videos.
        decoded: the result of :func:`decode_clips` for them.
        seed: seed of the order.
        blinks: share of the samples drawn from frames with closed eyelids, if the video has any.
    """

    def __init__(self, files: Sequence[ClipFile], decoded: Sequence[Path], seed: int, blinks: float) -> None:
        self.files, self.decoded, self.seed, self.blinks = files, decoded, seed, blinks

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + index)

        def draw(count: int) -> int:
            return int(torch.randint(count, (), generator=generator))

        chosen = draw(len(self.files))
        file, made = self.files[chosen], load_file(self.decoded[chosen])
        start, count = int(made["start"]), len(made["decoded"])
        first = draw(count - 1)
        if float(torch.rand((), generator=generator)) < self.blinks:
            shut = file.blinks() - start
            shut = shut[(shut >= 0) & (shut < count - 1)]
            first = int(shut[draw(len(shut))]) if len(shut) else first
        which = 0 if draw(2) else draw(len(made["portraits"]))
        portrait = int(made["portraits"][which])
        frames, boxes = file.read(start + first, start + first + 2)
        sample = {
            "frames": frames,
            "decoded": made["decoded"][first : first + 2],
            "portrait": file.read(portrait, portrait + 1)[0][0],
            "decoded_portrait": made["decoded_portraits"][which],
            "boxes": boxes,
            "eyes": file.eyes(start + first, start + first + 2),
        }
        return mirrored(sample) if draw(2) else sample


def mirrored(sample: dict[str, Tensor]) -> dict[str, Tensor]:
    """Exchange left and right of a sample."""
    width = sample["frames"].shape[-2]
    pictures = {name: value.flip(-2) for name, value in sample.items() if value.shape[-1] == 3}
    boxes = {name: sample[name] for name in ("boxes", "eyes")}
    edges = {
        n: torch.stack([width - b[..., 2], b[..., 1], width - b[..., 0], b[..., 3]], dim=-1)
        for n, b in boxes.items()
    }
    return pictures | edges


def shrunk(frames: Tensor, times: int) -> Tensor:
    """(n, H, W, 3) uint8 -> (n, H / times, W / times, 3) float32 in 0..1, antialiased."""
    planes = rearrange(frames.float() / 255, "n h w c -> n c h w")
    size = (planes.shape[-2] // times, planes.shape[-1] // times)
    small = F.interpolate(planes, size=size, mode="bilinear", antialias=True)
    result: Tensor = rearrange(small, "n c h w -> n h w c")
    return result


def to_bytes(frames: Tensor) -> Tensor:
    """0..1 -> uint8."""
    return (frames * 255).round().to(torch.uint8)
