"""``read-core batch --engine ray``: who gets a job if Ray has no room, or machines are lost or lack files."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import count
from types import SimpleNamespace
from typing import Any

import pytest

from read_core.batch import actors, work
from read_core.batch.engines import run_rows
from read_core.batch.results import DONE, FAILED, Result
from read_core.batch.table import read_table
from read_core.batch.work import Models, Outcome, is_here
from read_core.errors import ReadError

from .jobs import write_table


class LostError(Exception):
    """In place of RayActorError."""


class NoMemoryError(Exception):
    """In place of OutOfMemoryError."""


@dataclass(eq=False)
class FakeActor:
    """An actor; ``FakeRay.place`` gives it a machine."""

    real: Any
    machine: str | None = None
    lost: bool = False

    def __getattr__(self, name: str) -> Any:
        return SimpleNamespace(remote=lambda *args: Call(self, name, args))


@dataclass(eq=False)
class Call:
    """A call of an actor, which is done when somebody waits for it."""

    actor: FakeActor
    name: str
    args: Sequence[Any]
    number: int = field(default_factory=count().__next__)


@dataclass(eq=False)
class FakeRay:
    """A cluster: ``room`` says how many actors each machine takes. Keeps how it was started and asked."""

    gpus: int = 0
    room: dict[str, int] = field(default_factory=lambda: {"here": 1000})
    waits: int = 0  # how often nothing happens while somebody waits with a time limit
    on_call: Callable[[Call], None] = lambda _: None
    actors: int = 0  # started so far
    stopped: int = 0
    asked: dict[str, object] | None = None
    started: dict[str, object] | None = None
    alive: list[FakeActor] = field(default_factory=list)
    machine: str | None = None  # of the call under way
    exceptions = SimpleNamespace(
        RayActorError=LostError, OutOfMemoryError=NoMemoryError, RayTaskError=AssertionError
    )

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

        def start(*args):
            self.actors += 1
            self.alive.append(FakeActor(actors._Actor(*args)))
            return self.alive[-1]

        return lambda _kind: SimpleNamespace(remote=start)

    def kill(self, actor):
        if actor in self.alive:
            self.alive.remove(actor)

    def lose(self, machine):
        """A machine is gone."""
        del self.room[machine]
        for actor in [actor for actor in self.alive if actor.machine == machine]:
            actor.lost = True
            self.alive.remove(actor)

    def place(self):
        for actor in self.alive:
            used = [each.machine for each in self.alive]
            free = [name for name, room in self.room.items() if used.count(name) < room]
            if actor.machine is None and free:
                actor.machine = free[0]

    def wait(self, calls, timeout):
        self.place()
        if timeout is not None and self.waits:
            self.waits -= 1
            return [], calls
        ready = [call for call in calls if call.actor.machine or call.actor.lost]
        ready = sorted(ready, key=lambda call: call.number)[:1]  # the oldest
        assert ready or timeout is not None, "it waits for ever"
        return ready, [call for call in calls if call not in ready]

    def get(self, call):
        self.on_call(call)
        if call.actor.lost:
            raise LostError("the actor is dead")
        self.machine = call.actor.machine
        try:
            return getattr(call.actor.real, call.name)(*call.args)
        finally:
            self.machine = None


@pytest.fixture
def cluster(monkeypatch):
    """Start the fake cluster, whose workers make nothing and say that they have."""

    def start(**options) -> FakeRay:
        ray = FakeRay(**options)
        monkeypatch.setitem(sys.modules, "ray", ray)
        monkeypatch.setenv("RAY_ADDRESS", "head:6379")
        monkeypatch.setattr(Models, "load", lambda _: None)
        monkeypatch.setattr(work, "make_video", lambda _, row: Outcome(Result(row.asked["out"], DONE)))
        return ray

    return start


def jobs(folder, defaults, number):
    lines = (f"face.png,talk.wav,{each}.mp4,1,," for each in range(number))
    return read_table(write_table(folder, *lines), defaults)


def made(folder, rows, workers, told=None, retries=1):
    options = (workers, retries, (lambda _: None) if told is None else told.append)
    found = {
        row.asked["out"]: result for row, result in run_rows("ray", rows, Models(folder, "cpu"), *options)
    }
    assert len(found) == len(rows)
    return [found[row.asked["out"]] for row in rows]


def test_workers_without_a_place_get_no_jobs(folder, defaults, cluster):
    """Eight workers, room for four, twenty jobs: the four make them all, and it is told that others wait."""
    ray, told = cluster(room={"one": 2, "two": 2}, waits=2), list[str]()
    found = made(folder, jobs(folder, defaults, 20), 8, told)
    assert {(result.state, result.attempts) for result in found} == {(DONE, 1)}
    assert [text.count("wait until Ray has room for them: 8; at work: 0") for text in told] == [1]
    assert ray.actors == 8


def test_the_work_of_a_lost_machine_goes_to_the_others(folder, defaults, cluster):
    def lose(call):
        if call.name == "make" and "two" in ray.room and call.actor.machine == "two":
            ray.lose("two")

    ray = cluster(room={"one": 1, "two": 1}, on_call=lose)
    found = made(folder, jobs(folder, defaults, 6), 2)
    assert {result.state for result in found} == {DONE}
    assert sorted(result.attempts for result in found) == [1, 1, 1, 1, 1, 2]


def test_workers_that_no_job_waits_for_are_let_go(folder, defaults, cluster):
    """Their GPUs serve others, and machines that nobody needs are not started."""
    alive = list[int]()

    def look(call):
        if call.name == "make":
            alive.append(len(ray.alive))

    ray = cluster(room={"one": 2}, on_call=look)
    made(folder, jobs(folder, defaults, 5), 4)
    assert alive == [4, 4, 3, 2, 1]  # two work; as many more wait for room as jobs wait


def see_only(monkeypatch, ray, blind):
    seen = "read_core.batch.actors.is_here"
    monkeypatch.setattr(seen, lambda path: ray.machine not in blind and is_here(path))


def test_a_machine_without_the_files_gets_no_more_jobs(folder, defaults, cluster, monkeypatch):
    ray, told = cluster(room={"blind": 1, "one": 1}), list[str]()
    see_only(monkeypatch, ray, {"blind"})
    found = made(folder, jobs(folder, defaults, 6), 3, told, retries=0)
    assert {(result.state, result.attempts) for result in found} == {(DONE, 1)}
    assert len(told) == 2  # of its first worker, and of the next one that Ray has placed there
    assert all("no such file on the machine" in text and "that all machines see" in text for text in told)


def test_if_no_machine_sees_the_files_nothing_has_failed(folder, defaults, cluster, monkeypatch):
    ray = cluster(room={"blind": 2})
    see_only(monkeypatch, ray, {"blind"})
    outcomes = run_rows("ray", jobs(folder, defaults, 6), Models(folder, "cpu"), 2, 1, lambda _: None)
    with pytest.raises(ReadError, match="No other worker is left"):
        next(outcomes)


def test_a_file_that_is_missing_here_too_is_the_jobs_fault(folder, defaults, cluster):
    cluster()
    rows = jobs(folder, defaults, 2)
    (folder / "talk.wav").unlink()
    assert {(result.state, result.attempts) for result in made(folder, rows, 2)} == {(FAILED, 1)}


def test_workers_that_die_before_they_answer_end_the_command(folder, defaults, cluster):
    def lose(call):
        call.actor.lost = True

    cluster(on_call=lose)
    with pytest.raises(ReadError, match="die before their first job"):
        made(folder, jobs(folder, defaults, 3), 2)


def test_a_worker_killed_by_rays_monitor_of_memory_is_tried_again(folder, defaults, cluster):
    refused = list[Call]()

    def full(call):
        if call.name == "make" and not refused:
            refused.append(call)
            raise NoMemoryError

    cluster(on_call=full)
    found = made(folder, jobs(folder, defaults, 2), 1)
    assert sorted((result.state, result.attempts) for result in found) == [(DONE, 1), (DONE, 2)]


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
    folder, defaults, cluster, monkeypatch, address, gpus, device, per_worker, share, waits
):
    """Only a cluster that is this machine alone is shared evenly between 64 workers."""
    ray = cluster(gpus=gpus)
    monkeypatch.setenv("RAY_ADDRESS", address)
    models, told = Models(folder, device, gpus=per_worker), list[str]()
    ((_, result),) = run_rows(
        "ray", jobs(folder, defaults, 1), models, workers=64, retries=0, on_warning=told.append
    )
    assert (result.state, ray.stopped) == (DONE, 1)
    assert ray.asked == {"num_cpus": 1, "num_gpus": share}
    assert ray.started is not None
    assert ray.started.get("address") == ("local" if address == HERE else None)
    assert [text.count("The workers wait") for text in told] == [1] * waits


@pytest.mark.slow
def test_the_real_ray_with_room_for_one_of_three_workers(folder, tiny_checkpoint, defaults):
    ray = pytest.importorskip("ray")
    ray.init(address="local", num_cpus=1, include_dashboard=False, log_to_driver=False)
    try:
        models = Models(tiny_checkpoint, "cpu")
        found = [result for _, result in run_rows("ray", jobs(folder, defaults, 4), models, 3, retries=0)]
    finally:
        ray.shutdown()
    assert [result.state for result in found] == [DONE] * 4
