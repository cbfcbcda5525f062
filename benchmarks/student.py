"""Sampling with a checkpoint's student, against its default: the same clips, run alternately.

The ratio is of the processor's seconds on a CPU, which depend less on other work than those of the clock.
"""

from __future__ import annotations

from functools import partial

from timing import Page, guarded, inputs, interleaved, milliseconds, parser

from read_core.records import SamplingSettings


def main() -> None:
    args = parser(__doc__, clips=1, repeats=5).parse_args()
    given = inputs(args, args.clips)
    pipe, own = given.pipe, given.pipe.defaults.student
    settings = {"default": SamplingSettings(args.steps)}
    steps = () if pipe.student is None else pipe.student.steps
    settings |= {f"student, {count} steps": SamplingSettings(count, own.guidance) for count in steps}
    calls = {
        name: partial(pipe.sample, given.speech, given.reference, each) for name, each in settings.items()
    }
    device = pipe.transformer.device
    times = interleaved(calls, args.repeats, device)
    counted = times.processor if device.type == "cpu" and times.processor is not None else times

    page = Page("Sampling with the student")
    page.say(f"{given.describe}, {pipe.transformer.dtype} on {device}; {args.repeats} rounds.")
    rows = [
        [name, milliseconds(counted.median(name) / given.clips), counted.ratio(name, "default")]
        for name in calls
    ]
    page.table(["guidance", "sampling per clip", "times the default (range)"], rows)
    page.save(args.out)


if __name__ == "__main__":
    guarded(main)
