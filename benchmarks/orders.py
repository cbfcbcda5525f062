"""The three orders of Algorithm 1 on the same input: time, and differences of their latents."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from timing import Page, guarded, inputs, interleaved, milliseconds, parser

from read_core.limits import ORDERS


def main() -> None:
    args = parser(__doc__, clips=4, repeats=5).parse_args()
    given = inputs(args, args.clips)
    sample = partial(given.pipe.sample, given.speech, given.reference)
    calls = {order: partial(sample, replace(given.settings, order=order)) for order in ORDERS}
    expected = calls["clips"]()
    apart = {order: float((call() - expected).abs().max()) for order, call in calls.items()}
    times = interleaved(calls, args.repeats, expected.device)

    cells, branches = given.clips * given.steps, len(given.pipe.defaults.guidance.branches)
    widest = min(given.clips, given.steps)
    batches = {
        "clips": f"{cells} x {branches}",
        "steps": f"{cells} x {branches}",
        "wavefront": f"{given.clips + given.steps - 1} x {branches} to {widest * branches}",
    }
    page = Page("The three orders")
    page.say(f"{given.describe}, {given.pipe.transformer.dtype} on {expected.device}; {args.repeats} rounds.")
    page.table(
        [
            "order",
            "sampling per clip",
            "times 'clips' (range)",
            "evaluations x batch",
            "max difference of latents",
        ],
        [
            [
                order,
                milliseconds(times.median(order) / given.clips),
                times.ratio(order, "clips"),
                batches[order],
                f"{apart[order]:.1e}",
            ]
            for order in ORDERS
        ],
    )
    page.say(f"The latents' standard deviation is {float(expected.std()):.2f}.")
    page.save(args.out)


if __name__ == "__main__":
    guarded(main)
