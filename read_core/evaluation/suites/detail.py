"""Measure the detail step on videos after the codec: each form compared with the true frames at full size."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from statistics import median
from typing import TYPE_CHECKING

import torch
from torch.nn import functional as F

from ...detail import DetailRestorer
from ...detail.analysis import analyze, resize
from ...detail.flow import resize_flow, warp
from ...detail.trust import trust
from ..figures import column, mean, mean_figures
from ..metrics.psnr import in_boxes, to_decibels
from ..metrics.seams import flicker, still_pixels

if TYPE_CHECKING:
    from torch import Tensor

    from ...detail import DetailNetwork
    from ..tables.report import Report

NOTE = (
    "Means over videos without frame 0. Eye contrast: deviation of the brightness in the boxes of open eyes, "
    "divided by the portrait's. Change kept: share of the true difference from the portrait that is left "
    "where the mouth is most open or the lids are closed. Flicker: difference of neighboring frames, divided "
    "by the true one where that is below 2/255; where nothing moves, in 1/255."
)
STILL_BELOW = 2 / 255
OPEN_BELOW, SHUT_ABOVE = 0.1, 0.7
MOST_OPEN = 0.75  # share of a video's largest opening


@dataclass(frozen=True)
class DetailVideo:
    """A video, its frames after the codec, and its eyes and mouth.

    Attributes:
        true: (F, H, W, 3), 0..1; frame 0 is the portrait.
        decoded: (F, h, w, 3), 0..1.
        decoded_portrait: (h, w, 3), 0..1, frame 0 encoded separately.
        boxes: (F, 4), pixels of ``true``, of the mouth.
        eyes: (F, 2, 4), of both eyes; empty boxes where they are not known.
        opening: (F,), of the mouth, 0..1.
        blink: (F,), how far the lids are closed, 0..1.
    """

    true: Tensor
    decoded: Tensor
    decoded_portrait: Tensor
    boxes: Tensor
    eyes: Tensor
    opening: Tensor
    blink: Tensor

    @property
    def points(self) -> Tensor | None:
        """Eyes and mouth of the portrait as fractions of width and height, (3, 2); None: unknown."""
        boxes = torch.cat([self.eyes[0], self.boxes[:1]])
        if not bool((boxes[:, 2:] > boxes[:, :2]).all()):
            return None
        height, width = self.true.shape[1:3]
        return (boxes[:, :2] + boxes[:, 2:]) / 2 / boxes.new_tensor([width, height])


@dataclass(frozen=True)
class DetailFigures:
    """What a form makes of one video, or of several in the mean; NaN where a video has no such frame.

    Attributes:
        videos: how many there are.
        whole, mouth, open_eyes, closed_eyes: decibels against the true frames; ``worst``: of the worst video.
        contrast: brightness of open eyes, its deviation by the portrait's.
        mouth_kept, lids_kept: share of the true difference from the portrait.
        flicker: change between neighbors by the true one where that is small.
        still: the same where nothing moves, in 1/255.
    """

    videos: int = column("videos")
    whole: float = column("whole (dB)")
    mouth: float = column("mouth (dB)")
    open_eyes: float = column("open eyes (dB)")
    closed_eyes: float = column("closed eyes (dB)")
    worst: float = column("worst video (dB)")
    contrast: float = column("eye contrast")
    mouth_kept: float = column("mouth's change kept")
    lids_kept: float = column("lids' change kept")
    flicker: float = column("flicker")
    still: float = column("flicker where nothing moves")


Form = Callable[[DetailVideo], "Tensor"]


def detail_forms(network: DetailNetwork | None = None) -> dict[str, Form]:
    """The forms by name, from simple enlarging to the network; each returns frames (F, H, W, 3)."""

    def restored(video: DetailVideo, points: Tensor | None, network: DetailNetwork | None = None) -> Tensor:
        restorer = DetailRestorer(network)
        return restorer.restore(video.decoded, video.true[0], video.decoded_portrait, points)

    forms: dict[str, Form] = {
        "cubic": lambda video: _by_frame(
            video, lambda frame, portrait, _: resize(frame, portrait.shape[-2:])
        ),
        "residual, no flow": lambda video: _by_frame(video, _residual_in_place),
        "trust, no flow": lambda video: _by_frame(video, _without_flow),
        "residual along the flow": lambda video: _by_frame(video, _residual_along_flow),
        "trust along the flow": lambda video: restored(video, None),
        "the same, lips and lids masked": lambda video: restored(video, video.points),
    }
    if network is not None:
        forms["network"] = lambda video: restored(video, None, network)
    return forms


def add_detail(report: Report, videos: Iterable[DetailVideo], forms: Mapping[str, Form]) -> None:
    """One table: every form's means over the videos."""
    found: dict[str, list[DetailFigures]] = {name: [] for name in forms}
    for video in videos:
        for name, form in forms.items():
            found[name].append(detail_figures(form(video), video))
    rows = []
    for name, own in found.items():
        worst = min(figures.whole for figures in own)
        rows.append((name, replace(mean_figures(own), videos=len(own), worst=worst)))
    report.add_figures("Detail", "form", DetailFigures, rows, NOTE)


