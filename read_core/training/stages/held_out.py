"""Held-out figures of A2V-DiT: its loss at fixed times, and its use of the motion frame."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor
from torch.utils.data import Dataset

from ...ans import add_noise, timesteps, velocity_target
from ..loop import Figures, Model

TIMES = (0.2, 0.5, 0.8)
WINDOWS = 32
STEPS = 6


class HeldOut:
    """Errors of A2V-DiT's velocity on the first windows of held-out videos, always with the same noise.

    Args:
        model: a model like ``Conditioned``; all conditions are used.
        windows: windows of the videos.
        prompt: (1, L_t, D_t), on the model's device.
        shift: s of the schedule used in :meth:`motion_frame`.
    """

    def __init__(
        self, model: Model, windows: Dataset[dict[str, Tensor]], prompt: Tensor, shift: float
    ) -> None:
        self.model, self.prompt, self.shift = model, prompt, shift
        self.samples = [
            {name: value[None].to(prompt.device) for name, value in windows[index].items()}
            for index in range(WINDOWS)
        ]

    def figures(self) -> Figures:
        """``loss_0.2`` .. ``loss_0.8`` of :meth:`loss`, and the two of :meth:`motion_frame`."""
        return {f"loss_{time:.1f}": self.loss(time) for time in TIMES} | self.motion_frame()

    def loss(self, time: float) -> float:
        """Mean squared error of all generated latents, all at ``time``."""
        generator, total = torch.Generator().manual_seed(0), 0.0
        for sample in self.samples:
            clean = sample["latents"]
            times = torch.full((1, clean.shape[2]), time)
            times[:, 0] = 0
            total += self._errors(sample, clean, times, generator)[1:].mean().item()
        return total / len(self.samples)

    def motion_frame(self) -> Figures:
        """Mean squared error of the first latent after the motion frame, at Algorithm 1's six-step times.

        Returns:
            ``motion_frame_own``; and ``motion_frame_portrait``, with z_R (the same face at another moment) in
                place of the motion frame. A model that does not use the motion frame has equal errors. Empty
                if no window continues a clip.
        """
        samples = [sample for sample in self.samples if bool(sample["continuation"])]
        schedule = timesteps(STEPS, self.shift)
        totals = {"own": 0.0, "portrait": 0.0}
        for kind in totals:
            generator = torch.Generator().manual_seed(0)
            for target, motion in pairwise(schedule):
                for sample in samples:
                    given = sample["latents"].clone()
                    if kind == "portrait":
                        given[:, :, 1] = given[:, :, 0]
                    times = target.repeat(1, given.shape[2])
                    times[:, 0], times[:, 1] = 0, motion
                    totals[kind] += self._errors(sample, given, times, generator)[2].item()
        count = STEPS * len(samples)
        return {f"motion_frame_{kind}": total / count for kind, total in totals.items()} if samples else {}

    def _errors(
        self, sample: dict[str, Tensor], given: Tensor, times: Tensor, generator: torch.Generator
    ) -> Tensor:
        """(1+f,): squared error of each latent's velocity when the model sees ``given``."""
        clean, times = sample["latents"], times.to(given)
        noise = torch.randn(given.shape, generator=generator).to(given)
        seen = torch.ones(1, dtype=torch.bool, device=given.device)
        velocity: Tensor = self.model(
            add_noise(given, noise, times),
            times,
            sample["speech"],
            self.prompt,
            (seen, seen),
            sample["continuation"],
        )
        return (velocity - velocity_target(clean, noise)).square().mean((0, 1, 3, 4))
