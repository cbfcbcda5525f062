"""The compared guidances and their names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...ans import JointCFG, NoCFG, SplitCFG

if TYPE_CHECKING:
    from ...ans import Guidance

# The paper's and weaker ones; with strengths s of the speech and r of the reference above the conditional
# velocity, the scales of split guidance are alpha = r - s and beta = 1 + s.
CANDIDATES: tuple[Guidance, ...] = (
    NoCFG(),
    JointCFG(1.5),
    JointCFG(2.0),
    JointCFG(2.5),
    JointCFG(3.0),
    JointCFG(5.0),
    SplitCFG(1.0, 2.0),
    SplitCFG(1.0, 2.5),
    SplitCFG(1.0, 3.0),
    SplitCFG(-1.0, 2.0),
    SplitCFG(-1.0, 3.0),
    SplitCFG(-3.0, 5.0),
    SplitCFG(2.0, 6.0),
)

# Guidances for comparison with a checkpoint's: of each kind a weak, a medium and a strong one.
COMPARED: tuple[Guidance, ...] = (
    NoCFG(),
    JointCFG(2.0),
    JointCFG(3.0),
    JointCFG(5.0),
    SplitCFG(-1.0, 3.0),
    SplitCFG(-3.0, 5.0),
    SplitCFG(2.0, 6.0),
)


def compared_with(default: Guidance) -> tuple[Guidance, ...]:
    """A checkpoint's ``default`` guidance, then guidances of other kinds for comparison."""
    return default, *(form for form in COMPARED if form.kind != default.kind)


def describe(guidance: Guidance) -> str:
    """Text, for example "split (-0.5, 2)"."""
    values = guidance.to_dict()
    scales = ", ".join(f"{value:g}" for name, value in values.items() if name != "kind")
    return f"{values['kind']} ({scales})" if scales else str(values["kind"])
