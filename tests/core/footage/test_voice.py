"""Speech and what is none."""

from pathlib import Path

import numpy as np
import pytest

from read_core.errors import InputError
from read_core.footage.voice import make_voice
from read_core.media import read_audio

SPEECH = Path(__file__).parents[3] / "assets" / "speech.flac"


def noise(level):
    return (np.random.default_rng(0).normal(0, level, 32_000) * 32767).clip(-32768, 32767).astype(np.int16)


@pytest.mark.parametrize("name", ["webrtc", "loudness"])
def test_speech_is_heard_and_silence_is_not(name):
    if name == "webrtc":
        pytest.importorskip("webrtcvad")
    voiced = make_voice(name)
    assert voiced is not None
    spoken = (read_audio(SPEECH).numpy() * 32767).astype(np.int16)
    assert voiced(spoken) > 0.5
    assert voiced(np.zeros(32_000, np.int16)) == 0
    assert voiced(noise(0.0003)) < 0.1
    half = np.concatenate([spoken[:48_000], np.zeros(48_000, np.int16)])
    assert 0.3 * voiced(spoken) < voiced(half) < 0.7


def test_any_sound_is_speech_for_the_loudness():
    voiced = make_voice("loudness")
    assert voiced is not None
    assert voiced(noise(0.1)) == 1


def test_nobody_asks_or_nobody_is_known():
    assert make_voice("none") is None
    with pytest.raises(InputError, match="expected webrtc"):
        make_voice("whisper")
