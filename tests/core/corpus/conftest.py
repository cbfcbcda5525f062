"""The synthesizers, as far as they are installed."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from read_core.corpus.speech.synthesis import SYNTHESIZERS, SynthesizerError, require_synthesizer


@pytest.fixture(scope="session")
def need() -> Callable[[str], str]:
    """A function that gives a synthesizer's name back, or skips the test where it is not installed."""

    def check(synthesizer: str) -> str:
        try:
            require_synthesizer(synthesizer)
        except SynthesizerError as error:
            pytest.skip(str(error))
        return synthesizer

    return check


@pytest.fixture(params=[pytest.param(name, marks=pytest.mark.corpus) for name in SYNTHESIZERS])
def synthesizer(request: pytest.FixtureRequest, need: Callable[[str], str]) -> str:
    """Each synthesizer in turn."""
    return need(request.param)
