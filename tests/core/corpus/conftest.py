"""The synthesisers, as far as they are installed."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from read_core.corpus.speech.synthesis import SYNTHESISERS, SynthesiserError, require_synthesiser


@pytest.fixture(scope="session")
def need() -> Callable[[str], str]:
    """A function that gives a synthesiser's name back, or skips the test where it is not installed."""

    def check(synthesiser: str) -> str:
        try:
            require_synthesiser(synthesiser)
        except SynthesiserError as error:
            pytest.skip(str(error))
        return synthesiser

    return check


@pytest.fixture(params=[pytest.param(name, marks=pytest.mark.corpus) for name in SYNTHESISERS])
def synthesiser(request: pytest.FixtureRequest, need: Callable[[str], str]) -> str:
    """Each synthesiser in turn."""
    return need(request.param)
