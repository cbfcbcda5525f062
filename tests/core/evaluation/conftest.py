"""A pipeline and a sample that the suites' tests share."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from read_core.corpus.drawing.presenter import sample_presenter
from read_core.corpus.drawing.render import render
from read_core.corpus.motion import sample_motion
from read_core.evaluation.material.samples import Sample, draw_sample
from read_core.evaluation.material.talks import TalkSource
from read_core.evaluation.suites.speaking_suite import BLENDS
from read_core.face.alignment import FaceLayout
from read_core.pipeline import ReadPipeline


@pytest.fixture(scope="session")
def pipe(tiny_components):
    """The tiny checkpoint's pipeline: windows of 4, so 25 frames for a clip and 16 for each further one."""
    return ReadPipeline(tiny_components)


@pytest.fixture(scope="session")
def aligned_components(tiny_components):
    """The parts of the same checkpoint, of aligned faces."""
    return dataclasses.replace(
        tiny_components, card=dataclasses.replace(tiny_components.card, face=FaceLayout())
    )


@pytest.fixture(scope="session")
def aligned_pipe(aligned_components):
    """Its pipeline."""
    return ReadPipeline(aligned_components)


@pytest.fixture(scope="session")
def faces():
    """A folder of portraits: three blended ones, a face in each split."""
    return BLENDS


@pytest.fixture(scope="session")
def talk():
    """73 frames of a drawn presenter at 128 pixels, aligned, by the stand-in synthesizer."""
    return TalkSource("test", 73, (128, 128), FaceLayout(), ("babble",), 128).presenter(3, "babble")


@pytest.fixture(scope="session")
def sample():
    """41 frames: two clips."""
    pytest.importorskip("espeakng_loader")
    return draw_sample(0, "test", 41, (64, 96))


@pytest.fixture(scope="session")
def talking():
    """Draws the test split's face of a seed in 6 frames of 64 x 64, silent and with no track of its mouth."""

    def draw(seed):
        presenter = sample_presenter(seed, "test")
        mouth = torch.rand(100, 3, generator=torch.Generator().manual_seed(seed))
        mouth[0] = 0
        frames = render(presenter, sample_motion(seed, 100), mouth, 64, stop=6)
        nothing = torch.zeros(0)
        return Sample(
            name=str(seed),
            synthesizer="none",
            skin_tone=presenter.skin_tone,
            pixels=(frames * 255).round().to(torch.uint8),
            waveform=nothing,
            mouth=nothing,
            phonemes=nothing,
            closures=nothing,
            boxes=nothing,
            presenter=presenter,
        )

    return draw
