"""``benchmarks/float8.py``: the imitated rounding, and a pipeline that is as before afterwards."""

from __future__ import annotations

import pytest
import torch
from float8 import float8, rounded_to_float8

from read_core.ans import DistilledCFG, JointCFG
from read_core.bench.material import make_material, random_pipeline
from read_core.errors import ignore
from read_core.records import SamplingSettings


def test_three_bits_of_mantissa_are_left():
    assert rounded_to_float8(torch.tensor([448.0, 17.0, -1.06, 0.0])).tolist() == [448.0, 16.0, -1.0, 0.0]
    assert rounded_to_float8(torch.tensor([44.8, 1.7])).tolist() == pytest.approx([44.8, 1.6])  # one scale
    assert rounded_to_float8(torch.zeros(2, dtype=torch.bfloat16)).tolist() == [0.0, 0.0]


@pytest.mark.parametrize("guidance", [JointCFG(2.0), DistilledCFG(2.0, 6.0)])
def test_videos_differ_a_little_and_only_inside(guidance):
    material = make_material(random_pipeline("tiny", torch.device("cpu"), torch.float32), 1, (64, 64), 4)
    pipe, speech, reference = material.pipe, material.speech(4), material.reference()
    settings = SamplingSettings(2, guidance, 4)
    plain = pipe.sample(speech, reference, settings, on_warning=ignore)
    with float8(pipe, isinstance(guidance, DistilledCFG)):
        rounded = pipe.sample(speech, reference, settings, on_warning=ignore)
    again = pipe.sample(speech, reference, settings, on_warning=ignore)
    assert torch.equal(again, plain)
    assert 1e-4 < (rounded - plain).std() / plain.std() < 0.1
