"""States of stage ``distill``: where one step of the student is compared with several of its teacher."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Literal

import torch
from torch import Tensor
from torch.utils.data import Dataset

from ...ans import add_noise, clip_spans, reverse, shift_of, timesteps
from ..data.latents import WindowDataset
from ..loop import Batch
from ..noise import SampleNoise


@dataclass(frozen=True)
class States:
    """S states in which one step of the student is compared with several of its teacher.

    Attributes:
        z: (S, C, 1+f, h, w), z_R first.
        times: (m+1, S, 1+f), before, between and after the teacher's m steps.
        codes: (S, f, h_w, d_A).
        continuation: (S,) bool.
        scales: (S, 3): alpha, beta and the student's steps per clip.
        weights: (S, h, w) in the loss.
    """

    z: Tensor
    times: Tensor
    codes: Tensor
    continuation: Tensor
    scales: Tensor
    weights: Tensor


StudentVelocity = Callable[[States, Tensor], Tensor]


@dataclass(frozen=True)
class StateMaker:
    """Makes the states of a batch.

    Attributes:
        alpha, beta: least and largest scales.
        teacher_steps: guided steps of the teacher per clip.
        shift: s of the schedule, a number or ``tokens``.
        rollout: clips per video of the student.
    """

    alpha: tuple[float, float]
    beta: tuple[float, float]
    teacher_steps: int
    shift: float | Literal["tokens"]
    rollout: int

    def draw_scales(self, noise: SampleNoise, steps: Tensor) -> Tensor:
        """(B, 3): alpha and beta drawn evenly from their ranges, and ``steps`` (B,).

        An alpha below 1 - beta, where the reference counts less than without guidance, is raised to that.
        """
        shares = noise.uniform(2)
        (low, high), (least, largest) = self.alpha, self.beta
        beta = least + (largest - least) * shares[:, 1]
        alpha = low + (high - low) * shares[:, 0]
        alpha = torch.maximum(alpha, 1 - beta).clamp(max=high)
        return torch.stack([alpha, beta, steps.float()], dim=1)

    def from_windows(
        self,
        clean: Tensor,
        continuation: Tensor,
        codes: Tensor,
        scales: Tensor,
        weights: Tensor,
        noise: SampleNoise,
    ) -> States:
        """One state per sample: a window of the video with noise, at a step drawn evenly.

        Args:
            clean: (B, C, 1+f, h, w), z_R first.
            continuation, codes, scales, weights: of the samples, as in :class:`States`.
            noise: of the samples.
        """
        steps = int(scales[0, 2])
        schedule = self._schedule(clean, clean.shape[2])
        index = (noise.uniform() * steps).long()
        count = self.teacher_steps // steps
        times = step_times(schedule, index, count, continuation.cpu(), clean.shape[2] - 1).to(clean.device)
        eps = noise.normal(*clean.shape[1:]).to(clean)
        z = add_noise(clean, eps, times[0])
        return States(z, times, codes, continuation, scales.to(clean.device), weights)

    def from_videos(
        self,
        latents: Tensor,
        codes: Tensor,
        scales: Tensor,
        weights: Tensor,
        noise: SampleNoise,
        student: StudentVelocity,
    ) -> States:
        """Every state that the student meets while it makes a video of each sample's speech.

        Args:
            latents: (B, C, 1+N, h, w), of which z_R, the first, and the shape are used.
            codes, scales, weights: of the samples, as in :class:`States`; codes (B, N, h_w, d_A).
            noise: of the samples.
            student: student(states, t) -> velocities, at times t of the states.
        """
        eps = noise.normal(*latents[:, :, 1:].shape[1:]).to(latents)
        of_samples = latents[:, :, :1], eps, codes, scales.to(latents.device), weights
        seen = [
            state
            for sample in zip(*(torch.split(each, 1) for each in of_samples), strict=True)
            for state in self._video(student, *sample)
        ]
        parts = {each.name: [getattr(state, each.name) for state in seen] for each in fields(States)}
        return States(**{name: torch.cat(found, int(name == "times")) for name, found in parts.items()})

    def _video(
        self,
        student: StudentVelocity,
        reference: Tensor,
        eps: Tensor,
        codes: Tensor,
        scales: Tensor,
        weights: Tensor,
    ) -> list[States]:
        """States of one video by Algorithm 1, clip by clip; the arguments are those of one sample."""
        clips, steps = self.rollout, int(scales[0, 2])
        count = self.teacher_steps // steps
        window = (eps.shape[2] + clips - 1) // clips + 1
        schedule, spans = self._schedule(reference, window), clip_spans(eps.shape[2], window)
        seen: list[States] = []

        def velocity(z: Tensor, t: Tensor, at: list[int]) -> Tensor:
            (clip,) = at
            later = torch.tensor([clip > 0])
            index = torch.tensor([len(seen) % steps])
            times = step_times(schedule, index, count, later, window - 1)
            spoken = codes[:, slice(*spans[clip])]
            seen.append(States(z, times.to(z.device), spoken, later.to(z.device), scales, weights))
            return student(seen[-1], t).float()

        reverse(velocity, eps, reference, schedule[::count], window)
        return seen

    def _schedule(self, latents: Tensor, window: int) -> Tensor:
        """The teacher's times for windows of latents (B, C, L, h, w), on the CPU."""
        tokens = window * latents.shape[3] * latents.shape[4]
        return timesteps(self.teacher_steps, shift_of(self.shift, tokens))


def step_times(schedule: Tensor, index: Tensor, count: int, continuation: Tensor, frames: int) -> Tensor:
    """Times of the teacher's steps within one of the student's, see :class:`States`.

    As in Algorithm 1, the motion frame of a later clip is at the student's next time before the step. It
    stays there while the teacher steps: all that the teacher sees, the student sees too.

    Args:
        schedule: (n+1,) of the teacher.
        index: (S,) the student's step, 0-based.
        count: m, steps of the teacher in one of the student.
        continuation: (S,) bool, whether the clip has a motion frame.
        frames: f.

    Returns:
        (m+1, S, 1+f).
    """
    moving = schedule[count * index + torch.arange(count + 1)[:, None]]
    motion = torch.where(continuation, moving[-1], moving)
    return torch.stack([torch.zeros_like(moving), motion, *[moving] * (frames - 1)], dim=2)


class StepWindows(Dataset[Batch]):
    """Windows with the student's steps per clip, drawn once for all samples of an optimizer step.

    Args:
        windows: the windows.
        choices: numbers of steps.
        step: samples per optimizer step.
        seed: of the draw.
    """

    def __init__(self, windows: WindowDataset, choices: tuple[int, ...], step: int, seed: int) -> None:
        self.windows, self.choices, self.step, self.seed = windows, choices, step, seed

    def __getitem__(self, index: int) -> Batch:
        generator = torch.Generator().manual_seed(self.seed * 7_907 + index // self.step)
        chosen = self.choices[int(torch.randint(len(self.choices), (), generator=generator))]
        return {**self.windows[index], "steps": torch.tensor(chosen)}
