"""Hidden states stored once give the features back."""

import pytest
import torch

from read_core.speech import WhisperFeatures, load_whisper_encoder
from read_core.speech.steps import features_of, steps_of


@pytest.mark.parametrize(("start", "stop"), [(0, 12), (0, 1), (3, 9), (11, 12)])
def test_features_of_any_part_are_those_of_whisper(tiny_checkpoint, start, stop):
    features = WhisperFeatures(load_whisper_encoder(tiny_checkpoint / "whisper").float())
    speech = features(torch.randn(12 * 640, generator=torch.Generator().manual_seed(0)), 12)
    steps = steps_of(speech)
    assert steps.numel() * 5 == speech.numel()
    assert torch.equal(features_of(steps, start, stop), speech[start:stop])
