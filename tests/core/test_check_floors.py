"""The script that tests the oldest packages allowed."""

from __future__ import annotations

import pytest
from check_floors import REQUIREMENTS, floors


def test_floors_are_pinned_and_comments_left_out():
    assert floors("# why\nav>=16.0\n\nhuggingface-hub>=0.34  # note\n") == [
        "av==16.0",
        "huggingface-hub==0.34",
    ]


def test_a_line_without_a_floor_is_refused():
    with pytest.raises(ValueError, match="numpy"):
        floors("av>=16.0\nnumpy\n")


def test_every_requirement_states_one():
    text = REQUIREMENTS.read_text(encoding="utf-8")
    assert len(floors(text)) == sum(not line.startswith("#") for line in text.splitlines())
