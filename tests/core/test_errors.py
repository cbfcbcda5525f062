"""Errors as others show them: hosts print module and class before the sentence."""

import pickle

import pytest

import read_core
from read_core import errors

CLASSES = [value for value in vars(errors).values() if isinstance(value, type)]


@pytest.mark.parametrize("kind", CLASSES)
def test_the_name_in_front_is_short_and_leads_back_to_the_class(kind):
    shown = f"{kind.__module__}.{kind.__qualname__}"
    assert shown == f"read_core.{kind.__name__}"
    assert getattr(read_core, kind.__name__) is kind
    assert type(pickle.loads(pickle.dumps(kind("text")))) is kind
