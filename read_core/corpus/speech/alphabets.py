"""The mouth shape of each phoneme, in the alphabet of each synthesizer.

A phoneme is one viseme of ``visemes.VISEMES`` or, for diphthongs, two. Mnemonics follow each synthesizer's
documentation. In Festival's alphabet, the language comes before the phoneme: "it O".
"""

from __future__ import annotations

from .synthesized import SILENCE

_ESPEAK = {
    "_": "sil", "p": "p", "b": "p", "m": "p", "m-": "p", "f": "f", "v": "f", "T": "th", "D": "th", "t": "t",
    "d": "t", "n": "t", "n-": "t", "t#": "t", "t2": "t", "t[": "t", "d[": "t", "l": "l", "l-": "l",
    "@L": "ah l", "s": "s", "z": "s", "S": "sh", "Z": "sh", "tS": "sh", "dZ": "sh", "k": "k", "g": "k",
    "N": "k", "x": "k", "h": "h", "r": "r", "r-": "r", "w": "w", "w#": "w", "j": "iy", "i:": "iy",
    "i": "iy", "I": "ih", "I2": "ih", "I#": "ih", "E": "eh", "E2": "eh", "a": "ae", "aa": "ae", "A:": "aa",
    "A": "aa", "0": "aa", "A@": "aa", "V": "ah", "@": "ah", "@2": "ah", "@5": "ah", "a#": "ah", "O:": "ao",
    "O": "ao", "O2": "ao", "O@": "ao", "o@": "ao", "U": "uh", "u:": "uw", "u": "uw", "U@": "uh er",
    "3": "er", "3:": "er", "VR": "er", "IR": "er", "e@": "eh er", "i@": "iy er", "i@3": "iy er",
    "eI": "eh iy", "aI": "aa iy", "aI2": "aa iy", "aI3": "aa iy", "aI@": "aa er", "aU": "aa uh",
    "aU@": "aa er", "OI": "ao iy", "oU": "ao uw",
}  # fmt: skip
_FLITE = {
    "pau": "sil", "p": "p", "b": "p", "m": "p", "f": "f", "v": "f", "th": "th", "dh": "th", "t": "t",
    "d": "t", "n": "t", "l": "l", "s": "s", "z": "s", "sh": "sh", "zh": "sh", "ch": "sh", "jh": "sh",
    "k": "k", "g": "k", "ng": "k", "hh": "h", "r": "r", "w": "w", "y": "iy", "iy": "iy", "ih": "ih",
    "eh": "eh", "ae": "ae", "aa": "aa", "ah": "ah", "ax": "ah", "ao": "ao", "uh": "uh", "uw": "uw",
    "er": "er", "ey": "eh iy", "ay": "aa iy", "aw": "aa uh", "oy": "ao iy", "ow": "ao uw",
}  # fmt: skip
# Festival's English voice.
_RADIO = _FLITE | {
    "dx": "t", "em": "p", "en": "t", "nx": "t", "el": "ah l", "hv": "h", "axr": "er",
}  # fmt: skip
# Letters that mean the same in Festival's other languages, or nearly.
_LATIN = {
    "a": "aa", "e": "eh", "E": "eh", "i": "iy", "o": "uh", "O": "ao", "u": "uw", "p": "p", "b": "p", "m": "p",
    "f": "f", "v": "f", "t": "t", "d": "t", "n": "t", "l": "l", "L": "l", "r": "l", "s": "s", "z": "s",
    "S": "sh", "Z": "sh", "k": "k", "g": "k", "j": "iy", "w": "w", "h": "h",
}  # fmt: skip
_FESTIVAL = {
    "en": _RADIO,
    "it": _LATIN | {"ts": "s", "dz": "s", "tS": "sh", "dZ": "sh", "J": "t", "ng": "k", "nf": "f"},
    "cs": _LATIN | {
        "o": "ao", "y": "ih", "c": "s", "c~": "sh", "dz": "s", "dz~": "sh", "ch": "k", "r~": "sh", "s~": "sh",
        "z~": "sh",
    },
    "ca": _LATIN | {"ax": "ah", "J": "t"},
    "ru": _LATIN | {
        "a": "ah", "aa": "aa", "ae": "ah", "ay": "ih", "e": "ih", "ee": "eh", "i": "ih", "ii": "iy",
        "y": "ih", "o": "ah", "oo": "ao", "u": "uh", "uu": "uw", "ur": "uh", "c": "s", "ch": "sh", "sh": "sh",
        "sch": "sh", "zh": "sh", "h": "k",
    },
    "fi": _LATIN | {
        "o": "ao", "y": "uw", "@": "ae", "7": "uh", "T": "th", "D": "th", "N": "k",
    },
}  # fmt: skip
_INDIC = _LATIN | {
    "a": "ah", "aa": "aa", "ih": "ih", "iy": "iy", "uh": "uh", "uw": "uw", "eh": "eh", "ee": "eh", "ay": "ae",
    "oh": "ao", "oo": "ao", "aw": "ao", "ch": "sh", "T": "t", "D": "t", "N": "t", "th": "t", "dh": "t",
    "y": "iy", "j": "sh", "R": "l", "sh": "sh", "zh": "sh", "ksh": "k sh", "sri": "s l", "x": "k", "@": "ah",
}  # fmt: skip
_FESTIVAL |= dict.fromkeys(("hi", "mr", "te"), _INDIC)
ALPHABETS = {
    "espeak": _ESPEAK,
    "flite": _FLITE,
    "babble": _FLITE,
    "festival": {SILENCE["festival"]: "sil"}
    | {f"{language} {name}": shape for language, table in _FESTIVAL.items() for name, shape in table.items()},
}
