"""The main suite: all figures of a checkpoint's card, on held-out faces, sentences and voices."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from ...records import SamplingSettings
from ..material.gallery import draw_gallery
from ..material.labels import read_labels
from ..material.sample_set import SampleSet
from ..material.samples import draw_samples
from ..material.talks import closed_stills
from ..material.videos import VideoGenerator
from ..metrics.seams import whole_clips
from ..pictures.sheets import save_faces, save_mouths
from ..tables.aims import Found, add_aims
from ..tables.codec import add_pictures, check_codec
from ..tables.identity import add_drift, add_identity
from ..tables.lips import add_lips
from ..tables.metadata import report_metadata
from ..tables.report import Report, make_folder
from ..tables.seams import add_seams
from .speaking_suite import SpeakingSize, add_talks

if TYPE_CHECKING:
    from ...pipeline import ReadPipeline
    from .talk_results import Workers


@dataclass(frozen=True)
class SuiteSize:
    """Size of the suite; it determines the time.

    Attributes:
        count: videos of the main table, half of them by flite.
        clips: clips of each, at least 2 for seams.
        independent: videos that are also sampled clip by clip.
        drift_clips: clips of the long video.
        codec_clips: training clips that the linear codec is fitted on, 33 frames each.
        codec_components: numbers per block of the linear codec; 0: as many as the VAE has channels.
        gallery: other faces that a face could be taken for.
        sheets: videos shown on the contact sheets.
        speaking: size of the talks.
    """

    count: int = 12
    clips: int = 3
    independent: int = 12
    drift_clips: int = 9
    codec_clips: int = 96
    codec_components: int = 0
    gallery: int = 200
    sheets: int = 6
    speaking: SpeakingSize = field(default_factory=SpeakingSize)


QUICK = SuiteSize(
    count=2,
    clips=2,
    independent=2,
    drift_clips=2,
    codec_clips=16,
    gallery=12,
    sheets=2,
    speaking=SpeakingSize(drawn=2, faces=2, seeds=1, real=1, sheets=2),
)


def run_suite(
    pipe: ReadPipeline,
    size: SuiteSize,
    out: Path,
    seed: int = 0,
    faces: Path | None = None,
    workers: Workers | None = None,
) -> Report:
    """Measure a checkpoint on the test split and write report, plots and contact sheets into ``out``.

    Args:
        pipe: the checkpoint.
        size: how much of everything.
        out: folder of the results.
        seed: of the noise.
        faces: folder of portraits whose test faces are animated, see ``corpus.photo.stills``; None: none are.
        workers: measure talks in several processes; None: in this one.

    Results of talks stay in ``out`` until the report is written, so a stopped evaluation continues with them.

    Raises:
        InputError: too few training clips for the linear codec, or a folder of portraits that cannot be read.
        SynthesizerError: espeak-ng is not installed (flite is left out with a warning).
        MediaError: ``out`` cannot be written.
    """
    components = size.codec_components or pipe.transformer.config.in_channels
    check_codec(size.codec_clips, components, pipe.card.resolution)
    if faces is not None:
        closed_stills(faces, "test")
        read_labels(faces)
    make_folder(out)
    window = pipe.defaults.window
    one_clip = whole_clips(1, window)
    card = pipe.card
    samples = draw_samples(
        "test", size.count, whole_clips(size.clips, window), card.resolution, layout=card.face
    )
    sample_set = SampleSet(VideoGenerator(pipe), samples, SamplingSettings(seed=seed))
    galleries = [draw_gallery(sample, size.gallery) for sample in samples]
    metadata = report_metadata(pipe, seed, size)
    report = Report(f"{pipe.card.name} on held-out faces, sentences and voices", metadata)
    lips = add_lips(report, sample_set)
    codec = add_pictures(report, sample_set, one_clip, size.codec_clips, components)
    seams = add_seams(report, sample_set, galleries[: size.independent], out / "seams.png")
    identity = add_identity(report, sample_set, galleries)
    add_drift(report, sample_set, size.drift_clips, size.gallery)
    talks, real, kept = add_talks(report, pipe, size.speaking, out, seed, faces, workers)
    found = Found(lips, codec, seams, identity, talks, real)
    add_aims(report, found, card.resolution, card.face is not None)
    report.write(out, "report")
    kept.remove()
    shown = [
        (sample, sample_set.generator.reconstructed(sample.frames), video.frames)
        for sample, video in list(zip(samples, sample_set.videos, strict=True))[: size.sheets]
    ]
    save_faces(shown, out / "sheet.png")
    save_mouths(shown, out / "mouths.png")
    return report
