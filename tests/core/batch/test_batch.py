"""``read-core batch``: the table, results that survive, failures tried again, workers that are killed."""

from __future__ import annotations

import csv
import importlib
import os
import subprocess
import sys
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from PIL import Image

from read_core.batch import processes, work
from read_core.batch.engines import run_rows
from read_core.batch.results import DONE, FAILED, STARTED, Result, Results
from read_core.batch.table import checksum, read_table
from read_core.batch.work import Attempt, Models, Outcome, Waiting
from read_core.cli.main import main
from read_core.errors import CheckpointError, InputError, MediaError, ReadError

from .jobs import write_table


def results_of(path: Path) -> dict[str, dict[str, str]]:
    with path.open() as file:
        return {line["out"]: line for line in csv.DictReader(file)}


def test_a_table_names_files_next_to_it_and_what_differs_from_the_checkpoint(folder, defaults):
    table = write_table(folder, "face.png,talk.wav,a.mp4,7,joint,1.5", "", "face.png, talk.wav ,b/c.mp4,,,")
    first, second = read_table(table, defaults)
    assert (first.job.portrait, first.job.out) == (folder / "face.png", folder / "a.mp4")
    assert first.job.settings.seed == 7
    assert first.job.settings.guidance is not None
    assert first.job.settings.guidance.to_dict() == {"kind": "joint", "alpha": 1.5}
    assert second.job.speech == folder / "talk.wav"
    assert second.job.settings.guidance == defaults.guidance
    assert (second.line, second.job.settings.seed) == (4, 0)


@pytest.mark.parametrize(
    ("line", "columns", "message"),
    [
        ("face.png,talk.wav", "portrait,speech", "lacks the column out"),
        ("face.png,talk.wav,a.mp4,1", "portrait,speech,out,speed", "unknown column 'speed'"),
        (",talk.wav,a.mp4", "portrait,speech,out", "line 2: portrait is empty"),
        ("face.png,talk.wav,a.mp4,x", "portrait,speech,out,seed", "line 2: seed is 'x'; expected a whole"),
        ("face.png,talk.wav,a.mp4,0", "portrait,speech,out,steps", "line 2: steps is 0"),
        ("face.png,talk.wav,a.mp4,maybe", "portrait,speech,out,detail", "expected yes or no"),
        ("", "portrait,speech,out", "has no jobs"),
    ],
)
def test_a_wrong_table_is_refused_before_any_work(folder, defaults, line, columns, message):
    with pytest.raises(InputError, match=message):
        read_table(write_table(folder, line, columns=columns), defaults)


def test_two_lines_may_not_write_one_file(folder, defaults):
    line = "face.png,talk.wav,{},,,"
    with pytest.raises(InputError, match="lines 2 and 3 both write"):
        read_table(write_table(folder, line.format("a.mp4"), line.format("./a.mp4")), defaults)
    with pytest.raises(MediaError, match="no such file"):
        read_table(folder / "nothing.csv", defaults)
    (folder / "jobs.csv").write_bytes("portrait,speech,out\nMüller.png,talk.wav,a.mp4\n".encode("cp1252"))
    with pytest.raises(InputError, match="not in UTF-8; save it as CSV UTF-8"):
        read_table(folder / "jobs.csv", defaults)


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


