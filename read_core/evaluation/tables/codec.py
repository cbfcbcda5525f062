"""The table of pictures: losses of the VAE, compared with a linear codec of the same compression."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tqdm import tqdm

from ...errors import InputError
from ..figures import column, mean_figures
from ..material.samples import draw_sample
from ..metrics.linear_codec import LinearCodec, blocks_of
from ..metrics.psnr import psnr, psnr_in_boxes
from ..metrics.seams import flicker, still_pixels
from ..metrics.sync import correlation

if TYPE_CHECKING:
    from torch import Tensor

    from ..material.sample_set import SampleSet
    from ..material.samples import Sample
    from ..material.videos import VideoGenerator
    from .report import Report

_CODEC_FRAMES = 33
_FIT_SEED = 20_000


@dataclass(frozen=True)
class CodecFigures:
    """What a codec loses of one video, or of several in the mean.

    Attributes:
        videos: how many there are.
        whole, mouth: decibels of whole frames and of mouth boxes.
        worst: decibels of the worst frame.
        opening, width, rounding: correlation of the mouth that is read after it with the true one.
        flicker: mean difference of neighbors where the drawn background stands still, in 1/255.
    """

    videos: int = column("videos")
    whole: float = column("PSNR (dB)")
    mouth: float = column("mouth box (dB)")
    worst: float = column("worst frame (dB)")
    opening: float = column("open r after it")
    width: float = column("width r after it")
    rounding: float = column("round r after it")
    flicker: float = column("flicker")


def check_codec(clips: int, components: int, resolution: tuple[int, int]) -> None:
    """Refuse, with an InputError, to fit ``components`` on fewer blocks of training ``clips``."""
    blocks = clips * blocks_of(_CODEC_FRAMES, *resolution)
    if blocks <= components:
        raise InputError(f"codec_clips is {clips}: {blocks} blocks cannot give {components} components")


def add_pictures(
    report: Report, sample_set: SampleSet, frames: int, codec_clips: int, components: int
) -> CodecFigures:
    """PSNR of the VAE and of a linear codec of the same compression, and lips after them.

    Args:
        report: gets the table.
        cast: whose drawn videos are coded.
        frames: of each that are coded.
        codec_clips: training clips that the linear codec is fitted on, 33 frames each.
        components: numbers per block of the linear codec.

    Returns:
        The figures of the VAE.
    """
    card = sample_set.generator.pipe.card
    train = [
        draw_sample(_FIT_SEED + index, "train", _CODEC_FRAMES, card.resolution, layout=card.face).frames
        for index in tqdm(range(codec_clips), desc="linear codec", leave=False)
    ]
    linear = LinearCodec.fit(train, components)
    codecs: dict[str, Callable[[Tensor], Tensor]] = {
        "VAE": sample_set.generator.reconstructed,
        "linear codec": lambda true: linear.decode(linear.encode(true)),
    }
    found: dict[str, CodecFigures] = {}
    for name, code in codecs.items():
        parts = [
            _of_video(s, frames, code, sample_set.generator)
            for s in tqdm(sample_set.samples, desc=name, leave=False)
        ]
        found[name] = replace(mean_figures(parts), videos=len(parts))
    report.add_figures(
        "Pictures",
        "codec",
        CodecFigures,
        list(found.items()),
        f"Held-out videos of {frames} frames, encoded and decoded; means over videos. Worst frame: mean of "
        "each video's worst frame. After it: correlation of the measured mouth with the true one, an upper "
        "bound for generated videos. The linear codec is a PCA of blocks of 8 x 32 x 32 "
        f"pixels with {components} numbers each, fitted on training videos. Flicker: mean difference of "
        "neighboring frames in the background, which does not move in the drawn video, in 1/255.",
    )
    return found["VAE"]


def _of_video(
    sample: Sample, count: int, code: Callable[[Tensor], Tensor], generator: VideoGenerator
) -> CodecFigures:
    true = sample.frames[:count]
    decoded = code(true)
    mouth = generator.mouth(decoded)
    opening, width, rounding = (correlation(mouth[:, i], sample.mouth[:count, i]) for i in range(3))
    return CodecFigures(
        videos=1,
        whole=psnr(decoded, true),
        mouth=psnr_in_boxes(decoded, true, sample.boxes[:count]),
        worst=min(psnr(a[None], b[None]) for a, b in zip(decoded, true, strict=True)),
        opening=opening,
        width=width,
        rounding=rounding,
        flicker=flicker(decoded, still_pixels(sample.frames)),
    )
