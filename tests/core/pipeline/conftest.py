"""Tiny inputs of the pipeline, on a checkpoint with random weights."""

from __future__ import annotations

import pytest
import torch

from read_core.pipeline import ReadPipeline

from .inputs import FRAMES, SIZE, generator, noise_like_speech


@pytest.fixture(scope="module")
def pipe(tiny_checkpoint) -> ReadPipeline:
    return ReadPipeline.from_pretrained(tiny_checkpoint, "cpu", torch.float32)


@pytest.fixture(scope="module")
def speech(pipe):
    return pipe.encode_speech(noise_like_speech(FRAMES * 640), 16_000)


@pytest.fixture(scope="module")
def reference(pipe):
    return pipe.encode_reference(torch.rand(70, 90, 3, generator=generator(1)), SIZE)
