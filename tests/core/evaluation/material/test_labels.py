"""Labels by hand and their groups."""

from __future__ import annotations

import json

import pytest

from read_core.errors import InputError
from read_core.evaluation.material.labels import groups_of, read_labels


def test_labels_are_read_by_file(tmp_path):
    assert read_labels(tmp_path) == {}
    values = {"a-1.jpg": {"skin": "dark", "beard": True}, "a-2.jpg": {"beard": False}}
    (tmp_path / "labels.json").write_text(json.dumps(values))
    assert read_labels(tmp_path) == {"a-1.jpg": {"skin": "dark", "beard": "yes"}, "a-2.jpg": {"beard": "no"}}


@pytest.mark.parametrize("wrong", ["[]", '{"a-1.jpg": "dark"}', '{"a-1.jpg": {"age": 40}}', "{"])
def test_other_content_is_refused(tmp_path, wrong):
    (tmp_path / "labels.json").write_text(wrong)
    with pytest.raises(InputError, match=r"labels\.json"):
        read_labels(tmp_path)


def test_small_groups_are_left_out():
    faces = [{"skin": "dark", "beard": "yes"}, {"skin": "light"}, {}, {"skin": "dark", "beard": "no"}]
    assert groups_of(faces, 2) == {"skin: dark": [0, 3]}
    assert groups_of(faces, 1) == {
        "beard: no": [3],
        "beard: yes": [0],
        "skin: dark": [0, 3],
        "skin: light": [1],
    }
