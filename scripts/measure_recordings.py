"""Measure how a checkpoint's mouths follow recordings of people.

    python scripts/measure_recordings.py RECORDING... [--texts FILE] [--checkpoint FOLDER] [--out FOLDER]

Every recording animates the photographs of real people that matplotlib and scikit-image contain. Recordings
of people have no true track of the mouth, so the opening is compared with the loudness. If ``--texts`` says
what a recording contains, lips are also compared with those of the text, aligned with the recording; this
needs espeak-ng. It writes the table as ``recordings.txt``, ``.md``, ``.csv`` and ``.json``.
"""

from __future__ import annotations

import argparse
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F

from read_core import ReadPipeline, SamplingSettings
from read_core.bundled import BUNDLED
from read_core.corpus.speech.alignment import align_text, espeak_voices
from read_core.corpus.speech.synthesis import SynthesizerError, require_synthesizer
from read_core.corpus.speech.visemes import mouth_track
from read_core.evaluation.figures import column, mean, mean_figures, part
from read_core.evaluation.metrics.face import read_face
from read_core.evaluation.metrics.span import opening_span
from read_core.evaluation.metrics.sync import best_lag, correlation, opening_range, relative_opening
from read_core.evaluation.suites.real import real_photographs
from read_core.evaluation.tables.aims import Aim, AimFigures
from read_core.evaluation.tables.metadata import weights_digest
from read_core.evaluation.tables.report import Report, make_folder
from read_core.evaluation.video_check import frame_loudness, smooth_loudness
from read_core.finish import Finishing
from read_core.geometry import FPS, SAMPLE_RATE
from read_core.media import read_audio

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

_PAUSE, _AROUND = 0.05, 9  # a pause: the loudest of 9 frames is below this share of the loudest frame
_NOTE = (
    "Loudness r: correlation of the mouth's opening with the loudness, averaged over 5 frames. Lag: frames "
    "by which the mouth is late at the best fit. Opening in pauses: mean, relative to the video's own range; "
    "pauses are frames whose neighborhood of 9 frames is below 5 % of the loudest. Range: 5th to 95th "
    "percentile of the opening, in units of 0.37 eye distances."
)
_TEXT_NOTE = (
    " Open, width, round r: with the tracks of the text, of a synthesizer's phonemes that were aligned with "
    "the recording. Text's loudness r: of the text's own opening with the loudness."
)


@dataclass(frozen=True)
class TextFigures:
    """How the lips follow the text of a recording; NaN where it is unknown."""

    opening: float = column("open r")
    width: float = column("width r")
    rounding: float = column("round r")
    loudness: float = column("text's loudness r")


_NO_TEXT = TextFigures(float("nan"), float("nan"), float("nan"), float("nan"))


@dataclass(frozen=True)
class RecordingFigures:
    """One video, or several in the mean."""

    seconds: float = column("seconds")
    follows: float = column("loudness r")
    lag: float = column("lag")
    quiet: float = column("opening in pauses")
    pauses: float = column("frames in pauses")
    span: float = column("range")


@dataclass(frozen=True)
class LipsFigures:
    """Both ways to measure."""

    heard: RecordingFigures = part(RecordingFigures)
    text: TextFigures = part(TextFigures)


