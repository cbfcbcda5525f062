"""The tables of talks: lips, eyes, head and seams of all faces, of each seed, of groups, and face by face."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ...geometry import FPS
from ..material.labels import Labels, groups_of
from ..metrics.intervals import Estimate, difference_of_means, ratio_of_means
from ..metrics.sync import ShutCases
from .report import Cell, Report, mean

if TYPE_CHECKING:
    from ..suites.speaking import Speaking
    from ..suites.speaking_run import Spoken

LIPS, REST = "Speaking: lips", "Speaking: eyes, head and seams"
CODEC, GROUPS, FACES = "Speaking: through the codec", "Speaking: groups", "Speaking: face by face"
LIP_COLUMNS = (
    "faces", "open r", "95 %", "least face", "width r", "round r", "range", "95 %", "p b m", "p b m shut",
    "by chance", "above chance", "opening in pauses",
)  # fmt: skip
REST_COLUMNS = (
    "faces", "blinks a minute", "blinks, of the truth", "faded eyes", "head", "95 %", "clips / latents",
    "95 %",
)  # fmt: skip
CODEC_COLUMNS = (
    "faces", "whole (dB)", "mouth (dB)", "eyes (dB)", "open r", "width r", "round r", "range",
    "eyes in blinks", "as rendered",
)  # fmt: skip
GROUP_COLUMNS = (
    "faces", "open r", "95 %", "range", "95 %", "p b m shut", "faded eyes", "blinks, of the truth",
)  # fmt: skip
FACE_COLUMNS = (
    "said by", "labels", "as rendered r", "open r", "least seed", "width r", "round r", "range",
    "p b m shut", "opening in pauses", "blinks, of the truth", "faded eyes", "head",
)  # fmt: skip
_LIP_NOTE = (
    "Truth is the talk as it was rendered at {side} pixels; the model was given its first frame as an "
    "aligned portrait, and what is read is the video at {side} pixels as users get it. A face's figure is "
    "the mean over its {seeds} seeds; means and intervals are over faces. Open, width and round r: "
    "correlation with the true tracks; range: 5th to 95th percentile of the opening, by the truth's as read; "
    "p b m shut, by chance and opening in pauses: as in the table Lips, every case alike, in the range of "
    "the truth. As rendered: what the reader finds in the truth itself."
)
_REST_NOTE = (
    "Blinks: of all videos together, by those read in the truth. Faded eyes: share of the frames with open "
    "eyes in which one eye has less than half of the portrait's contrast; faces behind dark glasses are left "
    "out of both. Head: root mean square motion of the face's upper half by the truth's, from the flow. "
    "Clips / latents: jump where clips meet by that where latents of a clip meet."
)
_CODEC_NOTE = (
    "The first clip of each talk through the VAE, then finished as a video is; decibels at {side} pixels "
    "against the talk as it was rendered, mean over faces. What is still read of it bounds what can be "
    "generated. Eyes in blinks: how far open they are read where they are shut."
)
_GROUP_NOTE = "By the labels that somebody gave by hand; groups of at least 12 faces, of all seeds. {missing}"


def add_speaking(report: Report, spoken: Sequence[Spoken], side: int, labels: Labels) -> None:
    """All tables of talks; each kind has its rows where it has talks."""
    kinds = {
        kind: [each for each in spoken if each.kind == kind] for kind in dict.fromkeys(s.kind for s in spoken)
    }
    seeds = len(spoken[0].generated)
    lips: list[tuple[Cell, ...]] = []
    rest: list[tuple[Cell, ...]] = []
    codec: list[tuple[Cell, ...]] = []
    for kind, own in kinds.items():
        rows: dict[str, list[tuple[Speaking, ...]]] = {
            f"{kind}, as rendered": [(each.rendered,) for each in own]
        }
        rows[kind] = [each.generated for each in own]
        for index in range(seeds):
            rows[f"{kind}, seed {index + 1}"] = [(each.generated[index],) for each in own]
        for speaker in dict.fromkeys(each.synthesiser for each in own):
            rows[f"{kind}, {speaker}"] = [each.generated for each in own if each.synthesiser == speaker]
        lips += [(name, *lip_cells(videos)) for name, videos in rows.items()]
        rest += [(name, *rest_cells(videos)) for name, videos in rows.items()]
        codec.append((kind, *_codec_cells(own)))
    report.add(LIPS, ("videos", *LIP_COLUMNS), lips, _LIP_NOTE.format(side=side, seeds=seeds))
    report.add(REST, ("videos", *REST_COLUMNS), rest, _REST_NOTE)
    report.add(CODEC, ("talks", *CODEC_COLUMNS), codec, _CODEC_NOTE.format(side=side))
    _add_groups(report, spoken, labels)
    report.add(FACES, ("face", *FACE_COLUMNS), [_face_row(each, labels) for each in spoken])


def lip_cells(faces: Sequence[Sequence[Speaking]]) -> tuple[Cell, ...]:
    """LIP_COLUMNS of the videos of each face."""
    opening = [mean(video.sync.opening for video in videos) for videos in faces]
    span = [mean(video.span for video in videos) for videos in faces]
    cases = sum((video.sync.cases for videos in faces for video in videos), ShutCases())
    return (
        len(faces),
        *_cells(mean_of(opening)),
        min(opening),
        mean(video.sync.width for videos in faces for video in videos),
        mean(video.sync.rounding for videos in faces for video in videos),
        *_cells(mean_of(span)),
        cases.closures,
        cases.closed,
        cases.chance,
        cases.closed - cases.chance,
        cases.quiet,
    )


def rest_cells(faces: Sequence[Sequence[Speaking]]) -> tuple[Cell, ...]:
    """REST_COLUMNS of the videos of each face."""
    head = ratio_of_means(
        [mean(video.head for video in videos) for videos in faces], [videos[0].true_head for videos in faces]
    )
    clips, latents = (
        [mean(getattr(video.seams, name) for video in videos) for videos in faces]
        for name in ("clips", "latents")
    )
    seen = [video for videos in faces for video in videos if video.seen]
    minutes = sum(video.frames for video in seen) / FPS / 60
    return (
        len(faces),
        sum(video.blinks for video in seen) / minutes if minutes else float("nan"),
        blink_share(seen),
        faded_share(seen),
        *_cells(head),
        *_cells(ratio_of_means(clips, latents)),
    )


def mean_of(values: Sequence[float]) -> Estimate:
    """The mean of a figure of each face, with its 95 % interval."""
    return difference_of_means(values, [0.0] * len(values))


def blink_share(videos: Sequence[Speaking]) -> float:
    """Blinks of all videos by those of their truths; NaN where those never blink."""
    true = sum(video.true_blinks for video in videos)
    return sum(video.blinks for video in videos) / true if true else float("nan")


def faded_share(videos: Sequence[Speaking]) -> float:
    """Share of frames with open eyes in which an eye has faded; NaN if there are none."""
    seen = sum(video.seen for video in videos)
    return sum(video.faded for video in videos) / seen if seen else float("nan")


def _codec_cells(own: Sequence[Spoken]) -> tuple[Cell, ...]:
    names = ("whole", "mouth", "eyes", "opening", "width", "rounding", "span", "lids", "true_lids")
    return (len(own), *(mean(getattr(each.coded, name) for each in own) for name in names))


def _add_groups(report: Report, spoken: Sequence[Spoken], labels: Labels) -> None:
    faces = [each for each in spoken if each.face]
    if not faces:
        return
    rows: list[tuple[Cell, ...]] = []
    for name, members in groups_of([labels.get(each.face, {}) for each in faces]).items():
        videos = [faces[index].generated for index in members]
        every = [video for own in videos for video in own]
        cases = sum((video.sync.cases for video in every), ShutCases())
        opening = mean_of([mean(video.sync.opening for video in own) for own in videos])
        span = mean_of([mean(video.span for video in own) for own in videos])
        figures = (*_cells(opening), *_cells(span), cases.closed, faded_share(every), blink_share(every))
        rows.append((name, len(members), *figures))
    bare = sum(each.face not in labels for each in faces)
    missing = f"{bare} of {len(faces)} faces have no labels." if bare else ""
    report.add(GROUPS, ("group", *GROUP_COLUMNS), rows, _GROUP_NOTE.format(missing=missing).strip())


def _face_row(each: Spoken, labels: Labels) -> tuple[Cell, ...]:
    videos = each.generated
    cases = sum((video.sync.cases for video in videos), ShutCases())
    opening = [video.sync.opening for video in videos]
    own = ", ".join(f"{name} {value}" for name, value in labels.get(each.face, {}).items())
    return (
        each.name,
        each.synthesiser,
        own or "-",
        each.rendered.sync.opening,
        mean(opening),
        min(opening),
        mean(video.sync.width for video in videos),
        mean(video.sync.rounding for video in videos),
        mean(video.span for video in videos),
        cases.closed,
        cases.quiet,
        blink_share(videos),
        faded_share(videos),
        ratio_of_means([mean(video.head for video in videos)], [videos[0].true_head]).value,
    )


def _cells(estimate: Estimate) -> tuple[float, str]:
    return estimate.value, estimate.interval
