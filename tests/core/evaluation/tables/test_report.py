"""Tables as text, Markdown and JSON."""

from __future__ import annotations

import json

import pytest

from read_core.errors import MediaError
from read_core.evaluation.tables.report import Report, shown
from read_core.terminal import running_command


@pytest.fixture
def report():
    report = Report("A title", {"steps": 4})
    report.add("First", ("name", "r"), [("a", 0.51234), ("longer", float("nan"))], "What r is.")
    return report


def test_figures_are_short_and_missing_ones_a_dash():
    assert [shown(value) for value in (0.12345, 12.3456, float("nan"), 3, "x")] == [
        "0.123",
        "12.35",
        "-",
        "3",
        "x",
    ]


def test_the_command_is_a_fact_and_tells_no_folder_elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = [
        "evaluate",
        "--suite",
        "table2",
        "--out",
        "output/a b",
        f"--faces={tmp_path / 'faces'}",
        "--variants",
    ]
    words += [f"one={tmp_path.parent / 'elsewhere' / 'mine'}", "two=here/theirs", "--seed", "1"]
    with running_command(words):
        report = Report("A title", {"steps": 4})
    assert report.metadata == {
        "command": "read-core evaluate --suite table2 --out 'output/a b' --faces=faces --variants one=mine "
        "two=here/theirs --seed 1",
        "steps": 4,
    }
    assert Report("", {}).metadata == {}


def test_text_is_aligned(report):
    lines = report.text().splitlines()
    assert lines[:2] == ["A title", "steps: 4"]
    assert lines[3:] == ["First", "name        r", "a       0.512", "longer      -", "What r is."]


def test_markdown_has_a_table(report):
    assert "| name | r |\n|---|---|\n| a | 0.512 |\n| longer | - |" in report.markdown()


def test_files_hold_the_same_figures(report, tmp_path):
    report.write(tmp_path / "new", "x")
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == ["x.csv", "x.json", "x.md", "x.txt"]
    values = json.loads((tmp_path / "new" / "x.json").read_text())
    assert values["tables"][0]["rows"] == [["a", 0.51234], ["longer", None]]


def test_a_folder_that_cannot_be_written_is_named(report, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(MediaError, match="file"):
        report.write(tmp_path / "file", "x")
