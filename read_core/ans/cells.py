"""One cell of Algorithm 1: move clip j from T_i to T_{i+1}. Cells of any steps and clips run as one batch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from einops import rearrange
from torch import Tensor

Velocity = Callable[[Tensor, Tensor, list[int]], Tensor]


class ByStep(NamedTuple):
    """Two velocities, for the earlier and the later steps of every clip.

    Attributes:
        early: of the first steps.
        late: of the others.
        step: the first of these, 0-based.
    """

    early: Velocity
    late: Velocity
    step: int


def euler_step(z: Tensor, velocity: Tensor, t: Tensor, t_next: Tensor) -> Tensor:
    """One Euler step with one time per latent: Z(t_next) = Z(t) + (t_next - t) v.

    Latents with t_next == t are unchanged.

    Args:
        z: (B, C, F, h, w), at least float32.
        velocity: (B, C, F, h, w).
        t: (B, F) current times.
        t_next: (B, F) times after the step.

    Returns:
        (B, C, F, h, w), of the type of ``z``.
    """
    dt: Tensor = rearrange(t_next - t, "b f -> b 1 f 1 1")
    return z + dt * velocity.to(z.dtype)


@dataclass(frozen=True)
class Cells:
    """Advances clips by one step. Steps and clips are 0-based.

    Attributes:
        velocity: velocity(z (B, C, 1+f, h, w), t (B, 1+f), clips: list of B clip indices) -> (B, C, 1+f, h,
            w); or one by the step.
        reference: (1, C, 1, h, w), z_R.
        times: (steps + 1,) on the device of ``reference``: T_1 .. T_n.
    """

    velocity: Velocity | ByStep
    reference: Tensor
    times: Tensor

    @property
    def steps(self) -> int:
        """Euler steps of each clip."""
        return len(self.times) - 1

    def frame_times(self, step: int, clip: int, frames: int) -> tuple[Tensor, Tensor]:
        """t_j of Algorithm 1 and the times after the step, (1+f,) each; z_R and motion frame stay."""
        now, after = self.times[step], self.times[step + 1]
        zero = torch.zeros_like(now)
        motion = now if clip == 0 else after
        return torch.stack([zero, motion, *[now] * (frames - 1)]), torch.stack([zero, *[after] * frames])

    def advance(self, latents: Tensor, steps: Sequence[int], clips: Sequence[int]) -> Tensor:
        """Advance B cells by one step.

        Args:
            latents: (B, C, f, h, w), item b at T of ``steps[b]``; the first latent of a clip after the first
                one is the last latent of the clip before it, one step ahead.
            steps: B step indices i.
            clips: B clip indices j.

        Returns:
            The latents at the next time, (B, C, f, h, w).
        """
        frames = latents.shape[2]
        pairs = [self.frame_times(step, clip, frames) for step, clip in zip(steps, clips, strict=True)]
        t, t_next = (torch.stack(times) for times in zip(*pairs, strict=True))
        z = torch.cat([self.reference.expand(len(latents), -1, -1, -1, -1), latents], dim=2)
        return euler_step(z, self._velocity(z, t, steps, list(clips)), t, t_next)[:, :, 1:]

    def _velocity(self, z: Tensor, t: Tensor, steps: Sequence[int], clips: list[int]) -> Tensor:
        """One evaluation, or two if the batch has earlier and later steps."""
        chosen = self.velocity
        if not isinstance(chosen, ByStep):
            return chosen(z, t, clips)
        late = [step >= chosen.step for step in steps]
        if all(late) or not any(late):
            return (chosen.late if late[0] else chosen.early)(z, t, clips)
        found = [z[:0]] * len(clips)
        for velocity, wanted in ((chosen.early, False), (chosen.late, True)):
            items = [item for item, is_late in enumerate(late) if is_late == wanted]
            values = velocity(z[items], t[items], [clips[item] for item in items])
            for item, value in zip(items, values, strict=True):
                found[item] = value
        return torch.stack(found)
