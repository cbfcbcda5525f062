"""Classifier-free guidance: the conditions of each evaluation, and the combination of their velocities."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, ClassVar

import torch
from torch import Tensor

from ..errors import InputError
from ..limits import ALPHA, BETA, Limits


@dataclass(frozen=True)
class Branch:
    """One evaluation of the model: True for a condition that it sees, False for the learned null."""

    speech: bool
    reference: bool


@dataclass(frozen=True)
class Guidance(ABC):
    """Base of the forms: a weighted sum of the velocities of the branches."""

    kind: ClassVar[str]
    branches: ClassVar[tuple[Branch, ...]]

    @property
    @abstractmethod
    def weights(self) -> tuple[float, ...]:
        """The factor of each branch's velocity, in the order of ``branches``; they sum to 1."""

    def combine(self, velocities: Tensor) -> Tensor:
        """The guided velocity, summed in at least float32.

        Args:
            velocities: (E, B, C, L, h, w), one per branch in the order of ``branches``.

        Returns:
            (B, C, L, h, w).

        Raises:
            InputError: E is not the number of branches.
        """
        if len(velocities) != len(self.branches):
            found, expected = len(velocities), len(self.branches)
            raise InputError(
                f"{type(self).__name__} got {found} velocities; expected {expected}, one per branch"
            )
        dtype = torch.promote_types(velocities.dtype, torch.float32)
        weighted = [weight * v.to(dtype) for weight, v in zip(self.weights, velocities, strict=True)]
        return torch.stack(weighted).sum(dim=0)

    def to_dict(self) -> dict[str, Any]:
        """The form stored in checkpoints: {"kind": ..} and the scales of that kind."""
        return {"kind": self.kind, **asdict(self)}


@dataclass(frozen=True)
class NoCFG(Guidance):
    """The conditional velocity without guidance: 1 evaluation."""

    kind: ClassVar[str] = "none"
    branches: ClassVar[tuple[Branch, ...]] = (Branch(speech=True, reference=True),)

    @property
    def weights(self) -> tuple[float, ...]:
        """Of the branches, in their order."""
        return (1.0,)


@dataclass(frozen=True)
class JointCFG(Guidance):
    """(1 - alpha) v(none) + alpha v(speech, reference) (eq. 16): 2 evaluations.

    Attributes:
        alpha: within ``limits.ALPHA``; 1 is the conditional velocity itself.

    Raises:
        InputError: ``alpha`` is out of range.
    """

    alpha: float

    kind: ClassVar[str] = "joint"
    branches: ClassVar[tuple[Branch, ...]] = (
        Branch(speech=False, reference=False),
        Branch(speech=True, reference=True),
    )

    def __post_init__(self) -> None:
        _check_scale("alpha", self.alpha, ALPHA)

    @property
    def weights(self) -> tuple[float, ...]:
        """Of the branches, in their order."""
        return (1.0 - self.alpha, self.alpha)


@dataclass(frozen=True)
class SplitCFG(Guidance):
    """(1 - alpha - beta) v(none) + alpha v(reference) + beta v(speech, reference) (eq. 17): 3 evaluations.

    Attributes:
        alpha: scale of the reference alone, within ``limits.ALPHA``; negative values fit small checkpoints.
        beta: scale of speech and reference, within ``limits.BETA``; with alpha = 0 it equals the alpha of
            :class:`JointCFG`.

    Raises:
        InputError: a scale is out of range.
    """

    alpha: float
    beta: float

    kind: ClassVar[str] = "split"
    branches: ClassVar[tuple[Branch, ...]] = (
        Branch(speech=False, reference=False),
        Branch(speech=False, reference=True),
        Branch(speech=True, reference=True),
    )

    def __post_init__(self) -> None:
        _check_scale("alpha", self.alpha, ALPHA)
        _check_scale("beta", self.beta, BETA)

    @property
    def weights(self) -> tuple[float, ...]:
        """Of the branches, in their order."""
        return (1.0 - self.alpha - self.beta, self.alpha, self.beta)


@dataclass(frozen=True)
class DistilledCFG(Guidance):
    """A student's velocity in place of :class:`SplitCFG`'s with the same scales: 1 evaluation.

    The student sees the scales, see ``read_core.transformer.Student``. The alpha of :class:`JointCFG` is
    ``beta`` here, with ``alpha`` 0.

    Raises:
        InputError: a scale is out of range.
    """

    alpha: float
    beta: float

    kind: ClassVar[str] = "distilled"
    branches: ClassVar[tuple[Branch, ...]] = NoCFG.branches

    def __post_init__(self) -> None:
        _check_scale("alpha", self.alpha, ALPHA)
        _check_scale("beta", self.beta, BETA)

    @property
    def weights(self) -> tuple[float, ...]:
        """Of the branches, in their order."""
        return (1.0,)


_KINDS: dict[str, type[Guidance]] = {form.kind: form for form in (NoCFG, JointCFG, SplitCFG, DistilledCFG)}


def guidance_from_dict(values: Mapping[str, Any]) -> Guidance:
    """The inverse of :meth:`Guidance.to_dict`.

    Raises:
        InputError: the kind is unknown, or a scale is missing, not of this kind, not a number or out of
            range.
    """
    kind = values.get("kind")
    if not isinstance(kind, str) or kind not in _KINDS:
        raise InputError(f"guidance kind is {kind!r}; expected one of {', '.join(_KINDS)}")
    scales = {name: value for name, value in values.items() if name != "kind"}
    names = [field.name for field in fields(_KINDS[kind])]
    if set(scales) != set(names):
        found, expected = ", ".join(sorted(scales)) or "none", ", ".join(names) or "none"
        raise InputError(f"guidance {kind!r} has the scales: {found}; expected: {expected}")
    return _KINDS[kind](**scales)


def of_kind(kind: str, guidance: Guidance) -> Guidance:
    """Guidance of another kind with the same strength of speech as ``guidance``.

    Kinds with two scales take both from each other. From others they do not guide the reference alone:
    ``SplitCFG(0, a)`` is ``JointCFG(a)``, so both kinds give the same video. Guidance of the same kind is
    returned unchanged.

    Args:
        kind: ``split``, ``joint``, ``none`` or ``distilled``.

    Raises:
        InputError: an unknown kind.
    """
    if kind == guidance.kind:
        return guidance
    scales = guidance.to_dict()
    speech = scales.get("beta", scales.get("alpha", 1.0))
    both = {"alpha": scales["alpha"] if "beta" in scales else 0.0, "beta": speech}
    values = {"split": both, "joint": {"alpha": speech}, "distilled": both}
    return guidance_from_dict({"kind": kind, **values.get(kind, {})})


def _check_scale(name: str, value: float, limits: Limits) -> None:
    if isinstance(value, bool) or value not in limits:
        raise InputError(f"{name} is {value!r}; expected a number from {limits}")
