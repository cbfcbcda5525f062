"""The paper's experiments from end to end at toy size, by the stand-in synthesizer: what must be equal is."""

from __future__ import annotations

import copy
import json
import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image

from read_core.ans import JointCFG, NoCFG
from read_core.checkpoint import describe, save_checkpoint
from read_core.cli.main import main
from read_core.errors import InputError, MediaError
from read_core.evaluation.comparison import Tools
from read_core.evaluation.material.video_files import find_videos, read_frames
from read_core.evaluation.paper_command import EXPERIMENTS as NAMES
from read_core.evaluation.suites import paper
from read_core.evaluation.suites.paper import EXPERIMENTS, PaperInputs, PaperSize, run_paper
from read_core.evaluation.tables.report import Report

pytest.importorskip("scipy")
pytest.importorskip("matplotlib")
pytestmark = pytest.mark.slow

TOY = PaperSize(count=2, seeds=1, side=128, speakers=("babble",))


@pytest.fixture
def tools():
    return Tools(None, torch.device("cpu"), lambda _: None)


def tables_of(out, name):
    """Rows by their first cell and column, of every table of a report."""
    report = json.loads((out / f"{name}.json").read_text())
    return {
        table["title"]: {row[0]: dict(zip(table["columns"], row, strict=True)) for row in table["rows"]}
        for table in report["tables"]
    }


def value(cell):
    """A figure before its interval."""
    return float(cell.split()[0])


def test_the_command_offers_all_experiments():
    assert tuple(EXPERIMENTS) == NAMES


def test_table1_keeps_what_is_made_and_a_copy_of_the_real_videos_is_perfect(tiny_checkpoint, tools, tmp_path):
    inputs = PaperInputs(tiny_checkpoint)
    run_paper("table1", inputs, TOY, tools, tmp_path)
    made = find_videos(tmp_path / "tiny/training-1-seed-0")
    before = {name: path.stat().st_mtime_ns for name, path in made.items()}
    copies = replace(inputs, methods={"copies": tmp_path / "takes/real-25"})
    run_paper("table1", copies, replace(TOY, seeds=2), tools, tmp_path)
    assert {name: path.stat().st_mtime_ns for name, path in made.items()} == before
    assert set(find_videos(tmp_path / "tiny/training-1-seed-1")) == set(made)
    table = tables_of(tmp_path, "table1")["Table 1: overall comparison"]
    assert list(table) == ["tiny", "copies", "the real videos"]
    copy = table["copies"]
    assert (value(copy["open r"]), value(copy["range"])) == (1, 1)
    assert value(copy["own distance"]) == 0
    assert value(copy["nearest is its own"]) == 1
    assert copy["network (s)"] == "-"
    assert "FID" not in copy  # there are no networks
    assert 0 < value(table["tiny"]["network (s)"]) < value(table["tiny"]["total (s)"])
    assert value(copy["color from real"]) == 0 < value(table["tiny"]["color from real"])
    page = (tmp_path / "table1.html").read_text()
    assert page.count("<video ") == 3 * 2
    with pytest.raises(InputError, match="choose another --out"):
        run_paper("table1", inputs, replace(TOY, side=160), tools, tmp_path)
    with pytest.raises(MediaError, match="no video of the names"):
        run_paper("table1", replace(inputs, methods={"none": tmp_path / "tiny"}), TOY, tools, tmp_path)


def test_table2_averages_trainings_and_the_same_weights_do_not_differ(
    tiny_checkpoint, tiny_components, tools, tmp_path
):
    brighter = copy.deepcopy(tiny_components.vae)
    brighter.decoder.conv_out.conv.bias.data += 0.5
    save_checkpoint(tmp_path / "other", replace(tiny_components, vae=brighter))
    same = tiny_checkpoint
    variants = {"twice": [same, same], "once": [same], "other": [tmp_path / "other"]}
    run_paper("table2", PaperInputs(tiny_checkpoint, variants=variants), TOY, tools, tmp_path / "out")
    tables = tables_of(tmp_path / "out", "table2")
    rows = tables["Table 2: speech encoders"]
    assert list(rows) == [
        "twice", "once", "other", "twice, training 1", "twice, training 2", "the real videos",
    ]  # fmt: skip
    colors = [value(rows[name]["color from real"]) for name in ("once", "twice", "twice, training 2")]
    assert colors == pytest.approx([colors[0]] * 3, abs=1)
    differences = tables["Table 2: speech encoders: differences"]
    assert abs(value(differences["once, less twice"]["color from real"])) < 1
    assert abs(value(differences["other, less twice"]["color from real"])) > 5
    with pytest.raises(InputError, match="--variants"):
        run_paper("table2", PaperInputs(tiny_checkpoint), TOY, tools, tmp_path / "out")


