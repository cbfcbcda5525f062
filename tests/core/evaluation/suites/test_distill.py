"""Suite distill: who is compared, pairs by talk, and an untrained student that equals no guidance."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from read_core.ans import DistilledCFG, SplitCFG
from read_core.checkpoint import StudentDefaults
from read_core.cli.main import main
from read_core.errors import InputError
from read_core.evaluation.suites.distill import DistillSize, VideoFigures, against, run_distill, settings_of
from read_core.pipeline import ReadPipeline
from read_core.transformer import TINY, Student

SCALES = DistilledCFG(0.5, 1.5)


@pytest.fixture(scope="module")
def pipe(tiny_components):
    defaults = replace(tiny_components.defaults, distilled=StudentDefaults(3, SCALES))
    student = Student(dict(TINY), rank=2, steps=[3, 1], alpha=[0.0, 1.0], beta=[1.0, 2.0]).eval()
    return ReadPipeline(replace(tiny_components, defaults=defaults, distilled=student.requires_grad_(False)))


def test_teacher_student_and_what_lies_between_are_compared(pipe):
    named = settings_of(pipe)
    assert list(named) == [
        "split, 2 steps",
        "split, 3 steps",
        "none, 3 steps",
        "distilled, 3 steps",
        "distilled, 1 steps",
        "distilled, 3 steps, beta 1",
        "distilled, 3 steps, beta 2",
    ]
    assert named["split, 2 steps"].guidance == SplitCFG(0.5, 1.5)
    assert named["distilled, 1 steps"].guidance == SCALES
    assert named["distilled, 3 steps, beta 2"].guidance == DistilledCFG(0.5, 2.0)


def test_a_checkpoint_without_a_student_is_refused(tiny_components, tiny_checkpoint, tmp_path, capsys):
    with pytest.raises(InputError, match="no student"):
        settings_of(ReadPipeline(tiny_components))
    words = ["evaluate", "--suite", "distill", "--checkpoint", str(tiny_checkpoint)]
    assert main([*words, "--out", str(tmp_path / "out")]) == 2
    assert "no student" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def figures(opening: float, decibels: float) -> VideoFigures:
    return VideoFigures(opening, 0.9, decibels, 20.0, 30.0, 1.0, 0.5, 4.0)


def test_differences_are_taken_talk_by_talk():
    """Talks differ by far more than student and teacher do: only pairs show that they differ."""
    teacher = [figures(0.2, 20.0), figures(0.5, 25.0), figures(0.9, 30.0)]
    student = [figures(0.19, 20.1), figures(0.48, 25.0), figures(0.89, 30.2)]
    found = against(student, teacher)
    assert found.opening.value == pytest.approx(-0.04 / 3)
    assert found.opening.low > -0.03
    assert found.opening.high < 0.002
    assert found.decibels.value == pytest.approx(0.1)


@pytest.mark.corpus
def test_an_untrained_student_measures_as_no_guidance_does(pipe, tmp_path):
    pytest.importorskip("espeakng_loader")
    run_distill(pipe, DistillSize(count=1, clips=2, seeds=2), tmp_path)
    table, paired = json.loads((tmp_path / "distill.json").read_text())["tables"]
    rows = {row[0]: dict(zip(table["columns"][1:], row[1:], strict=True)) for row in table["rows"]}
    timed = "s per clip"
    plain, student = (
        {k: v for k, v in rows[n].items() if k != timed} for n in ("none, 3 steps", "distilled, 3 steps")
    )
    assert plain == pytest.approx(student, rel=0.01, abs=0.01)  # kernels may round by where tensors lie
    assert rows["split, 2 steps"]["PSNR to teacher"] is None
    assert rows["split, 2 steps"]["evaluations per clip"] == 6
    assert rows["distilled, 1 steps"]["evaluations per clip"] == 1
    assert all(row[timed] > 0 for row in rows.values())
    assert [row[0] for row in paired["rows"]] == list(rows)[1:]
