"""Stage ``vae``: the temporal VAE (eq. 4), from a closed-form linear start to sharp mouths."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, TypeAlias

import torch
from diffusers import AutoencoderKLLTXVideo
from einops import rearrange
from pydantic import Field
from torch import Tensor, nn
from torch.utils.data import Dataset

from ...checkpoint import load_model
from ...corpus.video_file import ClipFile, find_clips
from ...geometry import FRAMES_PER_LATENT
from ...mouth.face_fit import FaceFitSettings
from ...mouth.fit import FitSettings
from ...video.aligned import AlignedAutoencoder
from ..config import ConfigError, StageConfig, Strict, require_component
from ..loop import Batch, Figures, Logged, Model
from ..noise import SampleNoise
from ..pictures import save_rows
from ..processes import processes, samples_per_step
from .aligned_start import initialize_aligned
from .lid_probe import LidProbe
from .mouth_loss import FaceLoss, MouthLoss
from .vae_start import initialize

Vae: TypeAlias = AutoencoderKLLTXVideo | AlignedAutoencoder


class VaeLoss(Strict):
    """Weights of the reconstruction loss, in pixel units of -1..1.

    Attributes:
        mouth: extra weight of a pixel inside the mouth box.
        eyes: extra weight of a pixel inside the boxes of the eyes.
        closed: while the lids are closed, the weight of the eyes is multiplied by 1 + ``closed``.
        tip: errors well below it count quadratically, errors above it linearly.
        edges: weight of the differences between neighboring pixels.
        motion: weight of the differences between successive frames.
        noise: largest noise on the latents, relative to their standard deviation; drawn per sample, from 0.
            So the decoder works on encoded and generated latents.
        size: weight of the mean square of the latents; it keeps their scale.
        shape: weight of the mouth's opening, width and rounding as read by a reader.
        lids: weight of the lids relative to the mouth's shape; only a reader of photographs reads them.
        blink: weight of how far the lids are closed, as a :class:`LidProbe` reads it from the latents. The
            probe is trained with the VAE and then dropped. Without it the latents lose blinks.
    """

    mouth: float = Field(default=4.0, ge=0)
    eyes: float = Field(default=0.0, ge=0)
    closed: float = Field(default=0.0, ge=0)
    tip: float = Field(default=0.05, gt=0)
    edges: float = Field(default=0.5, ge=0)
    motion: float = Field(default=0.5, ge=0)
    noise: float = Field(default=0.05, ge=0)
    size: float = Field(default=1e-4, ge=0)
    shape: float = Field(default=0.0, ge=0)
    lids: float = Field(default=1.0, ge=0)
    blink: float = Field(default=0.0, ge=0)


class ReaderFit(Strict):
    """How the reader of ``loss.shape`` is fitted, kept in ``output/reader.safetensors``.

    Attributes:
        presenters: drawn faces of the training split.
        steps: updates.
        seed: seed of faces and initial weights; not 0, which the evaluation uses.
        faces: folder of portraits; with it the reader also reads photographs, and eyelids.
        stills: number of talking photographs made of them.
    """

    presenters: int = Field(default=1600, gt=0)
    steps: int = Field(default=2000, gt=0)
    seed: int = Field(default=1, gt=0)
    faces: Path | None = None
    stills: int = Field(default=420, gt=0)


class VaeConfig(StageConfig):
    """Configuration of the stage.

    Attributes:
        clips: folder of training videos (see ``corpus/video_file.py``).
        model: arguments of ``diffusers.AutoencoderKLLTXVideo``; with ``inner``, of ``AlignedAutoencoder``.
        lengths: frames per sample, each 8 n + 1; each step draws one length.
        start_clips: number of videos for the linear start, which is kept in ``output/start``; 0: random
            weights.
        start_crops: number of more crops, from all videos, for the bases of an ``AlignedAutoencoder``.
        whitening: of the linear start, see ``vae_start.initialize``.
        initial: folder of an earlier VAE to continue from. Of ``model`` only ``up_hidden`` counts then.
        encoder: whether the encoder is trained too; if not, its latents do not change.
        blinks: share of the samples that are cut around a blink, if the file has one.
        held_out: number of validation videos for the figures.
        reader: how the reader of ``loss.shape`` is fitted.
    """

    stage: Literal["vae"]
    clips: Path
    model: dict[str, Any] = Field(default_factory=dict)
    lengths: tuple[int, ...] = (17,)
    start_clips: int = Field(default=300, ge=0)
    start_crops: int = Field(default=0, ge=0)
    whitening: float = Field(default=0.5, ge=0, le=1)
    initial: Path | None = None
    encoder: bool = True
    blinks: float = Field(default=0.0, ge=0, le=1)
    held_out: int = Field(default=24, gt=0)
    loss: VaeLoss = VaeLoss()
    reader: ReaderFit = ReaderFit()


class ClipDataset(Dataset[dict[str, Tensor]]):
    """Crops in time; sample i is a function of (seed, i).

    {"frames": (f, H, W, 3) uint8, "boxes": (f, 4) of the mouth, "eyes": (f, 2, 4), "blink": (f,)}.
    """

    def __init__(self, files: Sequence[ClipFile], config: VaeConfig) -> None:
        self.files, self.lengths, self.blinks = files, config.lengths, config.blinks
        self.step, self.seed = samples_per_step(config.loop), config.loop.seed

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        group = torch.Generator().manual_seed(self.seed * 7_919 + index // self.step)
        length = self.lengths[int(torch.randint(len(self.lengths), (), generator=group))]
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + index)
        file = self.files[int(torch.randint(len(self.files), (), generator=generator))]
        start = int(torch.randint(file.frames - length + 1, (), generator=generator))
        if self.blinks and float(torch.rand((), generator=generator)) < self.blinks:
            start = around_a_blink(file, start, length, generator)
        frames, boxes = file.read(start, start + length)
        eyes, blink = file.eyes(start, start + length), file.blink(start, start + length)
        return {"frames": frames, "boxes": boxes, "eyes": eyes, "blink": blink}


class Reconstruction(nn.Module):
    """Encode and decode in one call, so that every process sees all gradients."""

    def __init__(self, vae: Vae, lids: LidProbe | None = None) -> None:
        super().__init__()
        self.vae = vae
        self.lids = lids

    def forward(self, pixels: Tensor, noise: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
        """(b, 3, f, H, W) in -1..1 -> reconstruction, raw latents (b, C, l, h, w), lids (b, f - 1).

        ``noise`` has the shape of the latents and is relative to their standard deviation. Lids are None
        without a probe.
        """
        latents = self.vae.encode(pixels).latent_dist.mean
        noisy = latents + latents.detach().std() * noise
        lids = None if self.lids is None else self.lids(noisy)
        return self.vae.decode(noisy).sample, latents, lids


class VaeStage:
    """Stage ``vae``, see ``loop.Stage``."""

    def __init__(self, config: VaeConfig) -> None:
        self.config = config
        files = find_clips(config.clips, "train")
        self.held_out = spread(find_clips(config.clips, "validation"), config.held_out)
        self.files = files
        _check_lengths(config.lengths, files)
        self.dataset = ClipDataset(files, config)
        self.vae = self._initial_vae()
        self.vae.encoder.requires_grad_(config.encoder)
        if isinstance(self.vae, AlignedAutoencoder):
            self.vae.down.requires_grad_(config.encoder)
        self.model = Reconstruction(self.vae, self._lid_probe())
        self.mouths = self._reader() if config.loss.shape else None

    def _reader(self) -> MouthLoss | FaceLoss:
        fit, weights = self.config.reader, self.config.output / "reader.safetensors"
        if fit.faces is None:
            return MouthLoss(weights, FitSettings(fit.presenters, fit.steps, seed=fit.seed))
        settings = FaceFitSettings(fit.stills, fit.presenters, fit.faces, fit.steps, seed=fit.seed)
        return FaceLoss(weights, settings, self.config.loss.lids)

    def _lid_probe(self) -> LidProbe | None:
        if not self.config.loss.blink:
            return None
        frames, _ = self.files[0].read(0, 1)
        return LidProbe(self.vae.config.latent_channels, (frames.shape[1] // 32, frames.shape[2] // 32))

    def _initial_vae(self) -> Vae:
        config = self.config
        if config.initial is not None:
            require_component("initial", config.initial, "vae")
            torch.manual_seed(config.loop.seed)
            return _trainable(config.initial, config.model.get("up_hidden", 0))
        with processes().main_process_first():  # it solves the linear start; the others read it
            return self._first_weights()

    def _first_weights(self) -> Vae:
        config = self.config
        started = config.output / "start"
        if started.exists():
            return _trainable(started)
        torch.manual_seed(config.loop.seed)
        vae = (AlignedAutoencoder if "inner" in config.model else AutoencoderKLLTXVideo)(**config.model)
        if config.start_clips:
            self._solve(vae)
            self.measure_statistics(vae)
            temporary = started.with_suffix(".tmp")
            vae.save_pretrained(temporary)
            temporary.rename(started)
        return vae

    def _solve(self, vae: Vae) -> None:
        """The linear start, from crops of the training split, with higher weights for mouth and eyes."""
        config, files = self.config, self.files
        count = config.start_clips
        crops = [self._crop(files[i * len(files) // count], i * 13) for i in range(count)]
        clips, weights = [clip for clip, _ in crops], [weight for _, weight in crops]
        if isinstance(vae, AlignedAutoencoder):
            more = (self._crop(files[i % len(files)], i * 29 + 7) for i in range(config.start_crops))
            initialize_aligned(vae, clips, weights, more, config.whitening)
        else:
            initialize(vae, clips, weights, config.whitening)

    def _crop(self, file: ClipFile, key: int) -> tuple[Tensor, Tensor]:
        """Pixels (1, 3, f, H, W) and weights (1, 1, f, H, W) of a shortest crop, drawn with ``key``."""
        length, generator = min(self.config.lengths), torch.Generator().manual_seed(key)
        start = key % (file.frames - length + 1)
        if float(torch.rand((), generator=generator)) < self.config.blinks:
            start = around_a_blink(file, start, length, generator)
        frames, boxes = file.read(start, start + length)
        eyes, blink = file.eyes(start, start + length), file.blink(start, start + length)
        pixels = to_pixels(frames[None])
        return pixels, self._weights(boxes[None], eyes[None], blink[None], pixels)

    def _weights(self, boxes: Tensor, eyes: Tensor, blink: Tensor, pixels: Tensor) -> Tensor:
        """Weights of pixels, (b, 1, f, H, W), from boxes (b, f, 4), (b, f, 2, 4) and lids (b, f)."""
        loss, size = self.config.loss, pixels.shape[-2:]
        mask = box_weights(boxes, size, loss.mouth)
        for side in range(2) if loss.eyes else ():
            inside = box_weights(eyes[:, :, side], size, loss.eyes) - 1
            mask = mask + inside * (1 + loss.closed * blink)[:, None, :, None, None]
        return mask

    def prepare(self, device: torch.device) -> None:
        """Move the reader; everything else is in the model."""
        if self.mouths is not None:
            self.mouths.to(device)

    def loss(self, model: Model, batch: Batch, noise: SampleNoise) -> tuple[Tensor, Logged]:
        """Weighted reconstruction loss of one batch, latents with the posterior's noise."""
        weights = self.config.loss
        pixels = to_pixels(batch["frames"])
        f, h, w = pixels.shape[2:]
        shape = (self.vae.config.latent_channels, (f - 1) // 8 + 1, h // 32, w // 32)
        added = (noise.normal(*shape) * weights.noise * noise.uniform(1, 1, 1, 1)).to(pixels)
        output, latents, lids = model(pixels, added)
        mask = self._weights(batch["boxes"], batch["eyes"], batch["blink"], pixels)
        difference = output - pixels
        level = (soft_l1(difference, weights.tip) * mask).sum() / mask.sum() / 3
        edges = sum((soft_l1(difference.diff(dim=d)) * _shrink(mask, d)).mean() for d in (3, 4))
        motion = (soft_l1(difference.diff(dim=2)) * _shrink(mask, 2)).mean()
        loss = (
            level + weights.edges * edges + weights.motion * motion + weights.size * latents.square().mean()
        )
        error = difference.detach().square().mean()
        logged = {"db": 10 * (4 / error).log10(), "latent": latents.detach().std()}
        if lids is not None:
            error = (lids.float() - batch["blink"][:, 1:]).square().mean()
            loss = loss + weights.blink * error
            logged["blink"] = error.detach()
        if self.mouths is not None:
            shape = self.mouths(output, pixels, batch["boxes"], batch["eyes"])
            loss = loss + weights.shape * shape
            logged["shape"] = shape.detach()
        return loss, logged

    def sheet(self, _model: nn.Module, path: Path) -> None:
        """Held-out frames above their reconstructions."""
        originals, outputs = [], []
        for file in spread(self.held_out, 8):
            frames, _ = file.read(0, min(17, file.whole_frames))
            pixels = to_pixels(frames[None].to(self.vae.device))
            output = self.vae.decode(self.vae.encode(pixels).latent_dist.mode()).sample
            shown = min(12, len(frames) - 1)
            originals.append(to_frames(pixels)[0, shown])
            outputs.append(to_frames(output)[0, shown])
        save_rows([originals, outputs], path)

    def export(self, _model: nn.Module, folder: Path) -> Figures:
        """Measure the latents' mean and standard deviation on the training split, save, measure held-out.

        A frozen encoder keeps those of ``initial``: a transformer may have been trained with them.
        """
        if self.config.encoder or self.config.initial is None:
            self.measure_statistics(self.vae)
        self.vae.save_pretrained(folder)
        return self.measure()

    @torch.no_grad()
    def measure_statistics(self, vae: Vae) -> None:
        """Set the mean and standard deviation of the latents' channels, over the training split."""
        total, square, count = torch.zeros((), dtype=torch.float64), torch.zeros((), dtype=torch.float64), 0
        for file in self.files[:: max(1, len(self.files) // 100)]:
            frames, _ = file.read(0, file.whole_frames)
            latent = vae.encode(to_pixels(frames[None].to(vae.device))).latent_dist.mode().cpu().double()
            total = total + latent.sum((0, 2, 3, 4))
            square = square + latent.square().sum((0, 2, 3, 4))
            count += latent[:, 0].numel()
        mean = total / count
        vae.latents_mean.copy_(mean)
        vae.latents_std.copy_((square / count - mean.square()).clamp(min=0).sqrt())

    def measure(self) -> Figures:
        """Peak signal-to-noise ratio in dB on the held-out videos: whole frames, boxes of mouth and eyes."""
        device = self.vae.device
        sums = {"frames": [0.0, 0.0], "mouth": [0.0, 0.0], "eyes": [0.0, 0.0]}
        for file in self.held_out:
            frames, boxes = file.read(0, min(97, file.whole_frames))
            eyes = file.eyes(0, len(frames)).unbind(1)
            pixels = to_pixels(frames[None].to(device))
            output = self.vae.decode(self.vae.encode(pixels).latent_dist.mode()).sample
            error = (to_frames(output) - to_frames(pixels)).square().mean(-1)
            mouth, left, right = (
                box_weights(b[None], pixels.shape[-2:], 1.0)[:, 0].to(device) > 1 for b in (boxes, *eyes)
            )
            for name, values in (("frames", error), ("mouth", error[mouth]), ("eyes", error[left | right])):
                sums[name][0] += values.sum().item()
                sums[name][1] += values.numel()
        return {f"psnr_{name}": -10 * math.log10(total / n) for name, (total, n) in sums.items() if n}


def around_a_blink(file: ClipFile, start: int, length: int, generator: torch.Generator) -> int:
    """A start whose ``length`` frames contain a blink of the video; ``start`` if there is none."""
    shut = file.blinks()
    if not len(shut):
        return start
    frame = int(shut[int(torch.randint(len(shut), (), generator=generator))])
    before = int(torch.randint(length, (), generator=generator))
    return min(max(frame - before, 0), file.frames - length)


def _trainable(folder: Path, up_hidden: int = 0) -> Vae:
    vae: Vae = load_model("vae", folder)
    if up_hidden and isinstance(vae, AlignedAutoencoder):
        vae = vae.widened(up_hidden)
    return vae.train().requires_grad_(True)


def spread(files: Sequence[ClipFile], count: int) -> list[ClipFile]:
    """At most ``count`` of the files, evenly spaced: a folder may hold several kinds of videos."""
    count = min(count, len(files))
    return [files[i * len(files) // count] for i in range(count)]


def _check_lengths(lengths: Sequence[int], files: Sequence[ClipFile]) -> None:
    """Raise ConfigError unless every length is 8 n + 1 and no longer than the shortest video."""
    shortest = min(file.whole_frames for file in files)
    wrong = [n for n in lengths if n % FRAMES_PER_LATENT != 1 or not 1 < n <= shortest]
    if wrong or not lengths:
        raise ConfigError(
            f"lengths are {list(lengths)}; expected 8 n + 1 frames, 9 to {shortest}, the shortest video"
        )


def to_pixels(frames: Tensor) -> Tensor:
    """(b, f, H, W, 3) uint8 -> (b, 3, f, H, W) float32 in -1..1."""
    pixels: Tensor = rearrange(frames.float() / 127.5 - 1, "b f h w c -> b c f h w")
    return pixels


def to_frames(pixels: Tensor) -> Tensor:
    """(b, 3, f, H, W) in -1..1 -> (b, f, H, W, 3) float in 0..1, clamped."""
    frames: Tensor = rearrange((pixels.float().clamp(-1, 1) + 1) / 2, "b c f h w -> b f h w c")
    return frames


def box_weights(boxes: Tensor, size: Sequence[int], extra: float) -> Tensor:
    """(b, f, 4) pixel boxes -> weights (b, 1, f, H, W): 1 + ``extra`` inside, 1 outside."""
    rows = torch.arange(size[0], device=boxes.device)[:, None] + 0.5
    columns = torch.arange(size[1], device=boxes.device)[None, :] + 0.5
    x0, y0, x1, y1 = (boxes[..., i, None, None] for i in range(4))
    inside = (columns > x0) & (columns < x1) & (rows > y0) & (rows < y1)
    return (1 + extra * inside.float())[:, None]


def soft_l1(difference: Tensor, tip: float = 0.05) -> Tensor:
    """Charbonnier loss: |d|, rounded at 0."""
    return (difference.square() + tip**2).sqrt() - tip


def _shrink(mask: Tensor, dim: int) -> Tensor:
    """The mask of the differences along ``dim``, scaled to a mean of about 1."""
    return mask.narrow(dim, 1, mask.shape[dim] - 1) / mask.mean()
