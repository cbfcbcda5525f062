"""The suite of other recordings and portraits: its conditions, its rows and its sheet."""

from __future__ import annotations

import shutil
from dataclasses import astuple
from types import SimpleNamespace

import pytest
import torch
from PIL import Image

from read_core.corpus.speech.visemes import SILENT
from read_core.errors import MediaError, ReadWarning
from read_core.evaluation.material import conditions as material
from read_core.evaluation.material.conditions import (
    AS_IS,
    FINNISH,
    PLAIN,
    RobustSize,
    as_found,
    conditions,
)
from read_core.evaluation.material.portraits import CROPS
from read_core.evaluation.suites.robust import opening_figures, picture_figures, run_robust
from read_core.face.alignment import FaceLayout, cut_face, face_crop
from read_core.pipeline import ReadPipeline

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


def test_moved_faces_are_found_and_aligned_for_a_checkpoint_that_needs_it(
    pipe, aligned_components, monkeypatch
):
    aligned, size = ReadPipeline(aligned_components), (96, 96)
    points = torch.tensor([[40.0, 60.0], [80.0, 60.0], [60.0, 100.0]])
    monkeypatch.setattr(aligned, "find_faces", lambda image: SimpleNamespace(points=points[None]))
    pixels = torch.randint(
        0, 256, (2, 150, 130, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)
    )
    found = as_found(aligned, pixels, size)
    crop = face_crop(points, aligned.card.resolution, FaceLayout())
    for picture, expected in zip(found, pixels, strict=True):
        assert torch.equal(picture, (cut_face(expected / 255, crop, size) * 255).round().byte())
    assert torch.equal(as_found(pipe, pixels, size), pixels)


@pytest.mark.corpus
def test_speech_of_its_own_has_its_own_truth(found):
    base, german = found[AS_IS].samples[0], found["German"].samples[0]
    assert len(german.mouth) == len(base.mouth) == len(german.pixels)
    assert not torch.equal(german.mouth, base.mouth)


@pytest.mark.corpus
def test_other_speech_is_compared_with_speech_as_undisturbed(found):
    assert {name for name, each in found.items() if each.base == PLAIN} - {FINNISH} == {
        "fast speech, 300 words a minute",
        "slow speech, 90 words a minute",
        "German",
        "singing tone",
    }
    assert found[PLAIN].base == found["telephone, 300 to 3400 Hz"].base == AS_IS
    assert list(found).index(PLAIN) < list(found).index("German")


@pytest.mark.corpus
def test_without_festival_its_row_is_left_out_with_a_warning(monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.warns(ReadWarning, match="Finnish.*apt-get install festival"):
        names = [name for name, _ in material._speeches()]
    assert FINNISH not in names
    assert "German" in names


@pytest.mark.corpus
def test_where_nothing_is_said_the_face_stays_and_the_truth_is_shut(found):
    base = found[AS_IS].samples[0]
    silent = {name: each.samples[0] for name, each in found.items() if each.wordless}
    assert set(silent) == {"digital silence", "music alone", "noise alone"}
    for sample in silent.values():
        assert torch.equal(sample.pixels, base.pixels)
        assert sample.mouth.abs().max() == 0
        assert (sample.phonemes == SILENT).all()
        assert len(sample.closures) == 0
        assert sample.waveform.shape == base.waveform.shape
    assert not silent["digital silence"].waveform.any()
    assert silent["music alone"].waveform.std() > 0.05
    assert silent["noise alone"].waveform.std() > 0.05


def test_openings_are_those_of_the_last_three_quarters():
    opening = torch.cat([torch.full((25,), 0.9), torch.full((60,), -0.5), torch.full((15,), 0.4)])
    found = opening_figures([opening, torch.zeros(100)])
    assert found.videos == 2
    assert found.opening == pytest.approx(15 * 0.4 / 150)  # what lies below the range counts as shut, no more
    assert found.high == pytest.approx(0.4)
    assert found.shut == pytest.approx(135 / 150)


def test_pictures_are_compared_with_the_portrait():
    portrait = torch.zeros(8, 8, 3)
    portrait[::2] = 0.5
    still = torch.zeros(8, 8, dtype=torch.bool)
    still[:4] = True
    frames = portrait.repeat(4, 1, 1, 1)
    assert astuple(picture_figures(frames, portrait, still)) == pytest.approx((1, 0, 0, 1))
    redder = frames + torch.tensor([20 / 255, 0, 0])
    assert astuple(picture_figures(redder, portrait, still)) == pytest.approx((1, 20, 0, 1), abs=1e-3)
    redder[1::2, :4] += 10 / 255
    assert picture_figures(redder, portrait, still).flicker == pytest.approx(10, abs=1e-3)
    faint = 0.5 * frames
    assert picture_figures(faint, portrait, still).detail == pytest.approx(0.5)


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
    table, pictures, openings = report.tables
    assert [row[0] for row in table.rows] == [name for name, each in found.items() if not each.wordless]
    expected = [name for name, each in found.items() if each.pictured]
    assert [row[0] for row in pictures.rows] == [*expected, "a photograph"]
    assert all(float(cell) >= 0 for row in pictures.rows for cell in row[1:])
    assert [row[0] for row in openings.rows] == [
        AS_IS, *(name for name, each in found.items() if each.wordless)
    ]  # fmt: skip
    assert all(0 <= float(row[-1]) <= 1 for row in openings.rows)
    beyond = [crop.name for crop in CROPS if crop.beyond]
    assert f"`read-core corpus --framing`: {', '.join(beyond)}." in table.note
    assert table.columns[5] == "open r"
    opening = {row[0]: float(row[5]) for row in table.rows}
    for name, _, ratio, *_ in table.rows:
        base = opening[found[name].base]
        assert ratio == pytest.approx(opening[name] / base if base > 0 else float("nan"), nan_ok=True)
    assert table.rows[0][0] == AS_IS
    on_drawn = [row[1] for row in table.rows if "size" in str(row[0]) or "light" in str(row[0])]
    assert all(float(measure) > 0.5 for measure in on_drawn)
    image = Image.open(tmp_path / "out" / "robust.png")
    assert image.height == (len(found) + 1) * (96 + 4)


def test_a_missing_photograph_is_told_before_anything_is_drawn(pipe, tmp_path):
    with pytest.raises(MediaError, match=r"none\.jpg"):
        run_robust(pipe, SIZE, tmp_path / "out", photo=tmp_path / "none.jpg")
    assert not (tmp_path / "out").exists()
