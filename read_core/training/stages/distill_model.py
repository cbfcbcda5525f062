"""Teacher and student of stage ``distill`` as one model, and their velocities in given states."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ...ans import Guidance
from ...transformer import A2VTransformer3DModel, Student
from ..loop import Model
from .distill_states import States


class Distilling(nn.Module):
    """Teacher and student as one module, so that every process sees all gradients."""

    def __init__(self, transformer: A2VTransformer3DModel, student: Student) -> None:
        super().__init__()
        self.transformer = transformer.requires_grad_(False)
        self.student = student.requires_grad_(True)
        student.attach(transformer)

    def forward(
        self,
        noisy: Tensor,
        times: Tensor,
        codes: Tensor,
        prompt: Tensor,
        seen: tuple[Tensor, Tensor],
        continuation: Tensor,
        scales: Tensor | None = None,
    ) -> Tensor:
        """Velocity (S, C, 1+f, h, w) of the student under ``scales`` (S, 3), or of the teacher if None.

        ``seen`` says which items (S,) see speech and reference. The student stays active after a call with
        scales, since gradient checkpointing calls the blocks again.
        """
        self.student.active = scales is not None
        velocity: Tensor = self.transformer(
            noisy,
            times,
            speech=self.transformer.project_speech(codes, seen[0]),
            text=self.transformer.project_text(prompt),
            reference_mask=seen[1],
            continuation=continuation,
            condition=None if scales is None else self.student.condition(scales),
        )
        return velocity


def student_velocity(model: Model, prompt: Tensor, states: States, t: Tensor | None = None) -> Tensor:
    """The student's velocity (S, C, 1+f, h, w) with all conditions.

    Args:
        model: a :class:`Distilling`, perhaps wrapped.
        prompt: (1, tokens, channels).
        states: the states.
        t: (S, 1+f), times to use in place of the states' first ones.
    """
    sees, times = _full_mask(states.z, True), states.times[0] if t is None else t
    velocity: Tensor = model(
        states.z, times, states.codes, prompt, (sees, sees), states.continuation, states.scales
    )
    return velocity


def teacher_velocity(
    model: Model, prompt: Tensor, states: States, forms: Sequence[Guidance], z: Tensor, t: Tensor
) -> Tensor:
    """The guided teacher's velocity (S, C, 1+f, h, w), branch by branch.

    Args:
        model: a :class:`Distilling`, perhaps wrapped.
        prompt: (1, tokens, channels).
        states: whose speech the teacher hears.
        forms: guidance of each state, all of one kind; branches of factor 0 are evaluated too.
        z: (S, C, 1+f, h, w).
        t: (S, 1+f).
    """
    factors = torch.tensor([[factor for factor, _ in form.terms] for form in forms], device=z.device)
    total = torch.zeros_like(z)
    for (_, branch), factor in zip(forms[0].terms, factors.unbind(dim=1), strict=True):
        sees = _full_mask(z, branch.speech), _full_mask(z, branch.reference)
        velocity = model(z, t, states.codes, prompt, sees, states.continuation)
        total += factor[:, None, None, None, None] * velocity.float()
    return total


def _full_mask(z: Tensor, value: bool) -> Tensor:
    return torch.full((len(z),), value, device=z.device)
