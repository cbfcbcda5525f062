"""The suite: everything that the card of a checkpoint shows, on held-out faces, sentences and voices."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from tqdm import tqdm

from ..ans import frames_of_clips
from ..errors import InputError
from ..geometry import FPS, frames_of_latents
from .drift import measure_drift
from .guidance import describe, guidance_forms
from .linear_codec import LinearCodec, blocks_of
from .material import Sample, draw_gallery, draw_sample, draw_samples
from .mouth import mouth_shape
from .pictures import save_comparison
from .plots import plot_trade_off
from .psnr import psnr, psnr_in_boxes
from .report import Cell, Report, make_folder, mean
from .seams import SeamScore, clip_starts, flicker, score_seams, still_pixels
from .sync import CLOSED, SyncScore, common_lag, score_sync
from .videos import Setting, Studio, Video

if TYPE_CHECKING:
    from torch import Tensor

    from ..pipeline import ReadPipeline

T = TypeVar("T")

_CODEC_FRAMES = 33
_GALLERY_SEED = 10_000
_LONG_SEED = 5_000
_FIT_SEED = 20_000


@dataclass(frozen=True)
class SuiteSize:
    """How much of everything; time grows with it.

    Attributes:
        count: videos of the main table, half of them by flite.
        clips: clips of each, at least 2 for seams.
        steps: the steps of the guidance table.
        grid_count: videos of each cell of that table, one clip long.
        independent: videos that are also sampled clip by clip.
        drift_clips: clips of the long video.
        codec_clips: training clips that the linear codec is fitted on, 33 frames each.
        codec_components: numbers per block of the linear codec; 0: as many as the VAE has channels.
        gallery: other faces that a face could be taken for.
        sheets: videos shown on the contact sheet.
    """

    count: int = 12
    clips: int = 2
    steps: tuple[int, ...] = (4, 6, 8, 10)
    grid_count: int = 4
    independent: int = 6
    drift_clips: int = 9
    codec_clips: int = 96
    codec_components: int = 0
    gallery: int = 40
    sheets: int = 6


QUICK = SuiteSize(
    count=2, steps=(4, 8), grid_count=1, independent=1, drift_clips=3, codec_clips=16, gallery=12, sheets=2
)


def run_suite(pipe: ReadPipeline, size: SuiteSize, out: Path, seed: int = 0) -> Report:
    """Measure a checkpoint on the test split and write report, plot and contact sheet into ``out``.

    Raises:
        InputError: too few training clips for the linear codec.
        SynthesiserError: espeak-ng is not installed (flite is left out with a warning).
        MediaError: ``out`` cannot be written.
    """
    make_folder(out)
    suite = Suite(pipe, size, seed)
    report = Report(
        f"{pipe.card.name} on held-out faces, sentences and voices",
        {
            "resolution": "x".join(map(str, pipe.card.resolution)),
            "steps": pipe.defaults.steps,
            "guidance": str(pipe.defaults.guidance.to_dict()),
            "seed": seed,
            "size": str(asdict(size)),
        },
    )
    suite.lips(report)
    suite.pictures(report)
    suite.seams(report)
    cells = suite.guidance(report)
    suite.drift(report)
    report.write(out, "report")
    rows = [(sample.frames, video.frames) for sample, video in suite.shown()]
    save_comparison(rows, out / "sheet.png")
    plot_trade_off(cells, out / "guidance.png")
    return report


class Suite:
    """The parts of the suite, each of which adds tables to a report."""

    def __init__(self, pipe: ReadPipeline, size: SuiteSize, seed: int = 0) -> None:
        self.pipe = pipe
        self.size = size
        self.seed = seed
        self.studio = Studio(pipe)
        self.window = pipe.defaults.window
        frames = self.frames_of(size.clips)
        self.components = size.codec_components or pipe.transformer.config.in_channels
        blocks = size.codec_clips * blocks_of(_CODEC_FRAMES, *pipe.card.resolution)
        if blocks <= self.components:
            raise InputError(
                f"codec_clips is {size.codec_clips}: {blocks} blocks cannot give {self.components} components"
            )
        self.samples = draw_samples("test", size.count, frames, pipe.card.resolution)
        self._videos: list[Video] = []

    def frames_of(self, clips: int) -> int:
        """Frames of a video of so many whole clips."""
        return frames_of_latents(frames_of_clips(clips, self.window) + 1)

    def shown(self) -> Iterator[tuple[Sample, Video]]:
        """Samples and videos of the contact sheet."""
        return zip(self.samples[: self.size.sheets], self.videos[: self.size.sheets], strict=True)

    @property
    def videos(self) -> list[Video]:
        """The samples' videos with the checkpoint's defaults, made when first asked for."""
        if not self._videos:
            setting = Setting(seed=self.seed)
            work = shown_work(self.samples, "generating")
            self._videos = [self.studio.asynchronous(sample, setting) for sample in work]
        return self._videos

    def lips(self, report: Report) -> None:
        """Mouth tracks of renders and generated videos, per video and in all."""
        truths = [sample.mouth for sample in self.samples]
        others = len(truths) > 1
        scores = [
            score_sync(video.mouth, sample.mouth, sample.phonemes, truths[index - 1] if others else None)
            for index, (sample, video) in enumerate(zip(self.samples, self.videos, strict=True))
        ]
        drawn = [mouth_shape(sample.frames) for sample in self.samples]
        measure = [score_sync(x, s.mouth, s.phonemes) for x, s in zip(drawn, self.samples, strict=True)]
        tracks = [
            (video.mouth[:, 0], sample.mouth[:, 0])
            for video, sample in zip(self.videos, self.samples, strict=True)
        ]
        truly = zip(drawn, self.samples, strict=True)
        lag_of_drawn = common_lag([(x[:, 0], s.mouth[:, 0]) for x, s in truly])[0]
        rows = [("drawn (the measure itself)", lag_of_drawn, *lip_row(measure))]
        rows.append(("generated", common_lag(tracks)[0], *lip_row(scores)))
        for speaker in dict.fromkeys(sample.synthesiser for sample in self.samples):
            own = [i for i, sample in enumerate(self.samples) if sample.synthesiser == speaker]
            lag = common_lag([tracks[i] for i in own])[0]
            rows.append((f"generated, {speaker}", lag, *lip_row([scores[i] for i in own])))
        columns = (
            "videos", "best lag", "count", "open r", "least", "width r", "round r", "shuffled r",
            "p b m shut", "silence shut",
        )  # fmt: skip
        report.add(
            "Lips",
            columns,
            rows,
            "Pearson correlation of the measured mouth tracks with the true ones, mean over videos; least: "
            "the opening's in the worst video. Best lag: of all videos together, in frames of 40 ms; "
            f"shuffled: against another video's track; shut: opening below {CLOSED}.",
        )
        report.add(
            "Lips, video by video",
            ("video", "skin tone", "measure r", "open r", "width r", "round r", "lag", "shuffled r"),
            [
                (s.name, s.skin_tone, m.opening, x.opening, x.width, x.rounding, x.lag, x.shuffled)
                for s, m, x in zip(self.samples, measure, scores, strict=True)
            ],
            "Skin tone: 0 very light .. 1 very dark. Measure r: on the drawn video itself.",
        )

    def pictures(self, report: Report) -> None:
        """PSNR of the VAE and of a linear codec of the same compression, and lips after them."""
        codec = self._linear_codec()
        frames = self.frames_of(1)
        rows: list[tuple[Cell, ...]] = []
        for name, code in (("VAE", self.studio.reconstructed), ("linear codec", codec)):
            parts = [_picture_row(s, frames, code) for s in shown_work(self.samples, name)]
            rows.append((name, len(parts), *(mean(column) for column in zip(*parts, strict=True))))
        report.add(
            "Pictures",
            ("codec", "videos", "PSNR (dB)", "mouth box (dB)", "least (dB)", "open r after it", "flicker"),
            rows,
            f"Held-out videos of {frames} frames, coded and decoded; means over videos, least: of each "
            "video's worst frame. The linear codec is a PCA of blocks of 8 x 32 x 32 pixels with "
            f"{codec.components} numbers each, fitted on training videos. Flicker: mean difference of "
            "neighbouring frames where the drawn background stands still, in 1/255.",
        )

    def seams(self, report: Report) -> None:
        """Jumps between clips with the asynchronous scheduler, without it, and in drawn videos."""
        samples = self.samples[: self.size.independent]
        latents = frames_of_clips(self.size.clips, self.window)
        boundaries = clip_starts(latents, self.window)
        alone = [
            self.studio.independent(s, Setting(seed=self.seed)).frames
            for s in shown_work(samples, "clips without ANS")
        ]
        kinds: list[tuple[str, Sequence[Tensor]]] = [
            ("drawn", [s.frames for s in samples]),
            ("through the VAE", [self.studio.reconstructed(s.frames) for s in samples]),
            ("generated with ANS", [video.frames for video in self.videos[: len(samples)]]),
            ("clips sampled independently", alone),
        ]
        still: list[Tensor | None] = [still_pixels(sample.frames) for sample in samples]
        everywhere: list[Tensor | None] = [None] * len(samples)
        for title, places in (("Seams", everywhere), ("Seams in the still background", still)):
            rows: list[tuple[Cell, ...]] = []
            for name, videos in kinds:
                scores = [
                    score_seams(frames, boundaries, where)
                    for frames, where in zip(videos, places, strict=True)
                    if where is None or bool(where.any())
                ]
                rows.append((name, len(scores), *_seam_row(scores)))
            report.add(
                title,
                ("videos", "count", "clips", "latents", "inside", "clips / latents", "clips / inside"),
                rows,
                "Mean difference of neighbouring frames, in 1/255: where clips meet, where latents of a clip "
                "meet, within a latent. 1 is seamless in the ratios.",
            )

    def guidance(self, report: Report) -> list[tuple[str, int, float, float]]:
        """Quality against seconds for each guidance and number of steps: (kind, steps, seconds, open r)."""
        frames = self.frames_of(1)
        samples = [sample.cut(frames) for sample in self.samples[: self.size.grid_count]]
        forms = guidance_forms(self.pipe.defaults.guidance)
        rows, cells = [], []
        with tqdm(total=len(forms) * len(self.size.steps) * len(samples), desc="guidance") as progress:
            for form in forms:
                for steps in self.size.steps:
                    setting = Setting(form, steps, self.seed)
                    made = []
                    for sample in samples:
                        made.append((sample, self.studio.asynchronous(sample, setting)))
                        progress.update()
                    scores = [score_sync(video.mouth, sample.mouth) for sample, video in made]
                    seconds = mean(video.seconds for _, video in made)
                    closeness = mean(psnr(video.frames, sample.frames) for sample, video in made)
                    opening = mean(score.opening for score in scores)
                    rest = mean(0.5 * (score.width + score.rounding) for score in scores)
                    rows.append((describe(form), steps, seconds, opening, rest, closeness))
                    cells.append((form.kind, steps, seconds, opening))
        report.add(
            "Guidance and steps",
            ("guidance", "steps", "seconds per clip", "open r", "width, round r", "PSNR to drawn (dB)"),
            rows,
            f"{len(samples)} videos of one clip ({frames / FPS:.2f} s) each; seconds of sampling and "
            "decoding on this machine. PSNR to the drawn video, whose head moves otherwise: it tells broken "
            "colours.",
        )
        return cells

    def drift(self, report: Report) -> None:
        """Colour and identity over one long video."""
        frames = self.frames_of(self.size.drift_clips)
        speaker = self.samples[-1].synthesiser
        sample = draw_sample(_LONG_SEED, "test", frames, self.pipe.card.resolution, speaker)
        gallery = draw_gallery(self.size.gallery, self.pipe.card.resolution, first_seed=_GALLERY_SEED)
        starts = [0, *(s + 1 for s in clip_starts(frames_of_clips(self.size.drift_clips, self.window),
                                                  self.window)), frames]  # fmt: skip
        video = self.studio.asynchronous(sample, Setting(seed=self.seed))
        made, drawn = (
            measure_drift([x[a:b] for a, b in pairwise(starts)],
                          sample.portrait, gallery)
            for x in (video.frames, sample.frames)
        )  # fmt: skip
        score = score_sync(video.mouth, sample.mouth, sample.phonemes)
        still = still_pixels(sample.frames)
        report.add(
            f"Drift over {frames} frames",
            ("clip", "face", "border", "likeness", "identity", "face, drawn", "border, drawn"),
            [
                (index + 1, *values)
                for index, values in enumerate(
                    zip(made.face, made.border, made.likeness, made.identity, drawn.face, drawn.border,
                        strict=True)
                )
            ],
            "Distance of mean colours from the first clip's, in 1/255. Likeness: correlation of the clip's "
            f"mean picture with the portrait; identity: share of {self.size.gallery} other faces that it is "
            "less like. Over the whole video the opening's correlation is "
            f"{score.opening:.3f} at lag 0 (best lag {score.lag}), the flicker of the background "
            f"{flicker(video.frames, still):.2f}.",
        )  # fmt: skip

    def _linear_codec(self) -> _CodedByPca:
        train = [
            draw_sample(_FIT_SEED + index, "train", _CODEC_FRAMES, self.pipe.card.resolution).frames
            for index in shown_work(range(self.size.codec_clips), "linear codec")
        ]
        return _CodedByPca(LinearCodec.fit(train, self.components))


class _CodedByPca:
    def __init__(self, codec: LinearCodec) -> None:
        self.codec = codec
        self.components = codec.basis.shape[1]

    def __call__(self, frames: Tensor) -> Tensor:
        return self.codec.decode(self.codec.encode(frames))


def lip_row(scores: Sequence[SyncScore]) -> tuple[float | int, ...]:
    """count, open r, least, width r, round r, shuffled r, closures, silence."""
    openings = [score.opening for score in scores]
    return (
        len(scores),
        mean(openings),
        min(openings),
        mean(score.width for score in scores),
        mean(score.rounding for score in scores),
        mean(score.shuffled for score in scores),
        mean(score.closures for score in scores),
        mean(score.silence for score in scores),
    )


def shown_work(items: Iterable[T], what: str) -> Iterator[T]:
    """``items`` with a progress bar."""
    yield from tqdm(items, desc=what, leave=False)


def _picture_row(sample: Sample, count: int, code: Callable[[Tensor], Tensor]) -> tuple[float, ...]:
    true = sample.frames[:count]
    decoded = code(true)
    boxes = sample.boxes[:count]
    opening = score_sync(mouth_shape(decoded), sample.mouth[:count]).opening
    return (
        psnr(decoded, true),
        psnr_in_boxes(decoded, true, boxes),
        min(psnr(a[None], b[None]) for a, b in zip(decoded, true, strict=True)),
        opening,
        flicker(decoded, still_pixels(sample.frames)),
    )


def _seam_row(scores: Sequence[SeamScore]) -> tuple[float, ...]:
    return (
        mean(s.clips for s in scores),
        mean(s.latents for s in scores),
        mean(s.inside for s in scores),
        mean(s.clips_over_latents for s in scores),
        mean(s.clips_over_inside for s in scores),
    )
