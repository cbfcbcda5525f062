"""Strict loading: a model gets every tensor it has and no other, or one message lists what differs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from ..errors import CheckpointError

if TYPE_CHECKING:
    from torch import Tensor, nn

FLOATS = ("F64", "F32", "F16", "BF16")
_SHOWN = 20


class Described(Protocol):
    """What a tensor, or its entry in a file's header, says about itself."""

    @property
    def shape(self) -> Sequence[int]: ...
    @property
    def dtype(self) -> Any: ...
    def is_floating_point(self) -> bool: ...


def compare(expected: Mapping[str, Tensor], found: Mapping[str, Described]) -> list[str]:
    """List in words what is missing, foreign, or of another shape or kind of number.

    Args:
        expected: tensors by name, as of ``state_dict``; on the meta device they cost nothing.
        found: tensors, or a header's entries, by name.
    """
    both = [(name, tensor, found[name]) for name, tensor in expected.items() if name in found]
    return [
        *(f"missing {name}" for name in expected if name not in found),
        *(f"foreign {name}" for name in found if name not in expected),
        *(
            f"{name} has shape {tuple(ours.shape)}, expected {tuple(tensor.shape)}"
            for name, tensor, ours in both
            if tuple(ours.shape) != tuple(tensor.shape)
        ),
        *(
            f"{name} has type {ours.dtype}, "
            f"expected {' or '.join(FLOATS) if tensor.is_floating_point() else 'BOOL'}"
            for name, tensor, ours in both
            if ours.is_floating_point() != tensor.is_floating_point()
        ),
    ]


def refuse(problems: Sequence[str], what: str, advice: str) -> None:
    """Raise CheckpointError ``what: problems. advice`` if there is a problem; at most 20 are listed."""
    if problems:
        more = f"; and {len(problems) - _SHOWN} more" if len(problems) > _SHOWN else ""
        raise CheckpointError(f"{what}: {'; '.join(problems[:_SHOWN])}{more}. {advice}")


def load_strict(
    model: nn.Module,
    tensors: Mapping[str, Tensor],
    what: str,
    advice: str,
    absent: Callable[[str], bool] | None = None,
) -> None:
    """Make ``tensors`` the weights of ``model``, without copying them; a model on the meta device will do.

    Args:
        model: keeps its own tensors where ``absent`` is true.
        tensors: every other one of ``model.state_dict()``, with its shape.
        what: begins the message: which file does not fit what.
        advice: ends it.
        absent: whether ``tensors`` lack a name; None: they lack none.

    Raises:
        CheckpointError: a tensor is missing, foreign or of another shape. ``model`` is unchanged then.
    """
    expected = model.state_dict()
    if absent is not None:
        expected = {name: value for name, value in expected.items() if not absent(name)}
    refuse(compare(expected, tensors), what, advice)
    model.load_state_dict(tensors, strict=absent is None, assign=True)
