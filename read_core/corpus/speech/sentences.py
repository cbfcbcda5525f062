"""English-like sentences from our own words and templates; splits share neither words nor templates.

Every entry of a list (nouns, verbs, names, places ...) and every template belongs to exactly one split. So
training never sees a sentence or a sentence pattern of the test split. All splits share only the small words
inside templates ("the", "was", "about").
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator

from ...errors import InputError
from . import words

SPLITS = ("train", "validation", "test")

# Position in a list, modulo 6, to split: two thirds are for training.
_SHARES = {"train": range(4), "validation": (4,), "test": (5,)}

_LISTS = {
    "name": words.NAMES,
    "adjective": words.ADJECTIVES,
    "noun": words.NOUNS,
    "verb": words.VERBS,
    "base": words.BASE_VERBS,
    "place": words.PLACES,
    "time": words.TIMES,
    "adverb": words.ADVERBS,
    "plural": words.PLURALS,
    "number": words.NUMBERS,
    "exclamation": words.EXCLAMATIONS,
}

TEMPLATES = (
    "{name} {verb} the {adjective} {noun} {place}.",
    "The {noun} and the {noun} were {adjective} {time}.",
    "{exclamation}, {name} {verb} {number} {plural}.",
    "Did {name} {base} the {noun} {time}?",
    "My {adjective} {noun} was {adverb} {place}.",
    "We should {base} the {adjective} {plural} {time}.",
    "{name} thought about the {noun}, but {name} {verb} the {plural}.",
    "A {noun} {verb} every {noun} {place} {time}.",
    "{time} the {noun} was {adjective}, so we {verb} it.",
    "Please {base} a {noun} for {name} and {base} the {plural}.",
    "There are {number} {plural} {place}, and {name} {verb} both.",
    "What would {name} {base} {place}?",
    "I {adverb} {verb} the {noun} that {name} {verb}.",
    "How many {plural} have you {verb} {time}?",
    "{name}'s {noun} is {adjective}, {adjective} and {adjective}.",
    "Nobody {verb} the {plural}; they were too {adjective}.",
    "If you {base} the {noun}, {name} will {base} the {plural}.",
    "{exclamation}, it was a {adjective} {noun}!",
    "The {adjective} {noun} belongs to {name}, who {verb} it {time}.",
    "{number} {adjective} {plural} {verb} the {noun} {place}.",
    "Why must we {base} {adjective} {plural} {place}?",
    "{name} and {name} {verb} a {noun} of {plural}.",
    "They {adverb} {verb} the {noun}, then the {plural}, then {number} more.",
    "You may {base} this {noun} if it is {adjective}.",
    "Both the {noun} {place} and the {adjective} {plural} pleased {name}.",
    "{time} {name} {verb} a {noun} and {number} {plural}.",
    "Could the {noun} be more {adjective} than the {noun}?",
    "{name} never {verb} it; perhaps the {noun} was {adjective}.",
    "{exclamation}, the {plural} {place} look {adjective}.",
    "It took {name} {number} hours to {base} the {noun}.",
    "Give {name} the {adjective} {noun}, or {base} it {place}.",
    "When the {noun} {verb} the {plural}, {name} was {place}.",
    "Is that {noun} yours, or does it belong to {name}?",
    "{adverb} {name} {verb} {number} of the {plural}.",
    "{exclamation}, we {verb} the {noun} {place}.",
    "Let us {base} the {plural} and {base} the {adjective} {noun}.",
    "The {plural} that {name} {verb} were {adjective}.",
    "{place}, {name} {verb} the {noun} {time}.",
    "One {noun} is {adjective}; the other {noun} is {adjective}.",
    "She would {adverb} {base} a {noun} {time}.",
    "Who {verb} my {adjective} {noun} {time}?",
    "Have we {number} {plural} and a {noun}, {name}?",
    "{name} told {name} about the {plural} {place}.",
    "It was {time} that the {noun} {verb} us.",
    "{number} {plural}, {adverb} chosen, were {place}.",
    "Every {adjective} {noun} has a {noun} for {name}.",
    "{exclamation}, {name} may {base} the {noun}.",
    "He {verb} {plural} {time} and a {noun} {place}.",
    "A {adjective} {noun}, a {noun} and {number} {plural}.",
    "{name}, do not {base} the {adjective} {plural}!",
    "We {verb} {name} and her {adjective} {noun}.",
    "Our {noun} {verb} yours {place}.",
    "{plural} are {adjective}, but a {noun} is {adjective}.",
    "{name} and the {noun} will {base} {number} {plural}.",
)

_SLOT = re.compile(r"{(\w+)}")
_ARTICLE = re.compile(r"\b([Aa]) (?=[aeio]|umb)")


def check_split(split: str) -> str:
    """Return ``split`` if it is one of SPLITS, else raise InputError."""
    if split not in SPLITS:
        raise InputError(f"split is {split!r}; expected one of {', '.join(SPLITS)}")
    return split


def words_of(kind: str, split: str) -> tuple[str, ...]:
    """The words of one list ("noun", "verb" ...) for ``split``."""
    return _share(_LISTS[kind], split)


def templates_of(split: str) -> tuple[str, ...]:
    """The sentence patterns for ``split``."""
    return _share(TEMPLATES, split)


def sentences(seed: int, split: str = "train") -> Iterator[str]:
    """An endless stream of sentences, the same for the same seed and split.

    Raises:
        InputError: the split is unknown.
    """
    check_split(split)
    # A string seeds through SHA-512, so the stream is the same on every machine and Python version.
    generator = random.Random(f"sentences/{split}/{seed}")
    patterns = templates_of(split)
    while True:
        yield _fill(generator.choice(patterns), split, generator)


def _share(items: tuple[str, ...], split: str) -> tuple[str, ...]:
    unique = tuple(dict.fromkeys(items))
    return tuple(item for position, item in enumerate(unique) if position % 6 in _SHARES[split])


def _fill(template: str, split: str, generator: random.Random) -> str:
    used: set[str] = set()

    def draw(match: re.Match[str]) -> str:
        choices = [word for word in words_of(match.group(1), split) if word not in used]
        word = generator.choice(choices)
        used.add(word)
        return word.replace("-", " ")

    text = _ARTICLE.sub(r"\1n ", _SLOT.sub(draw, template))
    return text[0].upper() + text[1:]
