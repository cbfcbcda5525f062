"""The thread that works while its caller goes on: order, room, errors, and its end."""

from __future__ import annotations

import threading
from functools import partial

import pytest

from read_core.media.worker import Worker


@pytest.fixture
def worker():
    made = Worker("worked", 10)
    yield made
    made.end()


def running():
    return [thread for thread in threading.enumerate() if thread.name.startswith("worked")]


def test_functions_run_in_order_in_another_thread(worker):
    found = []
    for number in range(5):
        worker.do(lambda number=number: found.append((number, threading.current_thread())), 1)
    worker.wait()
    assert [number for number, _ in found] == [0, 1, 2, 3, 4]
    assert {thread for _, thread in found} == set(running())


def test_the_caller_waits_only_for_room(worker):
    """A full worker keeps its caller until there is room. What is too large waits for all others."""
    go, given = threading.Event(), []

    def give():
        for size in (6, 4, 1, 50):
            worker.do(go.wait, size)
            given.append(size)

    caller = threading.Thread(target=give)
    caller.start()
    caller.join(0.5)
    assert given == [6, 4]
    go.set()
    caller.join(60)
    assert given == [6, 4, 1, 50]


@pytest.mark.parametrize("call", ["do", "wait"])
def test_the_next_call_raises_the_first_error_once(worker, call):
    failed = threading.Event()

    def fail():
        failed.set()
        raise OSError("first")

    worker.do(fail, 1)
    failed.wait(60)
    again = worker.wait if call == "wait" else partial(worker.do, lambda: None, 11)  # which waits for room
    with pytest.raises(OSError, match="first"):
        again()
    again()


def test_nothing_is_called_after_a_function_that_failed(worker):
    """Else frames would be encoded after a gap."""
    go, found = threading.Event(), []

    def fail():
        go.wait(60)
        raise OSError("first")

    worker.do(fail, 1)
    worker.do(lambda: found.append("later"), 1)
    go.set()
    with pytest.raises(OSError, match="first"):
        worker.wait()
    worker.do(lambda: found.append("last"), 1)
    worker.wait()
    assert found == []


def test_its_end_waits_for_one_function_and_forgets_the_others(worker):
    begun, go, found = threading.Event(), threading.Event(), []

    def slow():
        begun.set()
        go.wait(60)
        found.append("slow")

    worker.do(slow, 1)
    worker.do(lambda: found.append("later"), 1)
    begun.wait(60)
    threading.Timer(0.2, go.set).start()
    worker.end()
    assert found == ["slow"]
    assert not running()
