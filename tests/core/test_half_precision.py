"""The whole flow in bfloat16 on the CPU against the same checkpoint in float32.

A bfloat16 number is rounded by up to 1/256 of itself. What the models hand on may differ by a few of these
roundings: by ``CLOSE`` of its own deviation, root mean square, and pictures by ``PIXELS`` on average.
"""

from __future__ import annotations

import pytest
import torch

from read_core.ans import JointCFG, NoCFG, SplitCFG
from read_core.finish import Finishing
from read_core.pipeline import ReadPipeline
from read_core.records import SamplingSettings

CLOSE = 0.03
PIXELS = 1 / 255
SIZE = (64, 64)
FRAMES = 59  # 8 latents: 4 clips of window 4


@pytest.fixture(scope="module")
def pipes(tiny_checkpoint):
    """In float32 and in bfloat16."""
    return [
        ReadPipeline.from_pretrained(tiny_checkpoint, "cpu", dtype)
        for dtype in (torch.float32, torch.bfloat16)
    ]


@pytest.fixture(scope="module")
def portrait():
    return torch.rand(70, 90, 3, generator=torch.Generator().manual_seed(1))


@pytest.fixture(scope="module")
def speech(pipes):
    waveform = 0.1 * torch.randn(FRAMES * 640, generator=torch.Generator().manual_seed(0))
    return [pipe.encode_speech(waveform, 16_000) for pipe in pipes]


@pytest.fixture(scope="module")
def references(pipes, portrait):
    return [pipe.encode_reference(portrait, SIZE) for pipe in pipes]


def sampled(pipes, speech, references, settings):
    return [pipe.sample(*given, settings) for pipe, *given in zip(pipes, speech, references, strict=True)]


def assert_close(exact, half):
    assert half.dtype == exact.dtype == torch.float32
    error = (half - exact).square().mean().sqrt() / exact.std()
    assert 0 < error < CLOSE


def test_every_model_is_in_half_precision(pipes):
    half = pipes[1]
    for model in (half.features.encoder, half.speech_ae, half.transformer, half.vae.vae):
        assert {weight.dtype for weight in model.parameters()} == {torch.bfloat16}


def test_what_is_encoded_stays_close(speech, references):
    assert_close(*(each.codes for each in speech))
    assert_close(*(each.latent for each in references))


@pytest.mark.parametrize("guidance", [NoCFG(), JointCFG(2.0), SplitCFG(0.5, 1.5)])
@pytest.mark.parametrize("order", ["clips", "wavefront"])
def test_latents_stay_close(pipes, speech, references, guidance, order):
    settings = SamplingSettings(guidance=guidance, order=order)
    assert_close(*sampled(pipes, speech, references, settings))


def test_frames_stay_close(pipes, speech, references, portrait):
    latents = sampled(pipes, speech, references, SamplingSettings())
    frames = [pipe.decode(own, FRAMES) for pipe, own in zip(pipes, latents, strict=True)]
    assert frames[1].dtype == torch.float32
    assert 0 < (frames[1] - frames[0]).abs().mean() < PIXELS
    finished = [
        torch.cat(list(pipe.finish(reference, portrait, Finishing(paste_back=True))(own[:9])))
        for pipe, reference, own in zip(pipes, references, frames, strict=True)
    ]
    assert 0 < (finished[1] - finished[0]).abs().mean() < PIXELS


def test_streamed_frames_are_those_of_the_whole(pipes, speech, references):
    half = pipes[1]
    whole = half.decode(half.sample(speech[1], references[1]), FRAMES)
    streamed = torch.cat(list(half.stream(speech[1], references[1])))
    assert (streamed - whole).abs().mean() < PIXELS
