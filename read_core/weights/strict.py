"""Strict loading: the tensors must match the model exactly; otherwise one message lists the differences."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from ..errors import CheckpointError

if TYPE_CHECKING:
    from torch import Tensor, nn

FLOATS = ("F64", "F32", "F16", "BF16")
_SHOWN = 20


class Described(Protocol):
    """Shape and type of a tensor or of its entry in a file's header."""

    @property
    def shape(self) -> Sequence[int]:
        """Its sides."""

    @property
    def dtype(self) -> Any:
        """Its kind of number."""

    def is_floating_point(self) -> bool:
        """Whether its numbers are floating point."""


def compare(expected: Mapping[str, Tensor], found: Mapping[str, Described]) -> list[str]:
    """List, as text, the tensors that are missing, unknown, or of another shape or kind of number.

    Args:
        expected: tensors by name, as in ``state_dict``; those on the meta device need no memory.
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
    """Make ``tensors`` the weights of ``model`` without copying; the model may be on the meta device.

    Args:
        model: the model; it keeps its tensors for which ``absent`` is true.
        tensors: all other tensors of ``model.state_dict()``, with their shapes.
        what: start of the message: which file does not fit what.
        advice: end of the message.
        absent: whether ``tensors`` may lack a name; None: no name may be missing.

    Raises:
        CheckpointError: a tensor is missing, unknown or of another shape. Then ``model`` is unchanged.
    """
    expected = model.state_dict()
    if absent is not None:
        expected = {name: value for name, value in expected.items() if not absent(name)}
    refuse(compare(expected, tensors), what, advice)
    model.load_state_dict(tensors, strict=absent is None, assign=True)