def pause_frames(loudness: Tensor) -> Tensor:
    """Which frames (F,) of a loudness (F,), 0..1, are in a pause."""
    near = F.max_pool1d(loudness[None, None], _AROUND, stride=1, padding=_AROUND // 2)[0, 0]
    return near < _PAUSE


def recording_figures(opening: Tensor, loudness: Tensor, seconds: float) -> RecordingFigures:
    """Compare the opening of a mouth (F,) with the loudness (F,)."""
    smooth = smooth_loudness(loudness)
    silent = pause_frames(loudness)
    relative = relative_opening(opening, opening_range(opening))
    return RecordingFigures(
        seconds=seconds,
        follows=correlation(opening, smooth),
        lag=float(best_lag(opening, smooth)[0]),
        quiet=float(relative[silent].mean()),
        pauses=float(silent.sum()),
        span=opening_span(opening),
    )


def text_figures(tracks: Tensor, true: Tensor, loudness: Tensor) -> TextFigures:
    """Compare tracks of a mouth (F, 3) with those of the text, and these with the loudness (F,)."""
    opening, width, rounding = (correlation(tracks[:, i], true[:, i]) for i in range(3))
    return TextFigures(opening, width, rounding, correlation(true[:, 0], smooth_loudness(loudness)))


def text_of(recording: Path, texts: dict[str, str]) -> str | None:
    """The text of a recording: that of the longest name its path without suffix ends with; None: unknown."""
    path = f"/{recording.absolute().with_suffix('').as_posix()}"
    named = [name for name in texts if path.endswith(f"/{name}")]
    return texts[max(named, key=len)] if named else None


def read_texts(path: Path) -> dict[str, str]:
    """Name -> text, from lines ``NAME: TEXT``; lines of another form, and empty texts, are left out."""
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    found = (re.match(r"([^\s:]+):\s+(.*\S)", line) for line in lines)
    return {line[1]: line[2] for line in found if line}


def measure(
    pipe: ReadPipeline, picture: Tensor, recording: Tensor, true: Tensor | None, seed: int
) -> LipsFigures:
    """Animate a picture (H, W, 3), 0..1, with a recording (N,) at 16 kHz and measure the video.

    ``true`` are tracks (F, 3) of the recording's text; None: unknown.
    """
    speech = pipe.encode_speech(recording, SAMPLE_RATE)
    reference = pipe.encode_reference(picture)
    latents = pipe.sample(speech, reference, SamplingSettings(seed=seed))
    finish = pipe.finish(reference, None, Finishing(paste_back=False, size=256))
    frames = torch.cat([few.cpu() for few in finish(pipe.decode(latents, speech.num_frames))])
    tracks = read_face(frames)
    if tracks is None:
        raise SystemExit("no face was found in a generated video; expected one, read by READ Check's reader")
    length = round(len(frames) * SAMPLE_RATE / FPS)
    sound = F.pad(recording, (0, max(0, length - len(recording))))[:length]
    loudness = frame_loudness(sound[None], SAMPLE_RATE, len(frames))
    heard = recording_figures(tracks.mouth[:, 0], loudness, len(recording) / SAMPLE_RATE)
    if true is None:
        return LipsFigures(heard, _NO_TEXT)
    known = min(len(true), len(frames))
    return LipsFigures(heard, text_figures(tracks.mouth[:known], true[:known], loudness[:known]))


def mean_of(every: Sequence[LipsFigures]) -> LipsFigures:
    """The mean of every figure."""
    return LipsFigures(
        mean_figures([each.heard for each in every]), mean_figures([each.text for each in every])
    )


def aims_of(every: Sequence[LipsFigures]) -> tuple[Aim, ...]:
    """What is asked of recordings, by the mean and by the worst video."""
    follows = [each.heard.follows for each in every]
    quiet = [each.heard.quiet for each in every if each.heard.pauses]
    return (
        Aim("the mouth follows the loudness (r)", mean(follows), least=0.5),
        Aim("in every video (r)", min(follows), least=0.5),
        Aim("opening in pauses (share of its range)", mean(quiet), most=0.15),
        Aim("in every video with a pause", max(quiet, default=float("nan")), most=0.15),
    )


def main(arguments: list[str] | None = None) -> int:
    """Measure every recording and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("recordings", type=Path, nargs="+", help="sound files of people who speak")
    parser.add_argument(
        "--texts",
        type=Path,
        help="file with lines NAME: TEXT; NAME is the end of a recording's path without its suffix",
    )
    parser.add_argument(
        "--language", default="en-us", help="of the texts, as espeak-ng names it (default: en-us)"
    )
    parser.add_argument("--checkpoint", type=Path, default=BUNDLED)
    parser.add_argument("--seconds", type=float, default=10.0, help="of each recording at most (default: 10)")
    parser.add_argument("--seed", type=int, default=0, help="of the noise (default: 0)")
    parser.add_argument("--out", type=Path, default=Path("output/recordings"))
    args = parser.parse_args(arguments)
    make_folder(args.out)
    texts = {}
    if args.texts:
        try:
            texts = read_texts(args.texts)
            require_synthesizer("espeak")
        except (OSError, SynthesizerError) as error:
            parser.error(str(error))
    pipe = ReadPipeline.from_pretrained(args.checkpoint)
    pictures = real_photographs()
    if not pictures:
        parser.error("there is no photograph; install matplotlib or scikit-image, which contain one each")
    rows: list[tuple[str, LipsFigures]] = []
    for path in args.recordings:
        whole = read_audio(path)
        sound, text, true = whole[: round(args.seconds * SAMPLE_RATE)], text_of(path, texts), None
        if text is not None:
            aligned = align_text(whole, text, espeak_voices(args.language))
            true = mouth_track(aligned.segments, aligned.alphabet, len(whole) * FPS // SAMPLE_RATE)
        for shown, picture in pictures.items():
            figures = measure(pipe, picture, sound, true, args.seed)
            name = f"{path.parent.name}/{path.stem}, {shown}"
            rows.append((name, figures))
            print(
                f"{name}: opening r {figures.text.opening:.2f}, loudness r {figures.heard.follows:.2f}",
                flush=True,
            )
    every = [figures for _, figures in rows]
    rows.append(("mean", mean_of(every)))
    everything = {"photographs": ", ".join(pictures), "seed": args.seed, "weights": weights_digest(pipe)}
    report = Report(f"{pipe.card.name} with recordings of people", everything)
    report.add_figures(
        "Recordings of people", "recording", LipsFigures, rows, _NOTE + _TEXT_NOTE * bool(texts)
    )
    report.add_figures("Aims", "aim", AimFigures, [(aim.what, aim.row) for aim in aims_of(every)])
    report.tables.insert(0, report.tables.pop())
    report.write(args.out, "recordings")
    print(report.text())
    return 0


if __name__ == "__main__":
    sys.exit(main())
