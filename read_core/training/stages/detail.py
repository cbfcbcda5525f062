"""Stage ``detail``: the network that restores the portrait's detail in decoded frames."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, Literal

import torch
from einops import rearrange
from pydantic import Field
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional as F

from ...corpus.video_file import find_clips
from ...detail import DetailNetwork, DetailRestorer
from ..config import StageConfig, Strict, require_component
from ..data.detail import CodecConfig, DetailDataset, decode_clips
from ..loop import Batch, Figures, Logged, Model
from ..noise import SampleNoise
from ..pictures import save_rows
from ..processes import processes
from .vae import box_weights, soft_l1

FORMS = ("cubic", "unlearned", "learned")


class DetailLoss(Strict):
    """Weights of the loss, in pixel units of -1..1.

    Attributes:
        mouth: extra weight of a pixel inside the mouth box.
        eyes: extra weight of a pixel inside the boxes of the eyes.
        edges: weight of the differences between neighboring pixels.
        still: weight of the differences between two frames where the true frames hardly differ.
        still_below: mean absolute difference of colors in 0..1 below which they hardly differ.
    """

    mouth: float = Field(default=4.0, ge=0)
    eyes: float = Field(default=4.0, ge=0)
    edges: float = Field(default=0.5, ge=0)
    still: float = Field(default=1.0, ge=0)
    still_below: float = Field(default=2 / 255, ge=0)


class DetailConfig(StageConfig):
    """Configuration of the stage.

    Attributes:
        clips: folder of training videos at the size of the result (see ``corpus/video_file.py``).
        vae: folder of the finished VAE.
        codec: how the codec processes the videos.
        decoded: folder for the videos after the codec, filled at the start; files of another VAE are refused.
        model: arguments of ``detail.DetailNetwork``.
        initial: folder of an earlier network to continue from.
        videos: number of training videos, evenly spread; None: all.
        blinks: share of the samples drawn from frames with closed eyelids.
        held_out: number of validation videos for the figures.
    """

    stage: Literal["detail"]
    clips: Path
    vae: Path
    decoded: Path
    codec: CodecConfig = CodecConfig()
    model: dict[str, Any] = Field(default_factory=dict)
    initial: Path | None = None
    videos: int | None = Field(default=None, gt=0)
    blinks: float = Field(default=0.2, ge=0, le=1)
    held_out: int = Field(default=24, gt=0)
    loss: DetailLoss = DetailLoss()


class DetailStage:
    """Stage ``detail``, see ``loop.Stage``."""

    def __init__(self, config: DetailConfig) -> None:
        self.config = config
        require_component("vae", config.vae, "vae")
        files = find_clips(config.clips, "train")
        count = min(config.videos or len(files), len(files))
        files = [files[i * len(files) // count] for i in range(count)]
        self.held_out = find_clips(config.clips, "validation")[: config.held_out]
        device = processes().device
        self.held_out_decoded, decoded = (
            decode_clips(part, config.decoded, config.vae, config.codec, device)
            for part in (self.held_out, files)
        )
        self.dataset = DetailDataset(files, decoded, config.loop.seed, config.blinks)
        self.model = self._initial_network()

    def _initial_network(self) -> DetailNetwork:
        config = self.config
        if config.initial is not None:
            require_component("initial", config.initial, "detail")
            loaded: DetailNetwork = DetailNetwork.from_pretrained(config.initial, local_files_only=True)
            return loaded
        torch.manual_seed(config.loop.seed)
        made: DetailNetwork = DetailNetwork(**config.model)
        return made

    def prepare(self, device: torch.device) -> None:
        """Nothing to prepare: everything is in the model."""

    def loss(self, model: Model, batch: Batch, _noise: SampleNoise) -> tuple[Tensor, Logged]:
        """Weighted error of pixels and of their differences in space and, in still places, in time."""
        weights = self.config.loss
        true = to_planes(batch["frames"])
        portrait, decoded = (
            to_planes(batch[name][:, None].expand(-1, 2, -1, -1, -1))
            for name in ("portrait", "decoded_portrait")
        )
        output = model(to_planes(batch["decoded"]), portrait, decoded)
        difference = 2 * (output - true)
        mask = self._weights(batch, true.shape[-2:])
        level = (soft_l1(difference) * mask).sum() / mask.sum() / 3
        edges = sum(
            (soft_l1(difference.diff(dim=d)) * mask.narrow(d, 1, mask.shape[d] - 1)).sum() / mask.sum() / 3
            for d in (2, 3)
        )
        change = 2 * (output[1::2] - output[::2]) - 2 * (true[1::2] - true[::2])
        still = (true[1::2] - true[::2]).abs().mean(1, keepdim=True) < weights.still_below
        flicker = (soft_l1(change) * still).sum() / (3 * still.sum()).clamp(min=1)
        error = (output.detach() - true).square().mean()
        logged = {"db": -10 * error.clamp(min=1e-10).log10(), "flicker": flicker.detach()}
        return level + weights.edges * edges + weights.still * flicker, logged

    def _weights(self, batch: Batch, size: tuple[int, ...]) -> Tensor:
        """Weights of pixels (2 b, 1, H, W): 1, more at the mouth and the eyes."""
        mask = box_weights(batch["boxes"], size, self.config.loss.mouth)
        for side in range(2):
            mask = mask + box_weights(batch["eyes"][:, :, side], size, self.config.loss.eyes) - 1
        joined: Tensor = rearrange(mask, "b c f h w -> (b f) c h w")
        return joined

    def sheet(self, model: nn.Module, path: Path) -> None:
        """Held-out frames: true, enlarged, restored without the network and with it."""
        shown = [self._restored(model, i, limit=13) for i in range(min(6, len(self.held_out)))]
        save_rows([[video[name][-1].cpu() for video in shown] for name in ("true", *FORMS)], path)

    def export(self, model: nn.Module, folder: Path) -> Figures:
        """Save the network and measure it on the held-out videos."""
        assert isinstance(model, DetailNetwork)
        model.save_pretrained(folder)
        return self.measure(model)

    @torch.no_grad()
    def measure(self, model: nn.Module) -> Figures:
        """Peak signal-to-noise ratio in dB of each form: whole frames, mouth and eyes."""
        sums: dict[str, list[float]] = {}
        for index in range(len(self.held_out)):
            video = self._restored(model, index)
            for name in FORMS:
                error = (video[name] - video["true"]).square().mean(-1)
                for place, inside in self._places(index, error).items():
                    total = sums.setdefault(f"{name}_{place}", [0.0, 0.0])
                    total[0] += error[inside].sum().item()
                    total[1] += inside.sum().item()
        return {name: -10 * math.log10(total / count) for name, (total, count) in sums.items() if count}

    def _places(self, index: int, error: Tensor) -> dict[str, Tensor]:
        """Masks (f, H, W) of the whole frame, the mouth and the eyes."""
        file, start = self.held_out[index], int(load_file(self.held_out_decoded[index])["start"])
        size, stop = error.shape[1:], start + len(error)
        eyes = file.eyes(start, stop)
        boxes = {"mouth": file.read(start, stop)[1][:, None], "eyes": eyes}
        inside = {
            name: torch.stack([box_weights(b[None], size, 1.0)[0, 0] > 1 for b in sides.unbind(1)]).any(0)
            for name, sides in boxes.items()
        }
        return {"whole": torch.ones_like(error, dtype=torch.bool)} | {
            name: places.to(error.device) for name, places in inside.items()
        }

    def _restored(self, model: nn.Module, index: int, limit: int | None = None) -> dict[str, Tensor]:
        """A held-out video by every form, and the true one, (f, H, W, 3) each; frame 0 is the portrait."""
        assert isinstance(model, DetailNetwork)
        made = load_file(self.held_out_decoded[index])
        file, start = self.held_out[index], int(made["start"])
        device = model.device
        frames = made["decoded"][:limit].to(device).float() / 255
        portrait = file.read(0, 1)[0][0].to(device).float() / 255
        decoded = made["decoded_portraits"][0].to(device).float() / 255
        true = file.read(start, start + len(frames))[0].to(device).float() / 255
        cubic = F.interpolate(frames.movedim(-1, 1), size=portrait.shape[:2], mode="bicubic")
        return {
            "true": true,
            "cubic": cubic.movedim(1, -1).clamp(0, 1),
            "unlearned": DetailRestorer().restore(frames, portrait, decoded),
            "learned": DetailRestorer(model).restore(frames, portrait, decoded),
        }


def to_planes(frames: Tensor) -> Tensor:
    """(b, f, H, W, 3) uint8 -> (b f, 3, H, W) float32 in 0..1."""
    planes: Tensor = rearrange(frames.float() / 255, "b f h w c -> (b f) c h w")
    return planes