def detail_figures(frames: Tensor, video: DetailVideo) -> DetailFigures:
    """The figures of one video, frame 0 left out.

    Args:
        frames: (F, H, W, 3), restored.
        video: the truth.
    """
    height, width = frames.shape[1:3]
    true, portrait = video.true, video.true[0]
    mouth = in_boxes(video.boxes, height, width)
    eyes = in_boxes(video.eyes[:, 0], height, width) | in_boxes(video.eyes[:, 1], height, width)
    error = (frames - true).square().mean(-1)
    later = torch.arange(len(frames)) > 0
    opened, shut = later & (video.blink < OPEN_BELOW), later & (video.blink > SHUT_ABOVE)
    wide = later & (video.opening >= MOST_OPEN * video.opening.max()) & (video.opening > OPEN_BELOW)

    change = (true[1:] - true[:-1]).abs().mean(-1)
    near = change < STILL_BELOW
    near[0] = False
    changed = (frames[1:] - frames[:-1]).abs().mean(-1)
    whole = _decibels(error[later])
    contrast = mean(_contrast(frames[i], eyes[i]) for i in opened.nonzero()[:, 0])
    return DetailFigures(
        videos=1,
        whole=whole,
        mouth=_decibels(error[later][mouth[later]]),
        open_eyes=_decibels(error[opened][eyes[opened]]),
        closed_eyes=_decibels(error[shut][eyes[shut]]),
        worst=whole,
        contrast=contrast / _contrast(portrait, eyes[0]),
        mouth_kept=_kept(frames[wide], true[wide], portrait, mouth[wide]),
        lids_kept=_kept(frames[shut], true[shut], portrait, eyes[shut]),
        flicker=float(changed[near].mean() / change[near].mean()),
        still=flicker(frames[1:], still_pixels(true)),
    )


def milliseconds(restorer: DetailRestorer, size: int, decoded: int = 128, rounds: int = 10) -> float:
    """Median time of a frame of ``decoded`` square pixels restored to ``size`` square pixels, 8 in a call."""
    generator = torch.Generator().manual_seed(0)
    coarse = torch.rand(1, 3, 12, 12, generator=generator)
    portrait = F.interpolate(coarse, size=(size, size), mode="bicubic").clamp(0, 1)
    small = F.interpolate(portrait, size=(decoded, decoded), mode="area")[0].permute(1, 2, 0)
    large = portrait[0].permute(1, 2, 0)
    points = torch.tensor([[0.36, 0.36], [0.64, 0.36], [0.5, 0.66]])
    frames = torch.stack([small.roll(index % 3, dims=0) for index in range(8)])
    seconds = []
    for _ in range(rounds + 1):
        started = time.perf_counter()
        restorer.restore(frames, large, small, points)
        seconds.append((time.perf_counter() - started) / len(frames))
    return 1000 * median(seconds[1:])


def _by_frame(video: DetailVideo, form: Callable[[Tensor, Tensor, Tensor], Tensor]) -> Tensor:
    """``form`` of (frame, portrait, decoded portrait), as planes (1, 3, ...), for every frame."""
    portrait, decoded = (p[None].movedim(-1, 1) for p in (video.true[0], video.decoded_portrait))
    frames = [form(frame[None].movedim(-1, 1), portrait, decoded) for frame in video.decoded]
    return torch.cat(frames).clamp(0, 1).movedim(1, -1)


def _residual_in_place(frame: Tensor, portrait: Tensor, decoded: Tensor) -> Tensor:
    size = portrait.shape[-2:]
    return resize(frame, size) + portrait - resize(decoded, size)


def _without_flow(frame: Tensor, portrait: Tensor, decoded: Tensor) -> Tensor:
    size = portrait.shape[-2:]
    return torch.lerp(resize(frame, size), portrait, resize(trust(frame, decoded), size).clamp(0, 1))


def _residual_along_flow(frame: Tensor, portrait: Tensor, decoded: Tensor) -> Tensor:
    size = portrait.shape[-2:]
    flow, share = analyze(frame, decoded, None)
    residual = warp(portrait - resize(decoded, size), resize_flow(flow, size))
    return resize(frame, size) + resize(share, size).clamp(0, 1) * residual


def _decibels(error: Tensor) -> float:
    return to_decibels(float(error.mean())) if error.numel() else float("nan")


def _contrast(picture: Tensor, inside: Tensor) -> float:
    """Standard deviation of the brightness of (H, W, 3) inside the mask (H, W); NaN if that is empty."""
    return float(picture.mean(-1)[inside].std()) if int(inside.sum()) > 1 else float("nan")


def _kept(frames: Tensor, true: Tensor, portrait: Tensor, inside: Tensor) -> float:
    """Share of the true difference from the portrait in the frames: a projection, 1 at the truth."""
    wanted, found = (true - portrait)[inside], (frames - portrait)[inside]
    return float((wanted * found).sum() / wanted.square().sum()) if bool(wanted.any()) else float("nan")