def test_a_worker_killed_after_its_video_is_replaced_and_so_is_the_video(folder, defaults, monkeypatch):
    """Its result is lost. A file that was there before is not replaced."""
    rows = read_table(write_table(folder, *(f"face.png,talk.wav,{n}.mp4,1,," for n in "ab")), defaults)
    (folder / "b.mp4").write_text("mine")
    asked: list[tuple[str, bool]] = []

    class Pool:
        _processes = None

        def __init__(self, _workers):
            self.shut = False

        def submit(self, _work, _models, row):
            asked.append((row.job.out.name, row.job.overwrite))
            future: Future[Outcome] = Future()
            if len(asked) <= 2:
                if row.job.out.name == "a.mp4":
                    row.job.out.write_text("finished")
                future.set_exception(BrokenProcessPool())
            else:
                future.set_result(Outcome(Result(row.asked["out"], DONE)))
            return future

        def shutdown(self, cancel_futures=False):
            self.shut = True

    monkeypatch.setattr(processes, "_pool", Pool)
    list(run_rows("local", rows, Models(folder, "cpu"), 2, retries=1))
    assert sorted(asked) == [("a.mp4", False), ("a.mp4", True), ("b.mp4", False), ("b.mp4", False)]
    ((_, last),) = run_rows("local", rows[:1], Models(folder, "cpu"), 2, retries=0)
    assert last.state == DONE


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL")
def test_workers_end_with_a_killed_command():
    """Else they would finish videos that nobody records, and hold the memory that the next run needs."""
    code = (
        "import os, time\n"
        "from read_core.batch.processes import _pool\n"
        "if __name__ == '__main__':\n"
        "    pool = _pool(1)\n"
        "    pool.submit(os.getpid).result()\n"
        "    pool.submit(exec, 'import os, time; time.sleep(30); os.write(1, b\"finished\"); os._exit(0)')\n"
        "    time.sleep(0.2)\n"
        "    os.kill(os.getpid(), 9)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == -9
    assert done.stdout == ""


def test_what_may_work_the_next_time_is_tried_again(folder, defaults, monkeypatch):
    (row,) = read_table(write_table(folder, "face.png,talk.wav,a.mp4,1,,"), defaults)
    tried = []

    def make(_pipe, asked):
        tried.append(asked)
        if len(tried) < 3:
            return Outcome(Result("a.mp4", FAILED, message="out of memory"), try_again=True)
        return Outcome(Result("a.mp4", DONE))

    monkeypatch.setattr(work, "make_video", make)
    monkeypatch.setattr(Models, "load", lambda _: None)
    ((_, result),) = run_rows("local", [row], Models(folder), workers=1, retries=2)
    assert (result.state, result.attempts) == (DONE, 3)
    tried.clear()
    ((_, result),) = run_rows("local", [row], Models(folder), workers=1, retries=1)
    assert (result.state, result.attempts, len(tried)) == (FAILED, 2, 2)
    with pytest.raises(InputError, match="engine is 'cloud'"):
        list(run_rows("cloud", [row], Models(folder), workers=1, retries=1))


@pytest.mark.parametrize("workers", [1, 2])
def test_a_process_that_lost_its_gpu_makes_no_more_videos(folder, defaults, monkeypatch, workers):
    """One for itself ends; among several another takes its place."""
    lines = ("face.png,talk.wav,a.mp4,1,,", "face.png,talk.wav,b.mp4,1,,")
    rows = read_table(write_table(folder, *lines), defaults)

    def lost(*_, **__):
        raise RuntimeError("an illegal memory access was encountered")

    monkeypatch.setattr("read_core.generate.job.generate", lost)
    monkeypatch.setattr(work, "works", lambda _: False)
    pipe: Any = SimpleNamespace(transformer=SimpleNamespace(device=torch.device("cpu")))
    outcome = work.make_video(pipe, rows[0])
    assert (outcome.try_again, outcome.broken) == (True, True)
    if workers == 1:
        monkeypatch.setattr(Models, "load", lambda _: pipe)
        with pytest.raises(ReadError, match=r"illegal memory access.*run the same command again"):
            list(run_rows("local", rows, Models(folder), workers=1, retries=2))
        return
    served: list[int] = []

    class Worker:
        """In place of a process."""

        _processes = None

        def __init__(self, *_):
            self.number = len(served)
            served.append(0)

        def submit(self, _work, _models, row):
            served[self.number] += 1
            future: Future[Outcome] = Future()
            broken = self.number == 0
            made = Result(row.asked["out"], FAILED if broken else DONE, message="lost" if broken else "")
            future.set_result(Outcome(made, try_again=broken, broken=broken))
            return future

        def shutdown(self, **_):
            pass

    monkeypatch.setattr(processes, "_pool", Worker)
    found = list(run_rows("local", rows, Models(folder, device="cpu"), workers=2, retries=1))
    assert [result.state for _, result in found] == [DONE, DONE]
    assert served[0] == 1


def test_a_fault_of_one_job_does_not_end_the_others(folder, defaults, monkeypatch):
    lines = ("face.png,talk.wav,a.mp4,1,,", "face.png,talk.wav,b.mp4,1,,")
    rows = read_table(write_table(folder, *lines), defaults)

    def generate(_pipe, job, **_):
        if job.out.stem == "a":
            raise KeyError("unforeseen")
        job.out.write_bytes(b"video")
        return SimpleNamespace(num_frames=3, seconds=1.0)

    monkeypatch.setattr("read_core.generate.job.generate", generate)
    monkeypatch.setattr(Models, "load", lambda _: None)
    (_, failed), (_, done) = run_rows("local", rows, Models(folder), workers=1, retries=2)
    assert (failed.state, failed.attempts, failed.message) == (FAILED, 1, "KeyError: 'unforeseen'")
    assert done.state == DONE


def test_paths_do_not_depend_on_the_folder_of_a_worker(folder, defaults, monkeypatch):
    write_table(folder, "face.png,talk.wav,a.mp4,1,,")
    monkeypatch.chdir(folder.parent)
    (row,) = read_table(Path(folder.name) / "jobs.csv", defaults)
    assert (row.job.portrait, row.job.speech, row.job.out) == tuple(
        folder.resolve() / name for name in ("face.png", "talk.wav", "a.mp4")
    )


def test_a_message_with_an_odd_file_name_is_kept(tmp_path):
    results = Results(tmp_path / "r.csv")
    results.prepare()
    results.add(Result("a.mp4", FAILED, message="no such file: \udcff.png"))
    assert Results(tmp_path / "r.csv").found["a.mp4"].message == "no such file: \\udcff.png"


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL")
@pytest.mark.parametrize("engine", ["local", "ray"])
def test_a_killed_worker_loses_nothing(folder, tiny_checkpoint, defaults, engine, monkeypatch):
    if engine == "ray":
        pytest.importorskip("ray")
    monkeypatch.syspath_prepend(Path(__file__).parent)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    names = ("a", "b", "c", "d")
    rows = read_table(write_table(folder, *(f"face.png,talk.wav,{n}.mp4,1,," for n in names)), defaults)
    models = importlib.import_module("killing").Killing(tiny_checkpoint, "cpu")
    found = {row.job.out.stem: result for row, result in run_rows(engine, rows, models, 2, retries=2)}
    assert (folder / "c.killed").exists()
    assert {name: result.state for name, result in found.items()} == dict.fromkeys(names, DONE)
    assert {name: result.attempts for name, result in found.items()} == {"a": 1, "b": 1, "c": 2, "d": 1}
    assert all(found[name].sha256 == checksum(folder / f"{name}.mp4") for name in names)


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["local", "ray"])
def test_a_checkpoint_that_cannot_be_loaded_is_told_and_not_tried_again(folder, defaults, engine):
    if engine == "ray":
        pytest.importorskip("ray")
    rows = read_table(write_table(folder, *(f"face.png,talk.wav,{n}.mp4,1,," for n in "ab")), defaults)
    with pytest.raises(CheckpointError, match="nowhere is not a folder"):
        list(run_rows(engine, rows, Models(folder / "nowhere", "cpu"), 2, retries=2))


