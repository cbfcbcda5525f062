"""Plain concatenation: generate clips one by one, each as a separate video, and join them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from ...errors import OnWarning, warn
from ...geometry import FRAMES_PER_LATENT, latents_of_frames
from ...pipeline import ReadPipeline
from ...records import Reference, SamplingSettings, SpeechCodes
from ..metrics.joins import Joins

if TYPE_CHECKING:
    from torch import Tensor

    from ...ans import OnStep

SEED_STEP = 1000  # between the seeds of clips


class Concatenation(ReadPipeline):
    """READ without its motion frame: what the paper's Fig. 2 compares with.

    Every clip starts from the portrait and its own noise, and is decoded by itself. The first one keeps its
    frame of the portrait, the others lose it. Clips share no latent, so a clip adds 8 f frames.
    """

    def stream(
        self,
        speech: SpeechCodes,
        reference: Reference,
        settings: SamplingSettings | None = None,
        on_step: OnStep | None = None,
        on_warning: OnWarning = warn,
    ) -> Iterator[Tensor]:
        """The frames, clip by clip, as ``ReadPipeline.stream``; clip i has the seed plus 1000 i."""
        chosen = settings or SamplingSettings()
        resolved = chosen.resolved(self.defaults)
        own = resolved.window - 1
        latents = latents_of_frames(speech.num_frames)
        count = -(-latents // own)
        for clip in range(count):
            codes = speech.codes[:, clip * own : (clip + 1) * own]
            frames = min(speech.num_frames - 1 - clip * own * FRAMES_PER_LATENT, own * FRAMES_PER_LATENT)

            def step(done: int, _: int, clean: Tensor | None, clip: int = clip) -> None:
                if on_step is not None:
                    on_step(clip * resolved.steps + done, count * resolved.steps, clean)

            seeded = replace(chosen, seed=chosen.seed + SEED_STEP * clip)
            made = self.sample(SpeechCodes(codes, 1 + frames), reference, seeded, step, on_warning)
            yield self.decode(made, 1 + frames, seeded.seed)[1 if clip else 0 :]


def concatenation_joins(window: int) -> Joins:
    """Where the clips of ``window`` latents of a concatenation meet."""
    own = FRAMES_PER_LATENT * (window - 1)
    return Joins(1 + own, own)
