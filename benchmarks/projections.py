"""Keys and values of speech and text: projected once per clip, or in every step.

Three ways of the same sampling, run alternately:

- once: as the pipeline does it, text and null speech once per video, speech once per clip;
- every step: the same projections again in every step;
- every step and branch: as in plain cross-attention, which projects the condition of every item in the batch
  of guidance branches, the null speech frame by frame.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from einops import repeat
from timing import Inputs, Page, guarded, inputs, interleaved, milliseconds, parser
from torch import Tensor

from read_core.ans import LatentNoise, reverse, timesteps
from read_core.geometry import latents_of_clips
from read_core.transformer.guided import GuidedVelocity

ONCE, STEP, BRANCH = "once", "every step", "every step and branch"


class Sampling:
    """The sampler's inputs, and the velocity in the three ways."""

    def __init__(self, given: Inputs) -> None:
        pipe = given.pipe
        self.transformer, self.guidance = pipe.transformer, pipe.defaults.guidance
        self.window, self.clips = pipe.defaults.window, given.clips
        device, dtype = pipe.transformer.device, pipe.transformer.dtype
        latents = latents_of_clips(given.clips, self.window)
        self.codes = given.speech.codes[:, :latents].to(device, dtype)
        self.text = pipe.prompt.embedding[None].to(device, dtype)
        self.text_mask = pipe.prompt.mask[None].to(device)
        self.reference = given.reference.latent.to(device, torch.float32)
        self.noise = LatentNoise(0, self.reference.shape[1], *self.reference.shape[3:])
        self.times = timesteps(given.steps, given.shift)

    def guided(self) -> GuidedVelocity:
        """A new one has only projected text and null speech."""
        text = self.transformer.project_text(self.text, self.text_mask)
        return GuidedVelocity(self.transformer, self.codes, text, self.guidance, self.window)

    def every_step(self, z: Tensor, t: Tensor, clips: list[int]) -> Tensor:
        return self.guided()(z, t, clips)

    def every_step_and_branch(self, z: Tensor, t: Tensor, clips: list[int]) -> Tensor:
        branches = self.guidance.branches
        count, start = len(branches), clips[0] * (self.window - 2)
        codes = self.codes[:, start : start + self.window - 1].expand(count, -1, -1, -1)
        velocity = self.transformer(
            z.to(self.transformer.dtype).expand(count, -1, -1, -1, -1),
            t.expand(count, -1),
            speech=self.transformer.project_speech(codes, torch.tensor([b.speech for b in branches])),
            text=self.transformer.project_text(
                self.text.expand(count, -1, -1), self.text_mask.expand(count, -1)
            ),
            reference_mask=torch.tensor([b.reference for b in branches], device=z.device),
            continuation=repeat(torch.tensor([clips[0] > 0], device=z.device), "b -> (b e)", e=count),
        )
        return self.guidance.combine(velocity.float()[:, None])

    def run(self, velocity: Callable[[Tensor, Tensor, list[int]], Tensor]) -> Tensor:
        return reverse(velocity, self.noise, self.reference, self.times, self.window, clips=self.clips)


@torch.no_grad()
def main() -> None:
    args = parser(__doc__, clips=2, repeats=7).parse_args()
    given = inputs(args, args.clips)
    sampling = Sampling(given)
    calls: dict[str, Callable[[], Tensor]] = {
        ONCE: lambda: sampling.run(sampling.guided()),
        STEP: lambda: sampling.run(sampling.every_step),
        BRANCH: lambda: sampling.run(sampling.every_step_and_branch),
    }
    expected = calls[ONCE]()
    apart = {name: float((call() - expected).abs().max()) for name, call in calls.items()}
    times = interleaved(calls, args.repeats, expected.device)

    page = Page("Keys and values once per clip or in every step")
    page.say(f"{given.describe}, {sampling.transformer.dtype} on {expected.device}; {args.repeats} rounds.")
    page.table(
        ["projected", "sampling per clip", "times 'once' (range)", "max difference of latents"],
        [
            [
                name,
                milliseconds(times.median(name) / given.clips),
                times.ratio(name, ONCE),
                f"{apart[name]:.1e}",
            ]
            for name in calls
        ],
    )
    page.say(f"The latents' standard deviation is {float(expected.std()):.2f}.")
    page.save(args.out)


if __name__ == "__main__":
    guarded(main)
