"""Measure how a checkpoint's mouths follow recordings of people, by loudness.

    python scripts/measure_recordings.py RECORDING... [--checkpoint FOLDER] [--seconds 10] [--out FOLDER]

Every recording animates the photographs of real people that matplotlib and scikit-image contain. Recordings
of people have no true track of the mouth, so the opening is compared with the loudness. It writes the table
as ``recordings.txt``, ``.md``, ``.csv`` and ``.json``.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F

from read_core import ReadPipeline, SamplingSettings
from read_core.bundled import BUNDLED
from read_core.evaluation.figures import column, mean_figures
from read_core.evaluation.metrics.face import read_face
from read_core.evaluation.metrics.span import opening_span
from read_core.evaluation.metrics.sync import best_lag, correlation, opening_range, relative_opening
from read_core.evaluation.suites.real import real_photographs
from read_core.evaluation.tables.metadata import weights_digest
from read_core.evaluation.tables.report import Report, make_folder
from read_core.evaluation.video_check import frame_loudness, smooth_loudness
from read_core.finish import Finishing
from read_core.geometry import FPS, SAMPLE_RATE
from read_core.media import read_audio

if TYPE_CHECKING:
    from torch import Tensor

_PAUSE, _AROUND = 0.05, 9  # a pause: the loudest of 9 frames is below this share of the loudest frame
_NOTE = (
    "Loudness r: correlation of the mouth's opening with the loudness, averaged over 5 frames. Lag: frames "
    "by which the mouth is late at the best fit. Opening in pauses: mean, relative to the video's own range; "
    "pauses are frames whose neighborhood of 9 frames is below 5 % of the loudest. Range: 5th to 95th "
    "percentile of the opening, in units of 0.37 eye distances."
)


@dataclass(frozen=True)
class RecordingFigures:
    """One video, or several in the mean."""

    seconds: float = column("seconds")
    follows: float = column("loudness r")
    lag: float = column("lag")
    quiet: float = column("opening in pauses")
    pauses: float = column("frames in pauses")
    span: float = column("range")


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


def measure(pipe: ReadPipeline, picture: Tensor, recording: Tensor, seed: int) -> RecordingFigures:
    """Animate a picture (H, W, 3), 0..1, with a recording (N,) at 16 kHz and measure the video."""
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
    return recording_figures(tracks.mouth[:, 0], loudness, len(recording) / SAMPLE_RATE)


def main(arguments: list[str] | None = None) -> int:
    """Measure every recording and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("recordings", type=Path, nargs="+", help="sound files of people who speak")
    parser.add_argument("--checkpoint", type=Path, default=BUNDLED)
    parser.add_argument("--seconds", type=float, default=10.0, help="of each recording at most (default: 10)")
    parser.add_argument("--seed", type=int, default=0, help="of the noise (default: 0)")
    parser.add_argument("--out", type=Path, default=Path("output/recordings"))
    args = parser.parse_args(arguments)
    make_folder(args.out)
    pipe = ReadPipeline.from_pretrained(args.checkpoint)
    pictures = real_photographs()
    if not pictures:
        parser.error("there is no photograph; install matplotlib or scikit-image, which contain one each")
    rows = []
    for path in args.recordings:
        sound = read_audio(path)[: round(args.seconds * SAMPLE_RATE)]
        own = [measure(pipe, picture, sound, args.seed) for picture in pictures.values()]
        rows.append((f"{path.parent.name}/{path.stem}", mean_figures(own)))
        print(rows[-1], flush=True)
    everything = {"photographs": ", ".join(pictures), "seed": args.seed, "weights": weights_digest(pipe)}
    report = Report(f"{pipe.card.name} with recordings of people", everything)
    report.add_figures("Recordings of people", "recording", RecordingFigures, rows, _NOTE)
    report.write(args.out, "recordings")
    print(report.text())
    return 0


if __name__ == "__main__":
    sys.exit(main())
