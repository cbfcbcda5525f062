"""``read-core batch``: results that survive, and what a second run makes."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

from PIL import Image

from read_core.batch import work
from read_core.batch.results import DONE, FAILED, STARTED, Result, Results
from read_core.batch.table import checksum
from read_core.batch.work import Outcome
from read_core.cli.main import main

from .jobs import write_table


def results_of(path: Path) -> dict[str, dict[str, str]]:
    with path.open() as file:
        return {line["out"]: line for line in csv.DictReader(file)}


def test_results_come_back_as_they_were_written(folder):
    """The last line of a video counts; one that a kill cut in half does not."""
    path = folder / "r.csv"
    results = Results(path)
    results.prepare()
    made = Result("a  ü.mp4", DONE, 5, 1.25, 2, "abc", "def", 'it said "no", twice')
    results.add(replace(made, state=FAILED))
    results.add(made)
    results.add(Result("b.mp4", FAILED))
    assert Results(path).found == results.found == {made.out: made, "b.mp4": Result("b.mp4", FAILED)}
    assert len(path.read_text().splitlines()) == 4
    path.write_bytes(path.read_bytes() + 'ü.mp4,done,7,"ü'.encode()[:-1])
    assert Results(path).found == results.found
    again = Results(path)
    again.prepare()
    again.add(Result("d.mp4", DONE))
    assert list(Results(path).found) == [made.out, "b.mp4", "d.mp4"]


def test_results_are_not_mixed_with_something_else(folder, tiny_checkpoint, capsys):
    """Whatever --results names is checked before any video is made."""
    table = write_table(folder, "face.png,talk.wav,a.mp4,1,,")
    command = ["batch", str(table), "--checkpoint", str(tiny_checkpoint), "--device", "cpu", "--results"]
    before = table.read_bytes()
    assert main([*command, str(table)]) == 2
    assert "jobs.csv holds no results of read-core batch" in capsys.readouterr().err
    assert table.read_bytes() == before
    assert main([*command, str(folder / "nowhere" / "r.csv")]) == 2
    assert "cannot be written" in capsys.readouterr().err
    assert not (folder / "a.mp4").exists()


def test_a_video_is_still_its_own_after_a_failure(folder, tiny_checkpoint):
    """A run that failed meanwhile must not turn an earlier result into a foreign file."""
    table = write_table(folder, "face.png,talk.wav,a  b.mp4,1,,")
    command = ["batch", str(table), "--checkpoint", str(tiny_checkpoint), "--device", "cpu"]
    assert main(command) == 0
    (folder / "face.png").rename(folder / "away.png")
    assert main(command) == 1
    (folder / "away.png").rename(folder / "face.png")
    assert main(command) == 0
    assert results_of(folder / "jobs.results.csv")["a  b.mp4"]["state"] == DONE


def test_a_second_run_makes_only_what_is_missing_or_changed(folder, tiny_checkpoint, capsys):
    table = write_table(
        folder, "face.png,talk.wav,a.mp4,1,,", "face.png,talk.wav,b.mp4,2,,", "no.png,talk.wav,c.mp4,,,"
    )
    command = ["batch", str(table), "--checkpoint", str(tiny_checkpoint), "--device", "cpu"]
    assert main(command) == 1
    found = results_of(folder / "jobs.results.csv")
    assert [found[name]["state"] for name in ("a.mp4", "b.mp4", "c.mp4")] == [DONE, DONE, FAILED]
    assert found["c.mp4"]["attempts"] == "1"  # its input is at fault: once is enough
    assert "no.png: no such file" in found["c.mp4"]["message"]
    assert found["a.mp4"]["sha256"] == checksum(folder / "a.mp4")
    assert found["a.mp4"]["frames"] == "7"
    assert "2 done, 1 failed" in capsys.readouterr().out

    times = {name: (folder / name).stat().st_mtime_ns for name in ("a.mp4", "b.mp4")}
    Image.open(folder / "face.png").save(folder / "no.png")
    write_table(
        folder, "face.png,talk.wav,a.mp4,1,,", "face.png,talk.wav,b.mp4,3,,", "no.png,talk.wav,c.mp4,,,"
    )
    assert main(command) == 0
    assert (folder / "a.mp4").stat().st_mtime_ns == times["a.mp4"]
    assert (folder / "b.mp4").stat().st_mtime_ns > times["b.mp4"]  # another seed
    assert "1 of them done before" in capsys.readouterr().out
    assert main(command) == 0
    assert "3 of them done before" in capsys.readouterr().out


def test_a_foreign_file_is_never_replaced(folder, tiny_checkpoint):
    table = write_table(folder, "face.png,talk.wav,a.mp4,1,,")
    (folder / "a.mp4").write_text("mine")
    assert main(["batch", str(table), "--checkpoint", str(tiny_checkpoint), "--device", "cpu"]) == 1
    assert (folder / "a.mp4").read_text() == "mine"
    assert "exists" in results_of(folder / "jobs.results.csv")["a.mp4"]["message"]


def test_a_video_whose_result_was_lost_in_a_kill_is_made_again(folder, tiny_checkpoint):
    """The kill came after the file and before its result. A file that was there is not claimed."""
    table = write_table(folder, "face.png,talk.wav,a.mp4,1,,", "face.png,talk.wav,b.mp4,1,,")
    command = ["batch", str(table), "--checkpoint", str(tiny_checkpoint), "--device", "cpu"]
    (folder / "b.mp4").write_text("mine")
    assert main(command) == 1
    path = folder / "jobs.results.csv"
    lines = path.read_text().splitlines(keepends=True)
    assert [line.split(",")[:2] for line in lines[1:]] == [
        ["a.mp4", STARTED],
        ["a.mp4", DONE],
        ["b.mp4", FAILED],
    ]
    path.write_text("".join(lines[:2]))
    (folder / "a.mp4").write_text("of the killed run")
    assert main(command) == 1
    assert results_of(path)["a.mp4"]["state"] == DONE
    assert results_of(path)["a.mp4"]["sha256"] == checksum(folder / "a.mp4")
    assert (folder / "b.mp4").read_text() == "mine"
    (folder / "a.mp4").write_text("mine, too")
    assert main(command) == 1
    assert (folder / "a.mp4").read_text() == "mine, too"


def test_a_run_that_is_stopped_claims_only_what_it_has_left(folder, tiny_checkpoint, monkeypatch):
    table = write_table(folder, *(f"face.png,talk.wav,{name}.mp4,1,," for name in "ab"))
    command = ["batch", str(table), "--checkpoint", str(tiny_checkpoint), "--device", "cpu"]

    def stopped(_pipe, row):
        if "b" in row.job.out.name:
            raise KeyboardInterrupt
        row.job.out.write_text("left")
        return Outcome(Result("a.mp4", FAILED), try_again=True)

    with monkeypatch.context() as patch:
        patch.setattr(work, "make_video", stopped)
        assert main(command) == 130
    (folder / "b.mp4").write_text("mine")
    assert results_of(folder / "jobs.results.csv")["b.mp4"]["state"] == FAILED
    assert main(command) == 1
    assert (folder / "b.mp4").read_text() == "mine"
