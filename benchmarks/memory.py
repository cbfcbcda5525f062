"""Peak memory of read_core.generate for speech of several lengths, each in a separate process.

The parent writes the recordings; each child loads the checkpoint and generates one video clip by clip. The
figure is the peak main memory of the process (VmHWM on Linux), including models and libraries; on a GPU also
the peak of its tensors. The number of steps hardly affects it, so --steps 1 saves time.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

from timing import PORTRAIT, Page, guarded, load, parser, percent, repeated_speech, write_wav

from read_core.errors import InputError, ReadError
from read_core.finish import Finishing
from read_core.generate.job import Job, generate
from read_core.geometry import SAMPLE_RATE
from read_core.records import SamplingSettings
from read_core.usage import peak_device_memory, peak_host_memory

FLAT = 0.05
CHILD = "--one"


@dataclass(frozen=True)
class Peaks:
    """Bytes; None if there is no such memory or the system does not report it."""

    name: str
    frames: int
    seconds: float
    loaded: int | None
    host: int | None
    device: int | None


def main() -> None:
    args = _options()
    if args.one is not None:
        print(json.dumps(asdict(_generate(args, *args.one))))
        return
    lengths = sorted(args.seconds)
    with tempfile.TemporaryDirectory() as folder:
        found = [_measure(seconds, Path(folder)) for seconds in lengths]
    page = Page("Peak memory against the length of the speech")
    steps = "the checkpoint's" if args.steps is None else str(args.steps)
    finished = "without" if args.plain else "with"
    page.say(
        f"{found[0].name}, order 'clips', {steps} steps, {finished} detail, blinks and paste-back, each "
        "length in a fresh process."
    )
    page.table(
        ["speech", "frames", "after loading", "peak", "of the GPU", "seconds taken"],
        [
            [
                f"{seconds:g} s",
                str(peaks.frames),
                _megabytes(peaks.loaded),
                _megabytes(peaks.host),
                _megabytes(peaks.device),
                f"{peaks.seconds:.1f}",
            ]
            for seconds, peaks in zip(lengths, found, strict=True)
        ],
    )
    page.say(_verdict("main memory", [peaks.host for peaks in found]))
    if found[0].device is not None:
        page.say(_verdict("GPU memory", [peaks.device for peaks in found]))
    page.save(args.out)


def _options() -> argparse.Namespace:
    made = parser(__doc__)
    made.add_argument(
        "--seconds",
        type=float,
        nargs="+",
        default=[10.0, 60.0, 600.0],
        help="lengths of speech (default: 10 60 600)",
    )
    made.add_argument(
        "--plain", action="store_true", help="without detail, blinks and paste-back, which is faster"
    )
    made.add_argument(CHILD, type=Path, nargs=2, metavar=("SPEECH", "OUT"), help=argparse.SUPPRESS)
    args: argparse.Namespace = made.parse_args()
    if min(args.seconds) <= 0:
        raise InputError(f"--seconds holds {min(args.seconds):g}; expected lengths above 0")
    return args


def _measure(seconds: float, folder: Path) -> Peaks:
    """Run this script again for one recording."""
    speech = write_wav(folder / "speech.wav", repeated_speech(round(seconds * SAMPLE_RATE)))
    command = [sys.executable, __file__, *sys.argv[1:], CHILD, str(speech), str(folder / "out.mp4")]
    print(f"{seconds:g} s of speech ...", file=sys.stderr, flush=True)
    done = subprocess.run(command, stdout=subprocess.PIPE, check=False, text=True)
    if done.returncode:
        raise ReadError(f"generating from {seconds:g} s of speech failed, see above")
    return Peaks(**json.loads(done.stdout.splitlines()[-1]))


def _generate(args: argparse.Namespace, speech: Path, out: Path) -> Peaks:
    """In the child process: generate one video."""
    pipe = load(args)
    loaded = peak_host_memory()
    size = (args.size, args.size) if args.size else None
    finishing = Finishing(False, False, blinks=False, head_motion=False) if args.plain else Finishing()
    report = generate(
        pipe,
        Job(
            PORTRAIT,
            speech,
            out,
            SamplingSettings(args.steps),
            size=size,
            finishing=finishing,
            overwrite=True,
        ),
    )
    return Peaks(
        pipe.card.name, report.num_frames, report.seconds, loaded, peak_host_memory(), peak_device_memory()
    )


def _verdict(what: str, peaks: list[int | None]) -> str:
    known = [peak for peak in peaks if peak is not None]
    if len(known) < max(2, len(peaks)):
        return f"Whether {what} is flat cannot be said: it takes two lengths and a system that tells."
    spread = max(known) / min(known) - 1
    answer = "yes" if spread <= FLAT else "NO"
    excess = f"the largest peak exceeds the smallest by {percent(spread)}"
    return f"Flat within {percent(FLAT)} in {what}: {answer}; {excess}."


def _megabytes(count: int | None) -> str:
    return "-" if count is None else f"{count / 1e6:.1f} MB"


if __name__ == "__main__":
    guarded(main)
