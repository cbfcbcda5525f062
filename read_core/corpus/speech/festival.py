"""Festival through its command interface: text to a waveform with phoneme times.

Its voices are recordings of people, cut into single sounds and joined anew, and speak several languages. So
training hears real voices, and sounds that English lacks. Only needed for corpora: ``FESTIVAL_INSTALL`` names
the Debian packages.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ...geometry import SAMPLE_RATE
from .espeak import SynthesizerError
from .synthesized import SILENCE, Segment, Speech, Voice, read_wave

if TYPE_CHECKING:
    from types import TracebackType


@dataclass(frozen=True)
class FestivalVoice:
    """One of Festival's voices.

    Attributes:
        command: the function of Festival that chooses it, without its prefix ``voice_``.
        language: the code of its language; also the first word of its phonemes' mnemonics.
        package: the Debian package.
        encoding: of the text that it reads.
    """

    command: str
    language: str
    package: str
    encoding: str = "utf-8"


FESTIVAL_VOICES = {
    "ked": FestivalVoice("ked_diphone", "en", "festvox-kdlpc16k"),
    "lp": FestivalVoice("lp_diphone", "it", "festvox-italp16k", "latin-1"),
    "pc": FestivalVoice("pc_diphone", "it", "festvox-itapc16k", "latin-1"),
    "dita": FestivalVoice("czech_dita", "cs", "festvox-czech-dita", "iso-8859-2"),
    "machac": FestivalVoice("czech_machac", "cs", "festvox-czech-machac", "iso-8859-2"),
    "ph": FestivalVoice("czech_ph", "cs", "festvox-czech-ph", "iso-8859-2"),
    "krb": FestivalVoice("czech_krb", "cs", "festvox-czech-krb", "iso-8859-2"),
    "ona": FestivalVoice("upc_ca_ona_hts", "ca", "festvox-ca-ona-hts", "latin-1"),
    "nsh": FestivalVoice("msu_ru_nsh_clunits", "ru", "festvox-ru"),
    "hindi": FestivalVoice("hindi_NSK_diphone", "hi", "festvox-hi-nsk"),
    "marathi": FestivalVoice("marathi_NSK_diphone", "mr", "festvox-mr-nsk"),
    "telugu": FestivalVoice("telugu_NSK_diphone", "te", "festvox-te-nsk"),
    "lj": FestivalVoice("suo_fi_lj_diphone", "fi", "festvox-suopuhe-lj", "latin-1"),
    "mv": FestivalVoice("hy_fi_mv_diphone", "fi", "festvox-suopuhe-mv", "latin-1"),
}
FESTIVAL_INSTALL = " ".join(
    ["apt-get install festival", *sorted(voice.package for voice in FESTIVAL_VOICES.values())]
)

_PAUSES = frozenset({"pau", "#", "##", "_", "h#", "brth"})
# Each command ends with one line of output, also after an error.
_COMMAND = """(unwind-protect (begin {body}) (format t "failed"))
(format t "\\n")
(fflush nil)
"""
_CHOOSE = """(voice_{name}) (Parameter.set 'Duration_Stretch {stretch:.4f})"""
_SPEAK = """(set! utt (Utterance Text "{text}"))
  (utt.synth utt)
  (utt.save.wave utt "{sound}")
  (mapcar
    (lambda (s) (format t "%s\\t%f\\t" (item.name s) (item.feat s 'end)))
    (utt.relation.items utt 'Segment))
"""


def locate_festival() -> str:
    """Path of the festival program; SynthesizerError when it is not installed."""
    program = shutil.which("festival")
    if program is None:
        raise SynthesizerError(
            f"Festival is needed for these voices and was not found; install it: {FESTIVAL_INSTALL}"
        )
    return program


def require_festival() -> None:
    """Raise SynthesizerError, which says what to install, unless Festival and all of its voices are there."""
    listed = subprocess.run(
        [locate_festival(), "-b", '(format t "%l" (voice.list))'], capture_output=True, text=True, check=False
    )
    installed = set(listed.stdout.strip("()").split())
    missing = [voice.package for voice in FESTIVAL_VOICES.values() if voice.command not in installed]
    if missing:
        raise SynthesizerError(
            f"voices of Festival are missing; install them: apt-get install {' '.join(missing)}"
        )


class Festival:
    """A running Festival with one voice; use it in a ``with`` statement.

    Raises:
        SynthesizerError: the voice is unknown; on entering, when Festival or the voice is not installed; on a
            call, when the voice cannot speak the text.
    """

    def __init__(self, voice: Voice) -> None:
        if voice.name not in FESTIVAL_VOICES:
            raise SynthesizerError(
                f"festival has no voice {voice.name!r}; expected one of {', '.join(FESTIVAL_VOICES)}"
            )
        self.voice, self._of = voice, FESTIVAL_VOICES[voice.name]
        self._folder = tempfile.TemporaryDirectory(prefix="read-festival-")
        self._errors = Path(self._folder.name) / "errors.txt"

    def __enter__(self) -> Festival:
        with self._errors.open("wb") as errors:  # a pipe that nobody reads would fill, and stop the process
            self._process = subprocess.Popen(
                [locate_festival(), "--pipe"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors
            )
        said = self._run(_CHOOSE.format(name=self._of.command, stretch=175 / self.voice.rate))
        if said is None:
            raise self._failed(
                f"festival's voice {self.voice.name} was not found; "
                f"install it: apt-get install {self._of.package}"
            )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()

    def __call__(self, text: str) -> Speech:
        """Speak ``text``; the segments cover the whole waveform."""
        sound = Path(self._folder.name) / "speech.wav"
        sound.unlink(missing_ok=True)
        listing = self._run(_SPEAK.format(text=text.replace('"', ""), sound=sound))
        if listing is None or not sound.exists():
            raise self._failed(f"festival's voice {self.voice.name} failed on {text!r}")
        waveform = read_wave(sound)
        return Speech(waveform, self._segments(listing, len(waveform) / SAMPLE_RATE), "festival")

    def _run(self, body: str) -> str | None:
        """The output of a command; None: it failed."""
        to, answer = self._process.stdin, self._process.stdout
        assert to is not None
        assert answer is not None
        to.write(_COMMAND.format(body=body).encode(self._of.encoding))
        to.flush()
        line = answer.readline().decode("ascii", "replace")
        return None if not line.endswith("\n") or line.endswith("failed\n") else line[:-1]

    def _failed(self, what: str) -> SynthesizerError:
        """The error, with what Festival said."""
        said = self._close()
        return SynthesizerError(f"{what} (festival says: {said})" if said else what)

    def _close(self) -> str:
        """End the process; return its error output."""
        self._process.kill()
        self._process.communicate()
        said = self._errors.read_text("utf-8", "replace") if self._errors.exists() else ""
        self._folder.cleanup()
        return " ".join(said.split())

    def _segments(self, listing: str, seconds: float) -> tuple[Segment, ...]:
        """``listing`` is each phoneme with its end in seconds, all with a tab after them."""
        fields = listing.split("\t")[:-1]
        segments: list[Segment] = []
        start = 0.0
        for phoneme, end in zip(fields[::2], fields[1::2], strict=True):
            stop = min(float(end), seconds)
            if stop > start:
                name = SILENCE["festival"] if phoneme in _PAUSES else f"{self._of.language} {phoneme}"
                segments.append(Segment(name, start, stop))
                start = stop
        if start < seconds:
            segments.append(Segment(SILENCE["festival"], start, seconds))
        return tuple(segments)
