"""Workers of ``read-core batch``: killed, failed, replaced; their GPUs and their shares of Ray."""

from __future__ import annotations

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

from read_core.batch import processes, work
from read_core.batch.engines import run_rows
from read_core.batch.results import DONE, FAILED, Result, Results
from read_core.batch.table import checksum, read_table
from read_core.batch.work import Attempt, Models, Outcome, Waiting
from read_core.cli.main import main
from read_core.errors import CheckpointError, InputError, ReadError

from .jobs import write_table


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
