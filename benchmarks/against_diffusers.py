"""Compare sampling of one clip with a plain loop over diffusers.LTXVideoTransformer3DModel; time by part.

Both have the same weights (except our audio branch, which diffusers' model lacks), tokens, steps, text and
batch of guidance branches. They run alternately. diffusers' loop runs in two forms:

- a time per token, as in its image-to-video pipelines; the asynchronous scheduler would need this form;
- a time per item, as in its text-to-video pipeline: cheaper, but it cannot keep the portrait fixed.

Totals are measured without hooks; parts in separate rounds with timing hooks.
"""

from __future__ import annotations

import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from timing import Page, guarded, inputs, interleaved, milliseconds, parser, percent, settle
from torch import nn

from read_core.bench.plain import plain_clip, plain_model

OURS, TOKENS, ITEMS = "ours", "diffusers, a time per token", "diffusers, a time per item"
PARTS = {
    "attn1": "self-attention",
    "attn2": "text attention",
    "audio_attn": "audio attention",
    "ff": "MLP",
    "time_embed": "time embedding",
    "rope": "rotary embedding",
}
REST = "norms, modulation, residuals, in and out"
OUTSIDE = "outside the transformer"
OUTSIDE_HINT = "projections to keys and values, guidance, Euler step, noise"


def main() -> None:
    args = parser(__doc__, repeats=7).parse_args()
    given = inputs(args, clips=1)
    transformer = given.pipe.transformer
    other = plain_model(transformer)
    settings = given.settings.resolved(given.pipe.defaults)
    z_r = given.reference.latent.to(transformer.device)
    calls: dict[str, Callable[[], object]] = {
        OURS: lambda: given.pipe.sample(given.speech, given.reference, given.settings),
        TOKENS: lambda: plain_clip(other, given.pipe, z_r, settings, per_token=True),
        ITEMS: lambda: plain_clip(other, given.pipe, z_r, settings, per_token=False),
    }
    times = interleaved(calls, args.repeats, transformer.device)
    models: dict[str, nn.Module] = {OURS: transformer, TOKENS: other, ITEMS: other}
    parts = parts_of(calls, models, args.repeats, transformer.device)

    _, _, _, height, width = given.reference.latent.shape
    window = given.pipe.defaults.window
    page = Page("Against a plain loop over diffusers' LTX-Video transformer")
    page.say(
        f"{given.describe}, {window} x {height} x {width} = {window * height * width} tokens, "
        f"{transformer.dtype} on {transformer.device}; {args.repeats} rounds. "
        f"diffusers' model has {_millions(other)} M parameters, ours {_millions(transformer)} M."
    )
    page.table(
        ["loop", "per clip", "ours takes so many times it (range)"],
        [[name, milliseconds(times.median(name)), times.ratio(OURS, name)] for name in calls],
    )
    page.say("Where the time goes, with a clock around every part:")
    page.table(
        ["part", *(column for name in calls for column in (name, "share"))],
        [
            [part, *(cell for name in calls for cell in _cells(parts[name], part))]
            for part in (*PARTS.values(), REST, OUTSIDE)
        ],
    )
    page.say(f"Outside the transformer are: {OUTSIDE_HINT}.")
    for name in (TOKENS, ITEMS):
        page.say(explanation(name, parts[OURS], parts[name]))
    page.save(args.out)


def parts_of(
    calls: dict[str, Callable[[], object]], models: dict[str, nn.Module], repeats: int, device: torch.device
) -> dict[str, dict[str, float]]:
    """Median seconds of each part of each call; the calls run alternately."""
    rounds: dict[str, dict[str, list[float]]] = {name: defaultdict(list) for name in calls}
    for _ in range(max(1, repeats)):
        for name, call in calls.items():
            with clocks(models[name], device) as seconds:
                started = time.perf_counter()
                call()
                settle(device)
                total = time.perf_counter() - started
            inside = seconds.pop("")
            for part in PARTS.values():
                rounds[name][part].append(seconds.get(part, 0.0))
            rounds[name][REST].append(inside - sum(seconds.values()))
            rounds[name][OUTSIDE].append(total - inside)
    return {
        name: {part: statistics.median(values) for part, values in found.items()}
        for name, found in rounds.items()
    }


@contextmanager
def clocks(model: nn.Module, device: torch.device) -> Iterator[dict[str, float]]:
    """Seconds spent in each of ``PARTS`` of ``model`` and, under "", in all of it."""
    seconds: dict[str, float] = defaultdict(float)
    started: dict[nn.Module, float] = {}
    handles = []

    def start(module: nn.Module, _: object) -> None:
        settle(device)
        started[module] = time.perf_counter()

    def stop_for(part: str) -> Callable[[nn.Module, object, object], None]:
        def stop(module: nn.Module, _: object, __: object) -> None:
            settle(device)
            seconds[part] += time.perf_counter() - started[module]

        return stop

    for path, module in model.named_modules():
        part = "" if module is model else PARTS.get(path.rpartition(".")[2])
        if part is not None:
            handles += [
                module.register_forward_pre_hook(start),
                module.register_forward_hook(stop_for(part)),
            ]
    try:
        yield seconds
    finally:
        for handle in handles:
            handle.remove()


def explanation(name: str, ours: dict[str, float], theirs: dict[str, float]) -> str:
    """The causes of the difference, the largest first, as shares of the other loop's time."""
    base = sum(theirs.values())
    differences = sorted(
        ((ours[part] - theirs[part], part) for part in ours), key=lambda pair: abs(pair[0]), reverse=True
    )
    words = ", ".join(f"{part} {100 * seconds / base:+.1f} %" for seconds, part in differences)
    total = 100 * (sum(ours.values()) - base) / base
    return f"Ours against '{name}' ({total:+.1f} % with the clocks on), in shares of its time: {words}."


def _cells(parts: dict[str, float], part: str) -> tuple[str, str]:
    return milliseconds(parts[part]), percent(parts[part] / sum(parts.values()))


def _millions(model: nn.Module) -> str:
    return f"{sum(p.numel() for p in model.parameters()) / 1e6:.1f}"


if __name__ == "__main__":
    guarded(main)
