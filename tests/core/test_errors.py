"""Errors as others show them: hosts print module and class before the sentence."""

import pickle

import pytest

import read_core
from read_core import errors

NAMES = ("ReadError", "MediaError", "InputError", "CheckpointError", "ReadWarning")
CLASSES = [getattr(errors, name) for name in NAMES]


@pytest.mark.parametrize("kind", CLASSES)
def test_the_name_in_front_is_short_and_leads_back_to_the_class(kind):
    shown = f"{kind.__module__}.{kind.__qualname__}"
    assert shown == f"read_core.{kind.__name__}"
    assert getattr(read_core, kind.__name__) is kind
    assert type(pickle.loads(pickle.dumps(kind("text")))) is kind


def test_a_warning_is_passed_on_once_and_python_s_where_nobody_listens():
    heard: list[str] = []
    on_warning = errors.once(heard.append)
    for text in ("silent", "small", "silent"):
        on_warning(text)
    assert heard == ["silent", "small"]
    with pytest.warns(errors.ReadWarning, match="silent"):
        errors.warn("silent")
