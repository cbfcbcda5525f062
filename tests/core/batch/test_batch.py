"""``read-core batch``: the table, results that survive, failures tried again, workers that are killed."""

from __future__ import annotations

import csv
import importlib
import os
import sys
import wave
from collections import deque
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from read_core.batch import engines
from read_core.batch.engines import Models, Outcome, run_rows
from read_core.batch.results import DONE, FAILED, Result, Results
from read_core.batch.table import checksum, read_table
from read_core.checkpoint import describe
from read_core.cli.main import main
from read_core.errors import CheckpointError, InputError, MediaError, ReadError


@pytest.fixture
def folder(tmp_path):
    """A portrait and a short recording."""
    values = np.random.default_rng(0).integers(-9000, 9000, 16_000 // 4, np.int16)
    with wave.open(str(tmp_path / "talk.wav"), "wb") as file:
        file.setparams((1, 2, 16_000, 0, "NONE", "not compressed"))
        file.writeframes(values.tobytes())
    Image.fromarray(np.full((64, 96, 3), 120, np.uint8)).save(tmp_path / "face.png")
    return tmp_path


@pytest.fixture
def defaults(tiny_checkpoint):
    return describe(tiny_checkpoint).defaults


def write_table(folder: Path, *lines: str, columns: str = "portrait,speech,out,seed,guidance,alpha") -> Path:
    path = folder / "jobs.csv"
    path.write_text("\n".join([columns, *lines]) + "\n")
    return path


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


def test_what_may_work_the_next_time_is_tried_again(folder, defaults, monkeypatch):
    (row,) = read_table(write_table(folder, "face.png,talk.wav,a.mp4,1,,"), defaults)
    tried = []

    def make(_pipe, asked):
        tried.append(asked)
        if len(tried) < 3:
            return Outcome(Result("a.mp4", FAILED, message="out of memory"), try_again=True)
        return Outcome(Result("a.mp4", DONE))

    monkeypatch.setattr(engines, "make_video", make)
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
    monkeypatch.setattr(engines, "works", lambda _: False)
    pipe: Any = SimpleNamespace(transformer=SimpleNamespace(device=torch.device("cpu")))
    outcome = engines.make_video(pipe, rows[0])
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

    monkeypatch.setattr(engines, "_pool", Worker)
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

    monkeypatch.setattr(engines, "_pool", Pool)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    waiting = deque(engines.Attempt(row) for row in rows)
    outcomes = list(engines._on_processes(waiting, Models(folder), 1))
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


class FakeRay:
    """A cluster with ``gpus`` now; keeps how it was started, and what actors ask for."""

    class NoMemoryError(Exception):
        pass

    exceptions = SimpleNamespace(RayActorError=OSError, OutOfMemoryError=NoMemoryError, RayTaskError=OSError)

    def __init__(self, gpus):
        self.gpus, self.stopped = gpus, 0
        self.asked: dict[str, object] | None = None
        self.started: dict[str, object] | None = None

    def is_initialized(self):
        return False

    def init(self, **options):
        self.started = options

    def shutdown(self):
        self.stopped += 1

    def cluster_resources(self):
        return {"CPU": 8.0} | ({"GPU": float(self.gpus)} if self.gpus else {})

    def remote(self, **asked):
        self.asked = asked
        made = SimpleNamespace(remote=lambda row: Outcome(Result(row.asked["out"], DONE)))
        return lambda _kind: SimpleNamespace(remote=lambda _models, _threads: SimpleNamespace(make=made))

    def wait(self, waiting):
        return waiting[:1], waiting[1:]

    def get(self, outcome):
        return outcome


def test_a_worker_killed_by_rays_monitor_of_memory_is_tried_again(folder, defaults, monkeypatch):
    rows = read_table(write_table(folder, *(f"face.png,talk.wav,{n}.mp4,1,," for n in "ab")), defaults)
    refused: list[Outcome] = []

    class Full(FakeRay):
        def get(self, outcome):
            if not refused:
                refused.append(outcome)
                raise self.exceptions.OutOfMemoryError
            return outcome

    monkeypatch.setitem(sys.modules, "ray", Full(0))
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    found = [result for _, result in run_rows("ray", rows, Models(folder, "cpu"), 1, retries=1)]
    assert [(result.state, result.attempts) for result in found] == [(DONE, 1), (DONE, 2)]


HERE, AWAY = "", "head:6379"


@pytest.mark.parametrize(
    ("address", "gpus", "device", "per_worker", "share", "waits"),
    [
        (AWAY, 0, None, None, 1, True),  # its machines with GPUs are not up yet
        (AWAY, 1, None, None, 1, False),  # and not 1/64
        (AWAY, 8, "cpu", None, 0, False),
        (AWAY, 1, None, 0.25, 0.25, False),
        (AWAY, 1, None, 2, 2, True),
        (HERE, 0, None, None, 0, False),
        (HERE, 1, None, None, 0.01, False),
        (HERE, 80, None, None, 1, False),
        (HERE, 1, None, 0.5, 0.5, False),
    ],
)
def test_an_actor_asks_ray_for_a_gpu_whatever_the_cluster_has_now(
    folder, defaults, monkeypatch, address, gpus, device, per_worker, share, waits
):
    """Only a cluster that is this machine alone is shared evenly between 64 workers."""
    rows = read_table(write_table(folder, "face.png,talk.wav,a.mp4,1,,"), defaults)
    ray = FakeRay(gpus)
    monkeypatch.setitem(sys.modules, "ray", ray)
    monkeypatch.setenv("RAY_ADDRESS", address)
    models, told = Models(folder, device, gpus=per_worker), list[str]()
    ((_, result),) = run_rows("ray", rows, models, workers=64, retries=0, on_warning=told.append)
    assert (result.state, ray.stopped) == (DONE, 1)
    assert ray.asked == {"num_cpus": 1, "num_gpus": share}
    assert ray.started is not None
    assert ray.started.get("address") == ("local" if address == HERE else None)
    assert [text.count("The workers wait") for text in told] == [1] * waits


@pytest.mark.parametrize("wrong", ["-1", "1.5", "nan", "many"])
def test_a_share_that_ray_does_not_know_is_refused(folder, capsys, wrong):
    with pytest.raises(SystemExit):
        main(["batch", str(folder / "jobs.csv"), "--engine", "ray", f"--gpus-per-worker={wrong}"])
    assert "expected 0 to 1, 2, 3" in capsys.readouterr().err


def test_processes_take_no_share(folder, capsys):
    assert main(["batch", str(folder / "jobs.csv"), "--gpus-per-worker", "1"]) == 2
    assert "--gpus-per-worker is for --engine ray" in capsys.readouterr().err
