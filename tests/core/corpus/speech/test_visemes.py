"""Mouth tracks: closures, silence, targets and blending, on hand-made phonemes."""

from __future__ import annotations

import pytest
import torch

from read_core.corpus.speech.synthesized import Segment
from read_core.corpus.speech.visemes import (
    CLASSES,
    CLOSED,
    SILENT,
    VISEMES,
    closure_frames,
    mouth_track,
    phoneme_targets,
    viseme_spans,
    visemes_of,
)

NAMES = [viseme.name for viseme in VISEMES]


def spoken(phonemes: str, seconds: float = 0.12, lead: float = 0.4) -> list[Segment]:
    """Phonemes of equal length between two pauses, in flite's alphabet."""
    segments = [Segment("pau", 0.0, lead)]
    for name in phonemes.split():
        segments.append(Segment(name, segments[-1].stop, segments[-1].stop + seconds))
    return [*segments, Segment("pau", segments[-1].stop, segments[-1].stop + lead)]


def track(phonemes: str, seconds: float = 0.12) -> tuple[list[Segment], torch.Tensor]:
    segments = spoken(phonemes, seconds)
    return segments, mouth_track(segments, "flite", -(-round(segments[-1].stop * 1000) // 40))


def at(mouth: torch.Tensor, segment: Segment) -> torch.Tensor:
    return mouth[int((segment.start + segment.stop) / 2 * 25)]


@pytest.mark.parametrize("seconds", [0.04, 0.07, 0.12, 0.3])
@pytest.mark.parametrize("consonant", ["p", "b", "m"])
@pytest.mark.parametrize("vowel", ["aa", "ae", "iy", "uw"])
def test_lips_meet_in_every_bilabial(consonant: str, vowel: str, seconds: float) -> None:
    segments, mouth = track(f"{vowel} {consonant} {vowel} {consonant} {vowel}", seconds)
    for segment in segments:
        if segment.phoneme == consonant:
            assert at(mouth, segment)[0] <= 0.03


def test_closures_that_follow_each_other_are_told_apart() -> None:
    """As in "lamp post": between two pauses of 0.4 s, sounds of 0.12 s have middles 3 frames apart."""
    segments, mouth = track("aa m p b aa")
    found = closure_frames(segments, "flite", len(mouth))
    assert found.tolist() == [int(25 * (0.4 + 0.12 * (place + 0.5))) for place in (1, 2, 3)]
    assert found.dtype == torch.int64
    assert mouth[found, 0].max() <= 0.03
    assert closure_frames(segments, "flite", int(found[2])).tolist() == found[:2].tolist()
    assert len(closure_frames(spoken("aa f iy"), "flite", 30)) == 0


@pytest.mark.parametrize("consonant", ["f", "v"])
def test_lips_nearly_meet_in_f_and_v(consonant: str) -> None:
    segments, mouth = track(f"aa {consonant} aa", 0.1)
    inside = mouth[int(segments[2].start * 25) : round(segments[2].stop * 25), 0]
    assert inside.min() <= 0.12
    assert at(mouth, segments[1])[0] > 0.5


def test_a_closure_does_not_shut_the_vowels_beside_it() -> None:
    segments, mouth = track("aa p aa", 0.12)
    assert min(at(mouth, segments[1])[0], at(mouth, segments[3])[0]) > 0.6


def test_silence_is_closed_and_neutral() -> None:
    segments, mouth = track("aa l uw s iy")
    first, last = segments[1].start, segments[-1].start
    times = torch.arange(len(mouth)) / 25
    still = mouth[(times + 0.04 < first - 0.15) | (times > last + 0.15)]
    assert len(still) > 8
    assert still.abs().max() == 0


def test_a_silent_recording_keeps_the_mouth_shut() -> None:
    segments = [Segment("pau", 0.0, 30.0)]
    assert mouth_track(segments, "flite", 750).abs().max() == 0
    assert (phoneme_targets(segments, "flite", 750) == SILENT).all()


def test_vowels_differ_as_mouths_do() -> None:
    shapes = {}
    for vowel in ("aa", "iy", "uw"):
        segments, mouth = track(vowel, 0.3)
        shapes[vowel] = at(mouth, segments[1])
    assert shapes["aa"][0] > shapes["iy"][0] > 0.15
    assert shapes["iy"][1] > shapes["uw"][1] + 0.8
    assert shapes["uw"][2] > shapes["iy"][2] + 0.6


def test_tracks_stay_in_range_and_are_smooth_in_long_vowels() -> None:
    _, mouth = track("w aa ey ow ch uw m iy p ao f er th ay b", 0.09)
    assert mouth[:, 0].min() >= 0
    assert mouth[:, 0].max() <= 1
    assert mouth[:, 1].abs().max() <= 1
    assert 0 <= mouth[:, 2].min() <= mouth[:, 2].max() <= 1
    _, held = track("aa", 0.6)
    assert held[14:21, 0].diff().abs().max() < 0.01


def test_blending_agrees_with_the_formula_for_one_time() -> None:
    """Two vowels, no silence: F = sum D T / sum D with D = exp(-distance / 35 ms), cut off at 150 ms."""
    segments = [Segment("aa", 0.0, 1.0), Segment("iy", 1.0, 2.0)]
    mouth = mouth_track(segments, "flite", 50)
    aa, iy = VISEMES[NAMES.index("aa")], VISEMES[NAMES.index("iy")]
    samples = []
    for step in range(4):
        distance = 0.005 + 0.01 * step
        end = torch.exp(torch.tensor(-0.15 / 0.035))
        near, far = 1 - end, torch.exp(torch.tensor(-distance / 0.035)) - end
        samples.append((near * iy.open + far * aa.open) / (near + far))
    assert mouth[25, 0] == pytest.approx(float(torch.stack(samples).mean()), abs=1e-5)


def test_long_tracks_equal_short_ones() -> None:
    """Blocks of frames are blended one by one; the borders must not show."""
    part = [s.shifted(0.0) for s in spoken("aa p iy f uw")]
    length = 1.0 + 0.4 * 1  # seconds of one part: 0.4 + 5 * 0.12 + 0.4
    segments = [s.shifted(length * turn) for turn in range(40) for s in part]
    whole = mouth_track(segments, "flite", round(40 * length * 25))
    turns = whole.view(40, 35, 3)
    assert torch.allclose(turns[1], turns[14], atol=1e-4)
    assert torch.allclose(turns[1], turns[28], atol=1e-4)


def test_targets_name_the_phoneme_in_the_middle_of_each_20_ms() -> None:
    segments = [
        Segment("pau", 0.0, 0.1),
        Segment("m", 0.1, 0.2),
        Segment("ay", 0.2, 0.4),
        Segment("s", 0.4, 0.5),
    ]
    targets = phoneme_targets(segments, "flite", 15)
    aa, iy, s = (NAMES.index(name) for name in ("aa", "iy", "s"))
    expected = [SILENT] * 5 + [CLOSED] * 5 + [aa] * 6 + [iy] * 4 + [s] * 5 + [SILENT] * 5
    assert targets.tolist() == expected
    assert targets.dtype == torch.int64


def test_pauses_in_a_row_are_one() -> None:
    segments = [Segment("_", 0.0, 0.1), Segment("_", 0.1, 0.3), Segment("a", 0.3, 0.4)]
    assert viseme_spans(segments, "espeak") == [(SILENT, 0.0, 0.3), (NAMES.index("ae"), 0.3, 0.4)]


@pytest.mark.parametrize(
    ("espeak", "flite"),
    [
        ("p", "p"),
        ("D", "dh"),
        ("tS", "ch"),
        ("i:", "iy"),
        ("A:", "aa"),
        ("eI", "ey"),
        ("oU", "ow"),
        ("N", "ng"),
    ],
)
def test_both_alphabets_agree(espeak: str, flite: str) -> None:
    assert visemes_of(espeak, "espeak") == visemes_of(flite, "flite")


def test_unknown_variants_count_as_their_base_and_strangers_as_neutral() -> None:
    assert visemes_of("aI7", "espeak") == visemes_of("aI", "espeak")
    assert visemes_of("!!", "espeak") == (NAMES.index("h"),)


def test_there_are_22_classes_with_shapes_in_range() -> None:
    assert CLASSES == len(set(NAMES)) == 22
    for viseme in VISEMES:
        assert 0 <= viseme.open <= 1
        assert -1 <= viseme.width <= 1
        assert 0 <= viseme.round <= 1
