"""The suite from end to end on a tiny checkpoint with random weights: plumbing, not quality."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch
from PIL import Image

from read_core.ans import JointCFG, NoCFG, SplitCFG
from read_core.errors import InputError, ReadWarning
from read_core.evaluation.material import samples as material
from read_core.evaluation.material.samples import draw_sample, draw_samples
from read_core.evaluation.material.videos import VideoGenerator
from read_core.evaluation.suites import select
from read_core.evaluation.suites.guidance import (
    CANDIDATES,
    COMPARED,
    compared_with,
    describe,
)
from read_core.evaluation.suites.select import SelectSize, Trial, TrialFigures, run_select
from read_core.evaluation.suites.speaking_suite import SpeakingSize
from read_core.evaluation.suites.tiny import SuiteSize, run_suite
from read_core.evaluation.tables.metadata import weights_digest
from read_core.records import SamplingSettings

SIZE = SuiteSize(
    count=2,
    clips=2,
    independent=1,
    drift_clips=2,
    codec_clips=6,
    gallery=3,
    sheets=2,
    speaking=SpeakingSize(drawn=1, seeds=1, side=64),
)


@pytest.mark.corpus
def test_samples_are_reproducible_and_complete(sample):
    again = draw_sample(0, "test", 41, (64, 96))
    assert torch.equal(again.pixels, sample.pixels)
    assert torch.equal(again.waveform, sample.waveform)
    assert sample.frames.shape == (41, 64, 96, 3)
    assert sample.waveform.shape == (41 * 640,)
    assert sample.mouth.shape == (41, 3)
    assert sample.phonemes.shape == (82,)
    cut = sample.cut(25)
    assert (len(cut.frames), len(cut.waveform), len(cut.phonemes)) == (25, 16000, 50)
    assert torch.equal(cut.portrait, sample.portrait)


@pytest.mark.corpus
def test_without_flite_espeak_speaks_all_and_a_warning_says_so(monkeypatch):
    pytest.importorskip("espeakng_loader")
    monkeypatch.setenv("PATH", "")
    with pytest.warns(ReadWarning, match="flite"):
        samples = draw_samples("validation", 2, 9, 64)
    assert [s.synthesizer for s in samples] == ["espeak", "espeak"]
    assert material.SAID_BY == ("espeak", "flite")


@pytest.mark.corpus
def test_independent_clips_start_anew_where_the_clips_lie(pipe, sample):
    generator = VideoGenerator(pipe)  # window 4: f = 3, clips of 3, 2, 2 latents of their own
    together, apart = generator.asynchronous(sample), generator.independent(sample)
    assert apart.frames.shape == together.frames.shape == (41, 64, 96, 3)
    assert apart.mouth.shape == (41, 3)
    first = sample.cut(25)
    assert torch.equal(generator.independent(first).frames, generator.asynchronous(first).frames)
    assert not torch.equal(apart.frames[30:], together.frames[30:])


@pytest.mark.corpus
def test_a_setting_reaches_the_sampler(pipe, sample):
    generator, short = VideoGenerator(pipe), sample.cut(25)
    default = generator.asynchronous(short).frames
    assert torch.equal(
        generator.asynchronous(short, SamplingSettings(2, pipe.defaults.guidance)).frames, default
    )
    for other in (SamplingSettings(guidance=NoCFG()), SamplingSettings(1), SamplingSettings(seed=1)):
        assert not torch.equal(generator.asynchronous(short, other).frames, default)


@pytest.mark.slow
@pytest.mark.corpus
def test_the_suite_writes_tables_sheet_and_plots(pipe, tmp_path, sample):
    report = run_suite(pipe, SIZE, tmp_path)
    titles = [table.title for table in report.tables]
    assert titles == [
        "Aims", "Lips", "Lips, video by video", "Pictures", "Seams", "Seams in the still background",
        "Seams with ANS against those without", "ANS and without it: lips and faces", "Identity",
        "Drift over 41 frames", "Speaking: lips", "Speaking: eyes, head and seams",
        "Speaking: through the codec", "Speaking: face by face",
    ]  # fmt: skip
    rows = {table.title: table.rows for table in report.tables}
    measure = rows["Lips"][0]
    assert str(measure[0]).startswith("drawn")
    assert float(measure[3]) > 0.85  # the measure on the drawn videos themselves
    assert len(rows["Drift over 41 frames"]) == 2
    drawn, *_ = rows["Seams in the still background"]
    assert drawn[0] == "drawn"
    assert drawn[2:5] == (0.0, 0.0, 0.0)
    assert rows["Identity"][0][:3] == ("drawn", 4, 1.0)
    generated = next(row for row in rows["Lips"] if row[0] == "generated")
    assert [row[2] for row in rows["Aims"][:2]] == list(generated[3:5])  # open r and least
    saved = json.loads((tmp_path / "report.json").read_text())
    assert [table["title"] for table in saved["tables"]] == titles
    assert Image.open(tmp_path / "sheet.png").size == (170 + 10 * (192 + 4), 18 + 2 * 3 * (128 + 4))
    assert Image.open(tmp_path / "mouths.png").size == (170 + 10 * (96 + 4), 18 + 2 * 2 * (96 + 4))
    assert Image.open(tmp_path / "seams.png").height == 18 + 5 * (128 + 4)


def test_too_few_clips_for_the_linear_codec_are_refused_before_anything_is_drawn(pipe, tmp_path):
    with pytest.raises(InputError, match="codec_clips is 1: 30 blocks"):
        run_suite(pipe, SuiteSize(codec_clips=1, codec_components=30), tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
@pytest.mark.corpus
def test_the_choice_of_defaults_ranks_by_score(pipe, sample):
    forms = (NoCFG(), JointCFG(2.0))
    guidance, steps, report = run_select(
        pipe, SelectSize(count=1, steps=(1, 2), base_steps=1, finalists=1, side=64), candidates=forms
    )
    by_guidance, by_steps = report.tables
    scores = [row[2] for row in by_guidance.rows]
    assert scores == sorted(scores, reverse=True)
    assert {row[0] for row in by_guidance.rows} == {describe(form) for form in forms}
    assert [(row[0], row[1]) for row in by_steps.rows] == [(by_guidance.rows[0][0], n) for n in (1, 2)]
    assert by_guidance.rows[0][0] == describe(guidance)
    assert by_steps.rows[0][2] == pytest.approx(scores[0])
    assert steps in {1, 2}
    assert "validation" in report.title
    assert report.metadata["videos"] == "0 photographs, 1 drawn"


def test_every_finalist_is_tried_with_all_steps_against_no_guidance_at_as_many(pipe, monkeypatch):
    opening = {"none": 0.5, "joint": 0.6, "split": 0.7}

    def tried(_studio, _samples, form, steps, _seed):
        lost = 3.0 if form.kind == "split" and steps > 2 else 0.0
        return TrialFigures(opening[form.kind], 0.0, 1.0, 0.0, 20.0 + steps - lost, 1.0)

    monkeypatch.setattr(select, "try_setting", tried)
    monkeypatch.setattr(select, "draw_talks", lambda *_: [])
    size = SelectSize(steps=(2, 4), base_steps=4, finalists=2)
    forms = (JointCFG(2.0), NoCFG(), SplitCFG(-1.0, 2.0))  # 0.6, 0.5 and 0.7 - 0.3 at 4 steps
    guidance, steps, report = run_select(pipe, size, candidates=forms)
    assert [row[0] for row in report.tables[0].rows] == ["joint (2)", "none", "split (-1, 2)"]
    assert [row[:3] for row in report.tables[1].rows] == [
        ("joint (2)", 2, 0.6), ("none", 2, 0.5), ("joint (2)", 4, 0.6), ("none", 4, 0.5),
    ]  # fmt: skip
    assert (guidance, steps) == (JointCFG(2.0), 2)
    guidance, steps, _ = run_select(pipe, replace(size, finalists=3), candidates=forms)
    assert (guidance, steps) == (SplitCFG(-1.0, 2.0), 2)


def test_the_fewest_steps_within_the_tolerance_win_then_the_best_score():
    figures = TrialFigures(0.0, 0.0, 1.0, 0.0, 0.0, 0.0)
    scores = ((4, 0.70), (6, 0.795), (8, 0.80), (6, 0.799), (10, 0.7))
    trials = [Trial(NoCFG(), steps, score, figures) for steps, score in scores]
    assert select.cheapest(trials, 0.01) is trials[3]
    assert select.cheapest(trials, 0.0) is trials[2]
    assert select.cheapest(trials, 1.0) is trials[0]


def test_a_score_falls_with_broken_colors_and_rises_with_the_lips():
    trial = TrialFigures(opening=0.5, shape=0.4, span=1.0, faded=0.0, decibels=20.0, seconds=1.0)
    assert trial.score(20.0) == pytest.approx(0.6)
    assert trial.score(24.0) == pytest.approx(0.2)
    assert trial.score(10.0) == pytest.approx(0.6)


def test_a_score_falls_with_a_range_that_is_too_small_or_too_large():
    trial = TrialFigures(opening=0.5, shape=0.4, span=1.0, faded=0.0, decibels=20.0, seconds=1.0)
    fell = [trial.score(20.0) - replace(trial, span=span).score(20.0) for span in (0.6, 1.4, 0.0, 3.0)]
    assert fell == pytest.approx([0.2, 0.2, 0.5, 0.5])


def test_a_score_falls_with_eyes_that_fade():
    trial = TrialFigures(opening=0.5, shape=0.4, span=1.0, faded=0.0, decibels=20.0, seconds=1.0)
    assert trial.score(20.0) - replace(trial, faded=0.4).score(20.0) == pytest.approx(0.2)


def test_defaults_are_chosen_on_photographs_and_presenters_of_the_validation_split(aligned_pipe, faces):
    size = SelectSize(count=1, steps=(1,), base_steps=1, finalists=1, side=64, speakers=("babble",))
    talks = select.draw_talks(aligned_pipe, size, faces)
    assert [(talk.kind, talk.face) for talk in talks] == [("photographs", "nobody-00008.jpg"), ("drawn", "")]
    *_, report = run_select(aligned_pipe, size, candidates=(NoCFG(),), faces=faces)
    assert report.metadata["videos"] == "1 photographs, 1 drawn"
    assert "range" in report.tables[0].columns


@pytest.mark.parametrize("default", [SplitCFG(-0.5, 2.0), JointCFG(3.0), NoCFG()])
def test_the_default_stands_beside_those_of_other_kinds(default):
    first, *others = compared_with(default)
    assert first == default
    assert default.kind not in {form.kind for form in others}
    assert len(others) == len(COMPARED) - sum(form.kind == default.kind for form in COMPARED)


def test_guidances_have_names():
    assert describe(SplitCFG(-0.5, 2.0)) == "split (-0.5, 2)"
    assert describe(NoCFG()) == "none"
    assert NoCFG() in CANDIDATES
    assert set(COMPARED) <= set(CANDIDATES)


def test_a_digest_tells_weights_apart(pipe):
    before = weights_digest(pipe)
    weight = next(pipe.transformer.parameters())
    kept = weight.detach().clone()
    with torch.no_grad():
        weight.view(-1)[0] += 1
    changed = weights_digest(pipe)
    weight.data.copy_(kept)
    assert changed != before == weights_digest(pipe)
