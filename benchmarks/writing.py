"""Files to a file with the encoder in a thread next to the model, and with the model waiting for the encoder.

The videos of both are equal.
"""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

from timing import PORTRAIT, RECORDING, Page, guarded, interleaved, load, parser, repeated_speech, write_wav
from torch import Tensor

from read_core.finish import Finishing
from read_core.generate import job as jobs
from read_core.geometry import FPS, SAMPLE_RATE
from read_core.media import VideoWriter, read_audio
from read_core.records import SamplingSettings

WAITING, MEANWHILE = "the model waits for the encoder", "the encoder works meanwhile"


class _WaitingWriter(VideoWriter):
    def write(self, frames: Tensor) -> None:
        super().write(frames)
        self.flush()


def main() -> None:
    made = parser(__doc__, repeats=5)
    made.add_argument("--portrait", type=Path, default=PORTRAIT, help="default: assets/portrait.png")
    made.add_argument("--seconds", type=float, help="seconds of speech (default: the example recording)")
    made.add_argument(
        "--plain", type=int, metavar="PIXELS", help="only the face, of this side, no detail, no blinks"
    )
    args = made.parse_args()
    pipe = load(args)
    whole = len(read_audio(RECORDING))
    samples = whole if args.seconds is None else round(args.seconds * SAMPLE_RATE)
    with tempfile.TemporaryDirectory() as folder:
        speech = write_wav(Path(folder) / "speech.wav", repeated_speech(samples))
        given = jobs.Job(
            args.portrait, speech, Path(folder) / "video.mp4", SamplingSettings(args.steps), overwrite=True
        )
        if args.plain:
            given = replace(
                given, finishing=Finishing(False, False, args.plain, blinks=False, head_motion=False)
            )
        if args.size:
            given = replace(given, size=(args.size, args.size))
        sizes: list[jobs.Estimate] = []

        def generated(writer: type[VideoWriter]) -> None:
            with patch.object(jobs, "VideoWriter", writer):
                jobs.generate(pipe, given, on_estimate=sizes.append)

        calls = {
            WAITING: lambda: generated(_WaitingWriter),
            MEANWHILE: lambda: generated(VideoWriter),
        }
        times = interleaved(calls, args.repeats, pipe.transformer.device)
    assert times.processor is not None
    found = sizes[0]
    page = Page("The encoder next to the model")
    page.say(
        f"{pipe.card.name}, {args.portrait.name}, {found.size[1]} x {found.size[0]} pixels, "
        f"{found.num_frames} frames = {found.num_frames / FPS:.2f} s, {args.repeats} rounds."
    )
    rows = [
        [
            name,
            f"{times.median(name):.2f} s",
            times.ratio(name, WAITING),
            times.processor.ratio(name, WAITING),
        ]
        for name in calls
    ]
    page.table(["files to a file", "by the clock", "times the first (range)", "of the processor"], rows)
    page.save(args.out)


if __name__ == "__main__":
    guarded(main)
