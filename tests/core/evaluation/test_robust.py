"""The suite of other recordings and portraits: its conditions, its rows and its sheet."""

from __future__ import annotations

import pytest
import torch
from PIL import Image

from read_core.errors import MediaError
from read_core.evaluation.cast import LIP_COLUMNS
from read_core.evaluation.robust import AS_IS, RobustSize, conditions, run_robust

SIZE = RobustSize(count=1, clips=1, steps=1, snrs=(5.0,))


@pytest.fixture(scope="module")
def found(pipe, sample):
    return {each.name: each for each in conditions(pipe, SIZE)}


@pytest.mark.corpus
def test_conditions_change_what_they_name_and_nothing_else(found):
    base = found[AS_IS].samples[0]
    assert len({s.name for each in found.values() for s in each.samples if each.size is None}) == len(
        [each for each in found.values() if each.size is None]
    )  # names tell encoded inputs apart
    telephone, darker = (found[name].samples[0] for name in ("telephone, 300 to 3400 Hz", "darker"))
    assert torch.equal(telephone.pixels, base.pixels)
    assert torch.equal(telephone.mouth, base.mouth)
    assert not torch.equal(telephone.waveform, base.waveform)
    assert torch.equal(darker.waveform, base.waveform)
    assert darker.portrait.mean() < 0.6 * base.portrait.mean()


@pytest.mark.corpus
def test_speech_of_its_own_has_its_own_truth(found):
    base, german = found[AS_IS].samples[0], found["German"].samples[0]
    assert len(german.mouth) == len(base.mouth) == len(german.pixels)
    assert not torch.equal(german.mouth, base.mouth)


@pytest.mark.corpus
def test_videos_of_other_sizes_are_drawn_in_them(found):
    assert found["video of 128 x 96"].size == (96, 128)
    assert found["video of 128 x 96"].samples[0].pixels.shape == (25, 96, 128, 3)


@pytest.mark.slow
@pytest.mark.corpus
def test_the_suite_measures_every_condition_and_shows_a_photograph(pipe, found, tmp_path):
    photo = tmp_path / "photo.jpg"
    Image.effect_noise((300, 200), 60).convert("RGB").save(photo)
    report = run_robust(pipe, SIZE, tmp_path / "out", photo=photo)
    (table,) = report.tables
    assert [row[0] for row in table.rows] == list(found)
    assert table.rows[0][0] == AS_IS
    assert len(table.rows[0]) == 3 + len(LIP_COLUMNS)
    assert all(row[1] > 0.5 for row in table.rows if "size" in row[0] or "light" in row[0])  # the measure
    image = Image.open(tmp_path / "out" / "robust.png")
    assert image.height == (len(found) + 1) * (96 + 4)


def test_a_missing_photograph_is_told_before_anything_is_drawn(pipe, tmp_path):
    with pytest.raises(MediaError, match=r"none\.jpg"):
        run_robust(pipe, SIZE, tmp_path / "out", photo=tmp_path / "none.jpg")
    assert not (tmp_path / "out").exists()
