"""Sentences: reproducible, disjoint between splits, well formed, and wide in vocabulary."""

from __future__ import annotations

import re
from itertools import combinations, islice

import pytest

from read_core.corpus.speech.sentences import SPLITS, TEMPLATES, sentences, templates_of, words_of
from read_core.errors import InputError

KINDS = (
    "name",
    "adjective",
    "noun",
    "verb",
    "base",
    "place",
    "time",
    "adverb",
    "plural",
    "number",
    "exclamation",
)


def some(seed: int, split: str, count: int = 500) -> list[str]:
    return list(islice(sentences(seed, split), count))


def test_a_seed_always_gives_the_same_sentences() -> None:
    assert some(7, "train", 20) == some(7, "train", 20)
    assert some(7, "train", 20) != some(8, "train", 20)


@pytest.mark.parametrize(("first", "second"), list(combinations(SPLITS, 2)))
def test_splits_share_no_sentence_and_no_pattern(first: str, second: str) -> None:
    assert not set(some(0, first, 2000)) & set(some(0, second, 2000))
    assert not set(templates_of(first)) & set(templates_of(second))


@pytest.mark.parametrize("kind", KINDS)
def test_splits_share_no_entry_of_a_list_and_each_has_some(kind: str) -> None:
    lists = [set(words_of(kind, split)) for split in SPLITS]
    assert all(len(words) >= 3 for words in lists)
    assert sum(map(len, lists)) == len(set().union(*lists))


@pytest.mark.parametrize("split", SPLITS)
def test_sentences_are_well_formed(split: str) -> None:
    for text in some(3, split):
        assert re.fullmatch(r"[A-Z][A-Za-z',; ]+[.?!]", text), text
        assert "  " not in text
        assert 3 <= len(text.split()) <= 30


def test_every_pattern_can_be_filled_in_its_split() -> None:
    assert set().union(*(templates_of(split) for split in SPLITS)) == set(TEMPLATES)
    for split in SPLITS:
        starts = {text.split()[0] for text in some(1, split, 2000)}
        for template in templates_of(split):
            first = template.split()[0].rstrip(",")
            assert first.startswith("{") or first in starts | {"An"} or f"{first}," in starts, template


@pytest.mark.parametrize("split", SPLITS)
def test_sentences_seldom_repeat(split: str) -> None:
    assert len(set(some(0, split, 1000))) > 900


def test_vowels_take_the_right_article() -> None:
    text = " ".join(some(0, "train", 3000))
    assert re.search(r"\ban (apple|umbrella|orange|oven)\b", text)
    assert not re.search(r"\b[Aa] (apple|umbrella|orange|oven)\b", text)


def test_an_unknown_split_is_refused() -> None:
    with pytest.raises(InputError, match="train, validation, test"):
        next(sentences(0, "dev"))