def test_fig2_joins_the_clips_of_both_checkpoints_and_draws_the_seam(
    tiny_checkpoint, tiny_components, tools, tmp_path
):
    size = replace(TOY, count=1, clips=(2,))
    inputs = PaperInputs(tiny_checkpoint, against=[tiny_checkpoint])  # itself: both joins are equal
    run_paper("fig2", inputs, size, tools, tmp_path / "out")
    rows = tables_of(tmp_path / "out", "fig2")["Figure 2: asynchronous noise"]
    assert list(rows) == ["with ANS", "its clips joined", "tiny, its clips joined", "the real videos"]
    seams = {name: value(row["clips / elsewhere"]) for name, row in rows.items() if name != "the real videos"}
    assert seams["its clips joined"] == pytest.approx(seams["tiny, its clips joined"], abs=0.005)
    assert seams["its clips joined"] > seams["with ANS"] + 0.02
    assert rows["the real videos"]["clips / elsewhere"] > 0
    (name,) = find_videos(tmp_path / "out/takes/real-41")
    ans, one = (
        list(read_frames(tmp_path / "out" / folder / "training-1-seed-0" / f"{name}.mp4"))
        for folder in ("with-ans", "its-clips-joined")
    )
    assert len(ans) == len(one) == 41
    apart = [float((a.float() - b.float()).abs().mean()) for a, b in zip(ans, one, strict=True)]
    assert sum(apart[:8]) < 0.5 * sum(apart[-8:])  # the first clip is the same but for its coding
    for picture in ("fig2.png", "fig2-mean.png"):
        assert Image.open(tmp_path / "out" / picture).width > 300
        assert f'src="{picture}"' in (tmp_path / "out/fig2.html").read_text()
    longer = replace(tiny_components, defaults=replace(tiny_components.defaults, window=5))
    save_checkpoint(tmp_path / "longer", longer)
    with pytest.raises(InputError, match="it must have"):
        run_paper("fig2", replace(inputs, against=[tmp_path / "longer"]), size, tools, tmp_path / "no")
    with pytest.raises(InputError, match="it must have"):
        run_paper("fig2", replace(inputs, again=[tmp_path / "longer"]), size, tools, tmp_path / "no")


def test_fig2_averages_the_trainings_that_the_command_names(tiny_checkpoint, tmp_path, monkeypatch):
    seen: list[PaperInputs] = []

    def run(_, inputs, *__):
        seen.append(inputs)
        return Report("", {})

    monkeypatch.setattr(paper, "run_paper", run)
    own, other = [str(tiny_checkpoint), "own-2"], [str(tiny_checkpoint), "other-2"]
    words = ["--suite", "fig2", "--checkpoint", *own, "--against", *other, "--out", str(tmp_path)]
    assert main(["evaluate", *words]) == 0
    cases = EXPERIMENTS["fig2"].cases(seen[0], TOY, describe(tiny_checkpoint), [[]])
    ours, theirs = (tuple(map(Path, folders)) for folders in (own, other))
    assert [(way.name, way.checkpoints, way.concatenated) for way, _ in cases] == [
        ("with ANS", ours, False),
        ("its clips joined", ours, True),
        ("tiny, its clips joined", theirs, True),
    ]


def test_table3_makes_every_length_of_the_same_recordings(tiny_checkpoint, tools, tmp_path):
    size = replace(TOY, count=1, clips=(1, 2))
    run_paper("table3", PaperInputs(tiny_checkpoint), size, tools, tmp_path)
    tables = tables_of(tmp_path, "table3")
    rows = tables["Table 3: lengths"]
    assert list(rows) == ["25 frames", "41 frames", "the real videos"]
    assert list(tables["Table 3: lengths: differences"]) == ["41 frames, less 25 frames"]
    short, long = (find_videos(tmp_path / f"{n}-frames/training-1-seed-0") for n in (25, 41))
    assert (len(short), len(long)) == (2, 1)
    assert {len(list(read_frames(path))) for path in short.values()} == {25}
    assert {len(list(read_frames(path))) for path in long.values()} == {41}


def test_fig3_plots_each_guidance_at_each_number_of_steps(tiny_checkpoint, tools, tmp_path, monkeypatch):
    monkeypatch.setattr(paper, "compared_with", lambda default: (NoCFG(), JointCFG(2.0)))
    size = replace(TOY, count=1, steps=(1, 2))
    report = run_paper("fig3", PaperInputs(tiny_checkpoint), size, tools, tmp_path)
    rows = tables_of(tmp_path, "fig3")["Figure 3: guidance and steps"]
    assert list(rows)[:-1] == [
        f"{guidance}, {steps} steps" for guidance in ("none", "joint (2)") for steps in (1, 2)
    ]
    stamp = json.loads((tmp_path / "joint--2---2-steps/training-1-seed-0/made.json").read_text())
    assert (stamp["steps"], stamp["guidance"]) == (2, {"kind": "joint", "alpha": 2.0})
    assert Image.open(tmp_path / "fig3.png").width > 300
    assert math.isfinite(value(rows["none, 1 steps"]["network (s)"]))
    assert "shown in fig3.png" in report.metadata
