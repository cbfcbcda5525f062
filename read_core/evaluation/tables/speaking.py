"""The tables of talks: lips, eyes, head and seams of all faces, of each seed, of groups, and face by face."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...geometry import FPS
from ..figures import INTERVAL, column, mean, mean_figures, part
from ..material.labels import Labels, groups_of
from ..metrics.codec_detail import Coded
from ..metrics.intervals import Estimate, difference_of_means, ratio_of_means
from ..metrics.sync import ShutCases

if TYPE_CHECKING:
    from ..suites.speaking import Speaking
    from ..suites.talk_results import TalkResult
    from .report import Report

LIPS, REST = "Speaking: lips", "Speaking: eyes, head and seams"
CODEC, GROUPS, FACES = "Speaking: through the codec", "Speaking: groups", "Speaking: face by face"
_LIP_NOTE = (
    "The truth is the talk as rendered at {side} pixels. The model gets its first frame as an aligned "
    "portrait. The video is read at {side} pixels, as users get it. A face's figure is the mean over its "
    "{seeds} seeds; means and intervals are over faces. Open, width and round r: correlation with the true "
    "tracks. Range: 5th to 95th percentile of the opening, divided by that of the truth as read. p b m shut, "
    "by chance and opening in pauses: as in the table Lips, relative to the range of the truth as read. As "
    "rendered: the reader's readings of the truth."
)
_REST_NOTE = (
    "Blinks: those of all videos, divided by those read in the truth. Faded eyes: share of the frames with "
    "open eyes in which one eye has less than half of the portrait's contrast. Contrast: mean of both eyes "
    "in these frames, divided by the portrait's. All three leave out faces with dark glasses. Head: root "
    "mean square motion of the face's upper half, divided by the truth's. "
    "Clips / latents: difference of frames where clips meet, divided by that where latents of a clip meet."
)
_CODEC_NOTE = (
    "The first clip of each talk through the VAE and the same finishing as a video; decibels at {side} "
    "pixels compared with the talk as rendered, mean over faces. The readings are an upper bound for "
    "generated videos. Eyes in blinks: how far open the eyes are read while they are shut."
)
_GROUP_NOTE = "By labels set by hand; groups of at least 12 faces, all seeds. {missing}"


@dataclass(frozen=True)
class TalkLips:
    """Lips in the videos of several faces.

    Attributes:
        faces: how many there are.
        opening: correlation of the opening; ``least``: of the face with least.
        width, rounding: correlations of the others.
        span: of the opening, by the truth's.
        closures: how many p, b and m there are.
        closed, chance, quiet: see ``metrics.sync.ShutCases``; ``above_chance``: closed less chance.
    """

    faces: int = column("faces")
    opening: Estimate = column("open r", INTERVAL)
    least: float = column("least face")
    width: float = column("width r")
    rounding: float = column("round r")
    span: Estimate = column("range", INTERVAL)
    closures: int = column("p b m")
    closed: float = column("p b m shut")
    chance: float = column("by chance")
    above_chance: float = column("above chance")
    quiet: float = column("opening in pauses")


@dataclass(frozen=True)
class TalkRest:
    """Eyes, head and seams in the videos of several faces.

    Attributes:
        faces: how many there are.
        blinks: a minute.
        blink_share: blinks by those of the truths.
        faded: share of the frames with open eyes in which an eye has faded.
        contrast: of open eyes, by the portrait's.
        head: motion by the truth's.
        clips_by_latents: jump where clips meet by that where latents meet.
    """

    faces: int = column("faces")
    blinks: float = column("blinks a minute")
    blink_share: float = column("blinks, of the truth")
    faded: float = column("faded eyes")
    contrast: float = column("contrast")
    head: Estimate = column("head", INTERVAL)
    clips_by_latents: Estimate = column("clips / latents", INTERVAL)


@dataclass(frozen=True)
class TalkCodec:
    """What is left of the talks of several faces after the codec, in the mean."""

    faces: int = column("faces")
    coded: Coded = part(Coded)


@dataclass(frozen=True)
class TalkFigures:
    """All figures of the talks of a kind."""

    lips: TalkLips
    rest: TalkRest
    codec: TalkCodec


@dataclass(frozen=True)
class GroupFigures:
    """A group of faces with the same label; the fields are those of the other tables."""

    faces: int = column("faces")
    opening: Estimate = column("open r", INTERVAL)
    span: Estimate = column("range", INTERVAL)
    closed: float = column("p b m shut")
    faded: float = column("faded eyes")
    blink_share: float = column("blinks, of the truth")


@dataclass(frozen=True)
class FaceFigures:
    """One face; the fields are those of the other tables."""

    synthesizer: str = column("said by")
    labels: str = column("labels")
    rendered: float = column("as rendered r")
    opening: float = column("open r")
    least: float = column("least seed")
    width: float = column("width r")
    rounding: float = column("round r")
    span: float = column("range")
    closed: float = column("p b m shut")
    quiet: float = column("opening in pauses")
    blink_share: float = column("blinks, of the truth")
    faded: float = column("faded eyes")
    head: float = column("head")


def add_speaking(
    report: Report, results: Sequence[TalkResult], side: int, labels: Labels
) -> dict[str, TalkFigures]:
    """All tables of talks; each kind has its rows where it has talks. The figures of each kind."""
    kinds = {
        kind: [each for each in results if each.kind == kind]
        for kind in dict.fromkeys(s.kind for s in results)
    }
    seeds = len(results[0].generated)
    lips: list[tuple[str, TalkLips]] = []
    rest: list[tuple[str, TalkRest]] = []
    found: dict[str, TalkFigures] = {}
    for kind, own in kinds.items():
        rows: dict[str, list[tuple[Speaking, ...]]] = {
            f"{kind}, as rendered": [(each.rendered,) for each in own]
        }
        rows[kind] = [each.generated for each in own]
        for index in range(seeds):
            rows[f"{kind}, seed {index + 1}"] = [(each.generated[index],) for each in own]
        for speaker in dict.fromkeys(each.synthesizer for each in own):
            rows[f"{kind}, {speaker}"] = [each.generated for each in own if each.synthesizer == speaker]
        lips += [(name, talk_lips(videos)) for name, videos in rows.items()]
        rest += [(name, talk_rest(videos)) for name, videos in rows.items()]
        codec = TalkCodec(len(own), mean_figures([each.coded for each in own]))
        found[kind] = TalkFigures(talk_lips(rows[kind]), talk_rest(rows[kind]), codec)
    report.add_figures(LIPS, "videos", TalkLips, lips, _LIP_NOTE.format(side=side, seeds=seeds))
    report.add_figures(REST, "videos", TalkRest, rest, _REST_NOTE)
    codecs = [(kind, figures.codec) for kind, figures in found.items()]
    report.add_figures(CODEC, "talks", TalkCodec, codecs, _CODEC_NOTE.format(side=side))
    _add_groups(report, results, labels)
    report.add_figures(FACES, "face", FaceFigures, [(each.name, _of_face(each, labels)) for each in results])
    return found


def talk_lips(faces: Sequence[Sequence[Speaking]]) -> TalkLips:
    """Of the videos of each face."""
    opening = [mean(video.sync.opening for video in videos) for videos in faces]
    cases = sum((video.sync.cases for videos in faces for video in videos), ShutCases())
    return TalkLips(
        faces=len(faces),
        opening=mean_of(opening),
        least=min(opening),
        width=mean(video.sync.width for videos in faces for video in videos),
        rounding=mean(video.sync.rounding for videos in faces for video in videos),
        span=mean_of([mean(video.span for video in videos) for videos in faces]),
        closures=cases.closures,
        closed=cases.closed,
        chance=cases.chance,
        above_chance=cases.closed - cases.chance,
        quiet=cases.quiet,
    )


def talk_rest(faces: Sequence[Sequence[Speaking]]) -> TalkRest:
    """Of the videos of each face."""
    seen = [video for videos in faces for video in videos if video.seen]
    minutes = sum(video.frames for video in seen) / FPS / 60
    return TalkRest(
        faces=len(faces),
        blinks=sum(video.blinks for video in seen) / minutes if minutes else float("nan"),
        blink_share=blink_share(seen),
        faded=faded_share(seen),
        contrast=mean(video.contrast for video in seen),
        head=ratio_of_means(
            [mean(video.head for video in videos) for videos in faces],
            [videos[0].true_head for videos in faces],
        ),
        clips_by_latents=ratio_of_means(
            [mean(video.seams.clips for video in videos) for videos in faces],
            [mean(video.seams.latents for video in videos) for videos in faces],
        ),
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


def _add_groups(report: Report, results: Sequence[TalkResult], labels: Labels) -> None:
    faces = [each for each in results if each.face]
    if not faces:
        return
    rows: list[tuple[str, GroupFigures]] = []
    for name, members in groups_of([labels.get(each.face, {}) for each in faces]).items():
        videos = [faces[index].generated for index in members]
        every = [video for own in videos for video in own]
        figures = GroupFigures(
            faces=len(members),
            opening=mean_of([mean(video.sync.opening for video in own) for own in videos]),
            span=mean_of([mean(video.span for video in own) for own in videos]),
            closed=sum((video.sync.cases for video in every), ShutCases()).closed,
            faded=faded_share(every),
            blink_share=blink_share(every),
        )
        rows.append((name, figures))
    bare = sum(each.face not in labels for each in faces)
    missing = f"{bare} of {len(faces)} faces have no labels." if bare else ""
    report.add_figures(GROUPS, "group", GroupFigures, rows, _GROUP_NOTE.format(missing=missing).strip())


def _of_face(each: TalkResult, labels: Labels) -> FaceFigures:
    videos = each.generated
    cases = sum((video.sync.cases for video in videos), ShutCases())
    opening = [video.sync.opening for video in videos]
    own = ", ".join(f"{name} {value}" for name, value in labels.get(each.face, {}).items())
    return FaceFigures(
        synthesizer=each.synthesizer,
        labels=own or "-",
        rendered=each.rendered.sync.opening,
        opening=mean(opening),
        least=min(opening),
        width=mean(video.sync.width for video in videos),
        rounding=mean(video.sync.rounding for video in videos),
        span=mean(video.span for video in videos),
        closed=cases.closed,
        quiet=cases.quiet,
        blink_share=blink_share(videos),
        faded=faded_share(videos),
        head=ratio_of_means([mean(video.head for video in videos)], [videos[0].true_head]).value,
    )
