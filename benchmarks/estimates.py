"""The memory that is announced before a job, against what tensors take, by size and window.

Announced and measured are what sampling one clip and decoding one chunk need beyond the weights. Latents and
speech codes are random: memory does not depend on them.
"""

from __future__ import annotations

from pathlib import Path

import torch
from allocated import peak_allocated
from timing import Page, guarded, load, parser, percent

from read_core import ReadPipeline, Reference, SamplingSettings, SpeechCodes
from read_core.errors import ignore
from read_core.geometry import FRAMES_PER_LATENT, PIXELS_PER_LATENT
from read_core.memory import decoding_memory, latents_memory, sampling_memory

SIDES, WINDOWS = (128, 256, 512, 768, 1024), (4, 8, 16, 24)
NEAR = 0.15


def main() -> None:
    made = parser(__doc__)
    made.add_argument("--sides", type=int, nargs="+", default=list(SIDES), help=f"default: {SIDES}")
    made.add_argument("--windows", type=int, nargs="+", default=list(WINDOWS), help=f"default: {WINDOWS}")
    args = made.parse_args()
    pipe = load(args)
    shares: list[float] = []
    rows = []
    for side in args.sides:
        pairs = [sampled(pipe, side, window) for window in args.windows]
        pairs.append(decoded(pipe, side))
        shares += [announced / measured for announced, measured in pairs]
        rows.append([f"{side} x {side}", *(cell(*pair) for pair in pairs)])
        print(f"{side} done", flush=True)
    page = Page("Announced and measured memory")
    page.say(
        f"{pipe.card.name}, {pipe.transformer.dtype}, {pipe.defaults.guidance.kind} guidance. Each cell: MB "
        "announced, divided by those measured."
    )
    page.table(["size", *(f"sampling, window {window}" for window in args.windows), "decoding"], rows)
    answer = "yes" if all(1 - NEAR <= share <= 1 + NEAR for share in shares) else "NO"
    page.say(
        f"All within {percent(NEAR)}: {answer}; {min(shares):.2f} to {max(shares):.2f} times the measured."
    )
    page.save(Path(args.out))


def sampled(pipe: ReadPipeline, side: int, window: int) -> tuple[int, int]:
    """Bytes announced and measured for sampling one clip in one step."""
    config, places, settings = (
        pipe.transformer.config,
        side // PIXELS_PER_LATENT,
        SamplingSettings(1, window=window),
    )
    reference = Reference(
        torch.randn(1, config.in_channels, 1, places, places), torch.rand(side, side, 3), (0, 0, side, side)
    )
    codes = torch.randn(1, window - 1, config.code_slots, config.code_dim)
    speech = SpeechCodes(codes, FRAMES_PER_LATENT * (window - 1))

    def work() -> None:
        pipe.sample(speech, reference, settings, on_warning=ignore)

    work()  # what it keeps is not counted then
    announced = sampling_memory(pipe.transformer, pipe.prompt, settings.resolved(pipe.defaults), (side, side))
    return announced + latents_memory(config.in_channels, window, (side, side), 1), peak_allocated(work)


def decoded(pipe: ReadPipeline, side: int) -> tuple[int, int]:
    """Bytes announced and measured for decoding, over two chunks."""
    vae, places = pipe.vae, side // PIXELS_PER_LATENT
    latents = torch.randn(1, pipe.transformer.config.in_channels, 2 * vae.settings.chunk, places, places)
    peak = peak_allocated(lambda: [frames.shape for frames in vae.decode_stream([latents])])
    return decoding_memory(vae, (side, side)), peak


def cell(announced: int, measured: int) -> str:
    """The announced megabytes, and their share of the measured ones."""
    return f"{announced / 1e6:.0f} MB, {announced / measured:.2f}"


if __name__ == "__main__":
    guarded(main)
