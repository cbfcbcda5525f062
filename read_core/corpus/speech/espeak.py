"""espeak-ng through its shared library: text to a waveform with phoneme times.

The library comes with the PyPI package ``espeakng-loader`` (the ``corpus`` extra). espeak-ng is GPL: it is
called only to make a corpus and is never needed to use the project. It keeps all its state, including random
numbers, in global variables. So each ``Espeak`` loads the library again, and only one may be open in a
process (another thread waits). Then the result does not depend on anything spoken before.
"""

from __future__ import annotations

import ctypes
import threading
from types import TracebackType
from typing import Any

import torch

from ...errors import ReadError
from ...geometry import SAMPLE_RATE
from .synthesized import INT16, SILENCE, Segment, Speech, Voice, to_corpus_rate


class SynthesizerError(ReadError):
    """A speech synthesizer is not installed or does not know a voice."""


# From espeak-ng's speak_lib.h.
_SYNCHRONOUS = 2
_PHONEME_EVENTS = 0x1
_DO_NOT_EXIT = 0x8000
_EVENT_END_OF_LIST = 0
_EVENT_PHONEME = 7
_TEXT_IS_UTF8 = 1
_RATE, _PITCH, _INTONATION = 1, 3, 4

# Plosives and affricates: espeak reports them at their burst; the closure before it also belongs to them.
_PLOSIVES = frozenset("pbtdkg")
_CLOSURE_SECONDS = 0.045
_CLOSURE_SHARE = 0.4
# Glottal catches, palatal off-glides and word joints: part of the phoneme before them.
_MARKS = frozenset({";", "_!", "_|", "_^_", "?", "-", "||", ""})
_STRESS = "',%=|"

_HOW_TO_INSTALL = "install the corpus extra: pip install -e '.[corpus]' (or pip install espeakng-loader)"

_open = threading.Lock()


class _Id(ctypes.Union):
    _fields_ = (("number", ctypes.c_int), ("name", ctypes.c_char_p), ("string", ctypes.c_char * 8))


class _Event(ctypes.Structure):
    _fields_ = (
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", _Id),
    )


_Callback = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event)
)


class Espeak:
    """A freshly loaded espeak-ng with one voice; use it in a ``with`` statement.

    Raises:
        SynthesizerError: on entering, when espeakng-loader is absent or the voice unknown.
    """

    def __init__(self, voice: Voice) -> None:
        self.voice = voice
        self._samples: list[bytes] = []
        self._events: list[tuple[int, str]] = []
        self._callback = _Callback(self._receive)
        self._library: Any = None
        self._native_rate = 0

    def __enter__(self) -> Espeak:
        library_path, data_path = locate_espeak()
        _open.acquire()
        try:
            self._library = ctypes.CDLL(library_path)
            self._native_rate = self._library.espeak_Initialize(
                _SYNCHRONOUS, 0, data_path.encode(), _PHONEME_EVENTS | _DO_NOT_EXIT
            )
            if self._native_rate <= 0:
                raise SynthesizerError(f"espeak-ng did not start from {data_path}; {_HOW_TO_INSTALL}")
            self._library.espeak_SetSynthCallback(self._callback)
            self._set_voice()
        except BaseException:
            self._close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()

    def __call__(self, text: str) -> Speech:
        """Speak ``text``; the segments cover the whole waveform."""
        self._samples.clear()
        self._events.clear()
        data = text.encode()
        self._library.espeak_Synth(data, len(data) + 1, 0, 1, 0, _TEXT_IS_UTF8, None, None)
        native = torch.frombuffer(bytearray(b"".join(self._samples)), dtype=torch.int16).float() / INT16
        waveform = to_corpus_rate(native, self._native_rate)
        return Speech(waveform, self._segments(waveform.shape[0] / SAMPLE_RATE), "espeak")

    def _set_voice(self) -> None:
        if self._library.espeak_SetVoiceByName(self.voice.name.encode()) != 0:
            raise SynthesizerError(
                f"espeak-ng has no voice {self.voice.name!r}; expected a name such as en-us or en-us+f3"
            )
        for parameter, value in (
            (_RATE, self.voice.rate),
            (_PITCH, self.voice.pitch),
            (_INTONATION, self.voice.intonation),
        ):
            self._library.espeak_SetParameter(parameter, value, 0)

    def _receive(self, samples: Any, count: int, events: Any) -> int:
        if count > 0:
            self._samples.append(ctypes.string_at(samples, 2 * count))
        index = 0
        while events[index].type != _EVENT_END_OF_LIST:
            if events[index].type == _EVENT_PHONEME:
                self._events.append(
                    (events[index].sample, events[index].id.string.decode("utf-8", "replace"))
                )
            index += 1
        return 0

    def _segments(self, seconds: float) -> tuple[Segment, ...]:
        silence = SILENCE["espeak"]
        starts: list[tuple[float, str]] = [(0.0, silence)]
        for sample, mnemonic in self._events:
            phoneme = mnemonic.lstrip(_STRESS)
            if phoneme in _MARKS:
                continue
            start = min(sample / self._native_rate, seconds)
            if phoneme[0] in _PLOSIVES and starts[-1][1][0] != silence:
                closure = _CLOSURE_SECONDS * 175 / self.voice.rate
                start -= min(closure, _CLOSURE_SHARE * (start - starts[-1][0]))
            starts.append((start, silence if phoneme[0] == silence else phoneme))
        stops = [start for start, _ in starts[1:]] + [seconds]
        return tuple(
            Segment(phoneme, start, stop)
            for (start, phoneme), stop in zip(starts, stops, strict=True)
            if stop > start
        )

    def _close(self) -> None:
        try:
            if self._library is not None:
                self._library.espeak_Terminate()
                _unload(self._library)
        finally:
            self._library = None
            _open.release()


def locate_espeak() -> tuple[str, str]:
    """Paths of espeak-ng's shared library and of its data; SynthesizerError when they are not installed."""
    try:
        import espeakng_loader
    except ImportError as error:
        raise SynthesizerError(
            f"espeak-ng is needed to make a corpus and was not found; {_HOW_TO_INSTALL}"
        ) from error
    return str(espeakng_loader.get_library_path()), str(espeakng_loader.get_data_path())


def _unload(library: Any) -> None:
    # ctypes never unloads a library, and a loaded one keeps its random state.
    import _ctypes

    _ctypes.dlclose(library._handle)