def test_a_worker_killed_between_its_jobs_is_replaced(folder, defaults, monkeypatch):
    """The process may be gone before it gets its next job. Each worker keeps its GPU."""
    rows = read_table(write_table(folder, *(f"face.png,talk.wav,{n}.mp4,1,," for n in "ab")), defaults)
    pools, devices = [], []

    class Pool:
        _processes = None

        def __init__(self, _workers):
            pools.append(self)
            self.broken = len(pools) == 1

        def submit(self, _work, models, row):
            devices.append(models.device)
            if self.broken:
                raise BrokenProcessPool
            future: Future[Outcome] = Future()
            future.set_result(Outcome(Result(row.asked["out"], DONE)))
            return future

        def shutdown(self, cancel_futures=False):
            self.shut = True

    monkeypatch.setattr(processes, "_pool", Pool)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    waiting = Waiting((Attempt(row) for row in rows), lambda _: None)
    outcomes = list(processes.on_processes(waiting, Models(folder), 1))
    found = [(attempt.number, outcome.result.out) for attempt, outcome in outcomes]
    assert found == [(1, "a.mp4"), (1, "b.mp4")]
    assert [pool.shut for pool in pools] == [True, True]
    assert devices == ["cuda:0"] * 3


@pytest.mark.parametrize(
    ("gpus", "device", "expected"),
    [
        (2, None, ["cuda:0", "cuda:1", "cuda:0"]),
        (2, "cuda:1", ["cuda:1"] * 3),
        (2, "cpu", ["cpu"] * 3),
        (1, None, [None] * 3),
        (0, None, [None] * 3),
    ],
)
def test_workers_take_the_gpus_in_turn_unless_a_device_is_named(
    tmp_path, monkeypatch, gpus, device, expected
):
    monkeypatch.setattr("torch.cuda.device_count", lambda: gpus)
    models = Models(tmp_path, device, "float32", compiled=True)
    found = [models.of_worker(number) for number in range(3)]
    assert [each.device for each in found] == expected
    assert {replace(each, device=device) for each in found} == {models}


@pytest.mark.parametrize("wrong", ["-1", "1.5", "nan", "many"])
def test_a_share_that_ray_does_not_know_is_refused(folder, capsys, wrong):
    with pytest.raises(SystemExit):
        main(["batch", str(folder / "jobs.csv"), "--engine", "ray", f"--gpus-per-worker={wrong}"])
    assert "expected 0 to 1, 2, 3" in capsys.readouterr().err


def test_processes_take_no_share(folder, capsys):
    assert main(["batch", str(folder / "jobs.csv"), "--gpus-per-worker", "1"]) == 2
    assert "--gpus-per-worker is for --engine ray" in capsys.readouterr().err
