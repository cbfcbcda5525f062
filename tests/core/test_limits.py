"""Limits: both ends count, and nothing that is no number."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from read_core.limits import SEED, Limits


@pytest.mark.parametrize("value", [3, 3.5, 64, np.int64(7), np.float32(3)])
def test_what_lies_between_is_within(value):
    assert value in Limits(3, 64)


@pytest.mark.parametrize("value", [2, 65, 2.99, float("nan"), float("inf"), "7", None, [7]])
def test_what_lies_outside_or_is_no_number_is_not(value):
    assert value not in Limits(3, 64)


def test_large_numbers_are_compared_exactly():
    assert 2**64 - 1 in SEED
    assert 2**64 not in SEED


def test_as_text_they_can_be_read():
    assert f"{Limits(-10, 20)}" == "-10 to 20"


def test_they_are_light():
    code = "import sys, read_core.limits; print('torch' in sys.modules, 'numpy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]
