"""Plain concatenation against separate runs of Algorithm 1, joined."""

from __future__ import annotations

import pytest
import torch

from read_core.ans import LatentNoise, reverse, timesteps
from read_core.evaluation.material.concatenation import Concatenation, concatenation_joins
from read_core.records import Reference, SamplingSettings, SpeechCodes
from read_core.transformer.guided import GuidedVelocity

WINDOW, OWN = 4, 3  # latents of a clip, and without z_R
FRAMES = 60  # two whole clips of 24 frames after the portrait's, and a part of a third


@pytest.fixture(scope="module")
def inputs(tiny_components):
    generator = torch.Generator().manual_seed(0)
    config = tiny_components.transformer.config
    codes = torch.randn(1, 11, config.code_slots, config.code_dim, generator=generator)
    latent = torch.randn(1, config.in_channels, 1, 2, 3, generator=generator)
    return SpeechCodes(codes, FRAMES), Reference(
        latent=latent, image=torch.zeros(64, 96, 3), box=(0, 0, 1, 1)
    )


def test_it_is_separate_runs_without_a_motion_frame_joined(tiny_components, inputs):
    pipe = Concatenation(tiny_components)
    speech, reference = inputs
    steps = []
    settings = SamplingSettings(seed=5)
    made = torch.cat(list(pipe.stream(speech, reference, settings, lambda *step: steps.append(step[:2]))))
    assert made.shape == (FRAMES, 64, 96, 3)
    defaults, text = (
        pipe.defaults,
        pipe.transformer.project_text(pipe.prompt.embedding[None], pipe.prompt.mask[None]),
    )
    expected = []
    for clip, seed in enumerate((5, 1005, 2005)):
        velocity = GuidedVelocity(
            pipe.transformer, speech.codes[:, OWN * clip : OWN * (clip + 1)], text, defaults.guidance, WINDOW
        )
        latents = reverse(
            velocity,
            LatentNoise(seed, reference.latent.shape[1], 2, 3),
            reference.latent,
            timesteps(defaults.steps, defaults.shift_at(WINDOW * 2 * 3)),
            WINDOW,
            clips=1,
        )
        frames = pipe.vae.decode(torch.cat([reference.latent, latents], dim=2), seed)[0]
        expected.append(frames[1 if clip else 0 :])
    assert torch.equal(made[:25], expected[0])
    # The last clip is decoded no further than needed, so its frames equal up to rounding.
    torch.testing.assert_close(made, torch.cat(expected)[:FRAMES], atol=1e-5, rtol=0)
    assert steps == [(done, 3 * defaults.steps) for done in range(1, 3 * defaults.steps + 1)]


def test_its_clips_meet_where_the_first_clips_of_the_scheduler_do():
    assert concatenation_joins(16).lasts(361) == [120, 240]
