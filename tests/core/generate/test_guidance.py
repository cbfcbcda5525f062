"""Which guidance a command line asks for, from the checkpoint's and the options given."""

from __future__ import annotations

import pytest

from read_core.ans import JointCFG, NoCFG, SplitCFG
from read_core.errors import InputError
from read_core.generate.guidance import choose_guidance


@pytest.mark.parametrize(
    ("default", "asked", "expected"),
    [
        (SplitCFG(-1.0, 3.0), (None, None, None), SplitCFG(-1.0, 3.0)),
        (SplitCFG(-1.0, 3.0), (None, None, 5.0), SplitCFG(-1.0, 5.0)),
        (SplitCFG(-1.0, 3.0), ("joint", None, None), JointCFG(3.0)),
        (SplitCFG(-1.0, 3.0), ("joint", 2.0, None), JointCFG(2.0)),
        (SplitCFG(-1.0, 3.0), ("none", None, None), NoCFG()),
        (JointCFG(2.0), ("split", None, None), SplitCFG(0.0, 2.0)),
        (JointCFG(2.0), (None, 4.0, None), JointCFG(4.0)),
        (NoCFG(), ("split", None, None), SplitCFG(0.0, 1.0)),
        (NoCFG(), ("joint", None, None), JointCFG(1.0)),
    ],
)
def test_scales_that_are_not_given_are_the_checkpoints(default, asked, expected):
    assert choose_guidance(default, *asked) == expected


def test_a_scale_that_has_no_meaning_is_refused():
    with pytest.raises(InputError, match="none guidance has no beta"):
        choose_guidance(SplitCFG(1.0, 2.0), "none", None, 2.0)
