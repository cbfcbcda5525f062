"""Speech with known phoneme times from any synthesizer; the voices of each split."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

from ...errors import InputError
from .babble import BABBLE_VOICES, speak_babble
from .espeak import Espeak, SynthesizerError, locate_espeak
from .festival import FESTIVAL_VOICES, Festival, require_festival
from .flite import FLITE_VOICES, locate_flite, speak_flite
from .sentences import check_split, sentences
from .synthesized import Speech, Voice
from .tongues import word_chains

if TYPE_CHECKING:
    import random

__all__ = [
    "SYNTHESIZERS",
    "SynthesizerError",
    "check_synthesizer",
    "draw_voice",
    "open_synthesizer",
    "require_synthesizer",
    "texts_for",
    "voice_names",
]

SYNTHESIZERS = ("espeak", "festival", "flite", "babble")

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

# Festival's Finnish voices are held out, and so is their language.
_FESTIVAL = {
    "train": ("ked", "lp", "pc", "dita", "machac", "ph", "krb", "ona", "nsh", "hindi", "marathi", "telugu"),
    "validation": ("lj",),
    "test": ("mv",),
}

_RATES = (120, 225)
_PITCHES = (10, 90)
_INTONATIONS = (20, 90)


def check_synthesizer(synthesizer: str) -> str:
    """Return ``synthesizer`` if it is one of SYNTHESIZERS, else raise InputError."""
    if synthesizer not in SYNTHESIZERS:
        raise InputError(f"synthesizer is {synthesizer!r}; expected one of {', '.join(SYNTHESIZERS)}")
    return synthesizer


def voice_names(split: str, synthesizer: str = "espeak") -> tuple[str, ...]:
    """Names of the voices of a split: espeak's accents with the variants of the split, or Festival's.

    flite is completely held out, so its voices are the same for every split, and so are babble's.
    """
    check_split(split)
    if check_synthesizer(synthesizer) == "flite":
        return FLITE_VOICES
    if synthesizer == "babble":
        return BABBLE_VOICES
    if synthesizer == "festival":
        return _FESTIVAL[split]
    return tuple(f"{accent}+{variant}" for accent in _ACCENTS for variant in _VARIANTS[split])


def draw_voice(generator: random.Random, split: str = "train", synthesizer: str = "espeak") -> Voice:
    """A random voice of the split, with its rate (120 to 225 words a minute), pitch and intonation."""
    name = generator.choice(voice_names(split, synthesizer))
    rate, pitch, intonation = (generator.randint(*span) for span in (_RATES, _PITCHES, _INTONATIONS))
    return Voice(synthesizer, name, rate, pitch, intonation)


def texts_for(voice: Voice, seed: int, split: str) -> Iterator[str]:
    """An endless stream of texts that ``voice`` can speak: sentences in English, or chains of words."""
    language = FESTIVAL_VOICES[voice.name].language if voice.synthesizer == "festival" else "en"
    return sentences(seed, split) if language == "en" else word_chains(seed, language)


def require_synthesizer(synthesizer: str) -> None:
    """Raise SynthesizerError, which says how to install it, unless ``synthesizer`` is installed."""
    if check_synthesizer(synthesizer) == "espeak":
        locate_espeak()
    elif synthesizer == "festival":
        require_festival()
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
    elif voice.synthesizer == "festival":
        with Festival(voice) as say:
            yield say
    elif voice.synthesizer == "flite":
        yield partial(speak_flite, voice=voice)
    else:
        yield partial(speak_babble, voice=voice)
