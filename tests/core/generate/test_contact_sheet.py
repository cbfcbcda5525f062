"""The contact sheet: the right frames in the right places, and the loudness beneath them."""

from __future__ import annotations

import wave

import numpy as np
import pytest
import torch
from PIL import Image

from read_core.errors import MediaError
from read_core.generate.contact_sheet import COLUMNS, GAP, LABEL, THUMBNAIL, ContactSheet, loudness

pytestmark = pytest.mark.filterwarnings("ignore:the contact sheet has no mouth track")


@pytest.fixture
def speech(tmp_path):
    """4 s at 44.1 kHz: silence, then a tone in the second half."""
    samples = np.zeros(4 * 44100)
    samples[2 * 44100 :] = 0.5 * np.sin(2 * np.pi * 500 * np.arange(2 * 44100) / 44100)
    with wave.open(str(tmp_path / "speech.wav"), "wb") as file:
        file.setparams((1, 2, 44100, 0, "NONE", ""))
        file.writeframes((samples * 32767).astype("<i2").tobytes())
    return tmp_path / "speech.wav"


def test_loudness_is_the_root_mean_square_of_each_frame(speech):
    track = loudness(speech, 100)
    assert track.shape == (100,)
    assert np.abs(track[:50]).max() < 1e-4
    np.testing.assert_allclose(track[50:], 0.5 / np.sqrt(2), rtol=2e-3)


def test_frames_are_spread_over_the_video_in_order(speech, tmp_path):
    sheet = ContactSheet(100)
    brightness = torch.linspace(0, 1, 100)
    for start in range(0, 100, 30):  # pieces, as they come from a stream
        values = brightness[start : start + 30]
        sheet.add(values[:, None, None, None].expand(-1, 160, 128, 3))
    image = np.asarray(Image.open(sheet.save(tmp_path / "sheet.png", speech)).convert("L"), np.float32)
    wanted = np.linspace(0, 99, 24).round()
    width, height = THUMBNAIL * 128 // 160, THUMBNAIL + LABEL
    for place, index in enumerate(wanted):
        x = GAP + place % COLUMNS * (width + GAP) + width // 2
        y = GAP + place // COLUMNS * (height + GAP) + THUMBNAIL // 2
        assert abs(image[y, x] - 255 * index / 99) < 2


def test_one_frame_makes_a_sheet(speech, tmp_path):
    sheet = ContactSheet(1)
    sheet.add(torch.rand(1, 64, 64, 3))
    assert Image.open(sheet.save(tmp_path / "sheet.png", speech)).width > THUMBNAIL


def test_an_existing_sheet_is_kept(speech, tmp_path):
    (tmp_path / "sheet.png").write_bytes(b"mine")
    sheet = ContactSheet(1)
    sheet.add(torch.rand(1, 64, 64, 3))
    with pytest.raises(MediaError, match="exists"):
        sheet.save(tmp_path / "sheet.png", speech)
    assert (tmp_path / "sheet.png").read_bytes() == b"mine"
    sheet.save(tmp_path / "sheet.png", speech, overwrite=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["sheet.png", "speech.wav"]


def test_the_loudness_is_that_of_the_chosen_track(speech, tmp_path):
    with pytest.raises(MediaError, match="1 audio track; there is no track 2"):
        loudness(speech, 100, 2)
