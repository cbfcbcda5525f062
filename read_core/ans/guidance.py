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


_NOTHING = Branch(speech=False, reference=False)
_PORTRAIT = Branch(speech=False, reference=True)
_ALL = Branch(speech=True, reference=True)


@dataclass(frozen=True)
class Guidance(ABC):
    """Base of the forms: a weighted sum of the velocities of the branches."""

    kind: ClassVar[str]

    @property
    @abstractmethod
    def terms(self) -> tuple[tuple[float, Branch], ...]:
        """Every branch of the form, with the factor of its velocity; the factors sum to 1."""

    @property
    def branches(self) -> tuple[Branch, ...]:
        """The branches that count: one of factor 0 is not evaluated."""
        return tuple(branch for factor, branch in self.terms if factor)

    @property
    def weights(self) -> tuple[float, ...]:
        """The factor of each of ``branches``, in their order."""
        return tuple(factor for factor, _ in self.terms if factor)

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

    @property
    def terms(self) -> tuple[tuple[float, Branch], ...]:
        """One branch sees all."""
        return ((1.0, _ALL),)


@dataclass(frozen=True)
class JointCFG(Guidance):
    """(1 - alpha) v(none) + alpha v(speech, reference) (eq. 16): 2 evaluations, 1 if alpha is 0 or 1.

    Attributes:
        alpha: within ``limits.ALPHA``; 1 is the conditional velocity itself.

    Raises:
        InputError: ``alpha`` is out of range.
    """

    alpha: float

    kind: ClassVar[str] = "joint"

    def __post_init__(self) -> None:
        _check_scale("alpha", self.alpha, ALPHA)

    @property
    def terms(self) -> tuple[tuple[float, Branch], ...]:
        """Of eq. 16."""
        return ((1.0 - self.alpha, _NOTHING), (self.alpha, _ALL))


@dataclass(frozen=True)
class SplitCFG(Guidance):
    """(1 - alpha - beta) v(none) + alpha v(reference) + beta v(speech, reference) (eq. 17): 3 evaluations.

    A branch of factor 0 is not evaluated.

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

    def __post_init__(self) -> None:
        _check_scale("alpha", self.alpha, ALPHA)
        _check_scale("beta", self.beta, BETA)

    @property
    def terms(self) -> tuple[tuple[float, Branch], ...]:
        """Of eq. 17."""
        return ((1.0 - self.alpha - self.beta, _NOTHING), (self.alpha, _PORTRAIT), (self.beta, _ALL))


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

    def __post_init__(self) -> None:
        _check_scale("alpha", self.alpha, ALPHA)
        _check_scale("beta", self.beta, BETA)

    @property
    def terms(self) -> tuple[tuple[float, Branch], ...]:
        """One branch sees all."""
        return ((1.0, _ALL),)


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
