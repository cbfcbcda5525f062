"""Phonemes of a recording by its text: the path against every path, and speech whose phonemes are known."""

from __future__ import annotations

import random

import numpy as np
import pytest
import torch

from read_core.corpus.speech.alignment import align_text, espeak_voices, warping_path
from read_core.corpus.speech.synthesis import draw_voice, open_synthesizer, texts_for
from read_core.corpus.speech.synthesized import Voice
from read_core.corpus.speech.visemes import mouth_track
from read_core.evaluation.metrics.sync import correlation


def least_cost(distances: np.ndarray, i: int, j: int) -> float:
    """Cost of the best of all paths from (0, 0) to (i, j), by trying them all."""
    cell = distances[i, j]
    if i == j == 0:
        return 2 * cell
    costs = []
    if i and j:
        costs.append(least_cost(distances, i - 1, j - 1) + 2 * cell)
    if i:
        costs.append(least_cost(distances, i - 1, j) + 1.5 * cell)
    if j:
        costs.append(least_cost(distances, i, j - 1) + 1.5 * cell)
    return min(costs)


@pytest.mark.parametrize("shape", [(1, 1), (1, 5), (6, 1), (5, 6), (6, 4)])
def test_the_path_costs_least_of_all(shape):
    distances = np.random.default_rng(sum(shape)).random(shape)
    path, cost = warping_path(distances)
    assert cost == pytest.approx(least_cost(distances, shape[0] - 1, shape[1] - 1) / sum(shape))
    assert path[0].tolist() == [0, 0]
    assert path[-1].tolist() == [shape[0] - 1, shape[1] - 1]
    steps = np.diff(path, axis=0)
    own = 2 * distances[0, 0] + sum(
        (2.0 if down and across else 1.5) * distances[i, j]
        for (down, across), (i, j) in zip(steps, path[1:], strict=True)
    )
    assert own / sum(shape) == pytest.approx(cost)


def test_slow_speech_is_found_in_fast_speech():
    text = "Maya feeds the proud oyster, and nobody knows why."
    with open_synthesizer(Voice("babble", "low", 130)) as say:
        slow = say(text)
    found = align_text(slow.waveform, text, [Voice("babble", "low", 220)])
    assert [segment.phoneme for segment in found.segments] == [segment.phoneme for segment in slow.segments]
    late = torch.tensor(
        [one.start - true.start for one, true in zip(found.segments, slow.segments, strict=True)]
    )
    assert late.abs().median() < 0.02
    assert late.abs().max() < 0.1


def test_the_closest_voice_is_taken():
    text = "She paints the window beige."
    voices = [Voice("babble", name, 180) for name in ("low", "high")]
    with open_synthesizer(voices[1]) as say:
        speech = say(text)
    costs = [align_text(speech.waveform, text, [voice]).cost for voice in voices]
    assert costs[1] < costs[0]
    assert align_text(speech.waveform, text, voices).cost == costs[1]


@pytest.mark.corpus
def test_mouth_tracks_of_another_synthesizer(need):
    """flite knows when it says what; espeak-ng's voices find most of that."""
    need("espeak")
    need("flite")
    found = []
    generator = random.Random(5)
    for seed in range(3):
        voice = draw_voice(generator, "test", "flite")
        texts = texts_for(voice, seed, "test")
        text = f"{next(texts)} {next(texts)}"
        with open_synthesizer(voice) as say:
            speech = say(text)
        aligned = align_text(speech.waveform, text, espeak_voices("en-us"))
        frames = int(speech.seconds * 25)
        tracks = [mouth_track(each.segments, each.alphabet, frames) for each in (aligned, speech)]
        found.append([correlation(tracks[0][:, i], tracks[1][:, i]) for i in range(3)])
    assert torch.tensor(found).mean(0).min() > 0.75
