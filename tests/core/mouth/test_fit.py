"""Fitting the measure of the mouth: reproducible, and written in the form it is read in."""

from __future__ import annotations

import torch
from safetensors.torch import load_file

from read_core.mouth.fit import FitSettings, draw_examples, fit_mouth, train_reader
from read_core.mouth.reader import MouthReader


def test_the_same_settings_give_the_same_weights(tmp_path):
    settings = FitSettings(presenters=3, steps=3, batch=4)
    fit_mouth(tmp_path / "a.safetensors", settings)
    fit_mouth(tmp_path / "b.safetensors", settings)
    assert (tmp_path / "a.safetensors").read_bytes() == (tmp_path / "b.safetensors").read_bytes()
    weights = load_file(tmp_path / "a.safetensors")
    MouthReader().load_state_dict(weights)
    assert {value.dtype for value in weights.values()} == {torch.float16}


def test_training_reduces_the_error(tmp_path):
    settings = FitSettings(presenters=8, steps=4, batch=12)
    examples = draw_examples(settings)
    first = train_reader(examples, tmp_path / "w.safetensors", settings)
    later = train_reader(examples, tmp_path / "w.safetensors", FitSettings(presenters=8, steps=40, batch=12))
    assert later < 0.8 * first
