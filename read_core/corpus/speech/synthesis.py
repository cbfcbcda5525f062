"""Speech with known phoneme times from any synthesizer; the voices of each split."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

from ...errors import InputError
from .babble import BABBLE_VOICES, speak_babble
from .espeak import Espeak, SynthesizerError, locate_espeak
from .flite import FLITE_VOICES, locate_flite, speak_flite
from .sentences import check_split
from .synthesized import Speech, Voice

if TYPE_CHECKING:
    import random

__all__ = [
    "SYNTHESIZERS",
    "SynthesizerError",
    "check_synthesizer",
    "draw_voice",
    "open_synthesizer",
    "require_synthesizer",
    "voice_names",
]

SYNTHESIZERS = ("espeak", "flite", "babble")

_ACCENTS = (
    "en-us", "en", "en-gb-scotland", "en-gb-x-rp", "en-gb-x-gbclan", "en-gb-x-gbcwmd", "en-029", "en-us-nyc",
)  # fmt: skip
# Variants with breath noise (f2, f3, f5, Alicia ...) are left out: their sound is not reproducible.
_VARIANTS = {
    "train": (
        "m1", "m3", "m4", "m5", "m6", "m8", "f1", "f4", "Alex", "Andrea", "Andy", "Denis", "Gene",
        "Lee", "Mario", "Michael", "Mike", "Nguyen", "adam", "announcer", "aunty", "belinda",
        "boris", "david", "ed", "edward", "grandma", "grandpa", "gustave", "ian", "john", "klatt3",
        "klatt6", "marcelo", "max", "norbert", "paul", "quincy", "robert", "shelby", "travis",
    ),
    "validation": (
        "m7", "Hugo", "anika", "zac",
    ),
    "test": (
        "m2", "Annie", "benjamin", "miguel", "Diogo", "steph", "rob", "linda",
    ),
}  # fmt: skip

_RATES = (120, 225)
_PITCHES = (10, 90)
_INTONATIONS = (20, 90)


def check_synthesizer(synthesizer: str) -> str:
    """Return ``synthesizer`` if it is one of SYNTHESIZERS, else raise InputError."""
    if synthesizer not in SYNTHESIZERS:
        raise InputError(f"synthesizer is {synthesizer!r}; expected one of {', '.join(SYNTHESIZERS)}")
    return synthesizer


def voice_names(split: str, synthesizer: str = "espeak") -> tuple[str, ...]:
    """Names of the voices of a split: espeak's accents with the variants of the split, or all of flite's.

    flite is completely held out, so its voices are the same for every split, and so are babble's.
    """
    check_split(split)
    if check_synthesizer(synthesizer) == "flite":
        return FLITE_VOICES
    if synthesizer == "babble":
        return BABBLE_VOICES
    return tuple(f"{accent}+{variant}" for accent in _ACCENTS for variant in _VARIANTS[split])


def draw_voice(generator: random.Random, split: str = "train", synthesizer: str = "espeak") -> Voice:
    """A random voice of the split, with its rate (120 to 225 words a minute), pitch and intonation."""
    name = generator.choice(voice_names(split, synthesizer))
    rate, pitch, intonation = (generator.randint(*span) for span in (_RATES, _PITCHES, _INTONATIONS))
    return Voice(synthesizer, name, rate, pitch, intonation)


def require_synthesizer(synthesizer: str) -> None:
    """Raise SynthesizerError, which says how to install it, unless ``synthesizer`` is installed."""
    if check_synthesizer(synthesizer) == "espeak":
        locate_espeak()
    elif synthesizer == "flite":
        locate_flite()


@contextmanager
def open_synthesizer(voice: Voice) -> Iterator[Callable[[str], Speech]]:
    """A function from text to Speech, for as long as the ``with`` statement lasts.

    Raises:
        SynthesizerError: the synthesizer is not installed (the message says how to install it) or does not
            know the voice.
    """
    if check_synthesizer(voice.synthesizer) == "espeak":
        with Espeak(voice) as speak:
            yield speak
    elif voice.synthesizer == "flite":
        yield partial(speak_flite, voice=voice)
    else:
        yield partial(speak_babble, voice=voice)
