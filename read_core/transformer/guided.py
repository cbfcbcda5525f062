"""The velocity that the sampler integrates: A2V-DiT under the branches of a guidance, or its student."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

import torch
from einops import rearrange, repeat
from torch import Tensor

from ..ans import DistilledCFG, clip_spans
from ..errors import InputError
from . import KeyValues
from .merged import MergedStudent, turn_of

if TYPE_CHECKING:
    from ..ans import Guidance
    from . import A2VTransformer3DModel, Student


class GuidedVelocity:
    """velocity(z, t, clips) of ``read_core.ans``, with guidance inside (eq. 16, 17).

    Conditions do not depend on time, so their keys and values are projected once: those of text and the null
    speech in the constructor, those of a clip's speech at its first use.

    Args:
        transformer: the model; latents are cast to its dtype, velocities are returned as float32.
        codes: (1, N, h_w, d_A), code i - 1 for z_i, in whole clips; moved to the model's device clip by clip.
        text: the text's keys and values.
        guidance: the branches and their combination.
        window: latents per clip, z_R included.
        kept_clips: number of clips whose keys and values are kept: 1, or ``steps`` for the order
            ``wavefront``, which samples that many at once.
        student: used if the guidance is ``DistilledCFG``; attached to ``transformer``.
        steps: steps per clip, which the student sees.

    Raises:
        InputError: the guidance is ``DistilledCFG`` without a student.
    """

    def __init__(
        self,
        transformer: A2VTransformer3DModel,
        codes: Tensor,
        text: KeyValues,
        guidance: Guidance,
        window: int,
        kept_clips: int = 1,
        student: Student | None = None,
        steps: int = 1,
    ) -> None:
        self.transformer = transformer
        self.codes = codes
        self.text = text
        self.guidance = guidance
        self.spans = clip_spans(codes.shape[1], window)
        self.kept_clips = kept_clips
        sees = [branch.reference for branch in guidance.branches]
        self.sees_reference = torch.tensor(sees, device=transformer.device)
        self._student: MergedStudent | None = None
        self._base = None if student is None else student.base
        self._condition: Tensor | None = None
        if isinstance(guidance, DistilledCFG):
            if student is None:
                raise InputError(
                    "guidance is distilled, but there is no student; choose split, joint or none"
                )
            self._student = MergedStudent(student)
            self._condition = student.condition(student.scales(guidance, steps))
        self._null = transformer.project_null_speech(window)
        self._speech: dict[int, KeyValues] = {}

    def __call__(self, z: Tensor, t: Tensor, clips: list[int]) -> Tensor:
        """Velocity of B clips.

        Args:
            z: (B, C, 1+f, h, w), z_R first.
            t: (B, 1+f), 1 noise .. 0 data.
            clips: index of each item's clip.

        Returns:
            (B, C, 1+f, h, w) float32.
        """
        branches = len(self.guidance.branches)
        later = [clip > 0 for clip in clips for _ in range(branches)]
        alike = len(set(later)) == 1
        speech = [self._clip_speech(clip) for clip in clips]
        items = len(clips) * branches
        with self.applied():
            velocity = self.transformer(
                z.to(self.transformer.dtype).repeat_interleave(branches, dim=0),
                t.repeat_interleave(branches, dim=0),
                speech=speech[0] if len(speech) == 1 else KeyValues.cat(speech),
                text=self.text,
                reference_mask=repeat(self.sees_reference.to(z.device), "e -> (b e)", b=len(clips)),
                continuation=later[0] if alike else torch.tensor(later, device=z.device),
                condition=None if self._condition is None else self._condition.to(z.device).expand(items, -1),
            )
        return self.guidance.combine(rearrange(velocity.float(), "(b e) c f h w -> e b c f h w", e=branches))

    def applied(self) -> AbstractContextManager[None]:
        """The context of an evaluation: the transformer with the student's corrections, or as it is."""
        return turn_of(self._base) if self._student is None else self._student.applied()

    def _clip_speech(self, clip: int) -> KeyValues:
        """Keys and values of one clip, one item per branch."""
        if clip not in self._speech:
            while len(self._speech) >= self.kept_clips:
                del self._speech[next(iter(self._speech))]  # the oldest one
            start, stop = self.spans[clip]
            codes = self.codes[:, start:stop].to(self.transformer.device)
            speech = self.transformer.project_speech(codes)
            self._speech[clip] = KeyValues.cat(
                [speech if branch.speech else self._null for branch in self.guidance.branches]
            )
        return self._speech[clip]
