"""One recording over several processes: what messages cost, and the speed-up against the arithmetic.

First, two processes of this machine send each other a motion frame and a clip's latents of full size (gloo).
Then 1, 2 and 4 processes with one thread each sample the same recording; the latents must be equal. Processes
share the cores: with more processes than cores the speed-up stays near the number of cores.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from timing import Page, guarded, inputs, milliseconds, parser, percent

from read_core.ans.ranks import Ring
from read_core.errors import InputError, ReadError

MESSAGES = {
    "a motion frame": (1, 128, 1, 16, 16),
    "a clip's latents": (1, 128, 15, 16, 16),
}  # full size, float32
SENDS = 20  # round trips of a message in a round
CHILD = "--rank"


def main() -> None:
    args = _options()
    if args.rank is not None:
        _child(args)
        return
    page = Page("One recording over several processes")
    sent = _processes(2, "messages")[0]
    page.say(f"Two processes of this machine, gloo, float32; medians of {args.repeats} rounds.")
    page.table(
        ["message", "bytes", "one way", "MB/s"],
        [
            [name, str(size), milliseconds(seconds), f"{size / seconds / 1e6:.0f}"]
            for name, size, seconds in sent["messages"]
        ],
    )
    rows, alone, apart = [], None, 0.0
    for world in args.processes:
        found = _processes(world, "sampling")
        seconds = statistics.median(
            max(each) for each in zip(*(rank["seconds"] for rank in found), strict=True)
        )
        clips, steps = found[0]["clips"], found[0]["steps"]
        alone = alone or (seconds, found[0]["sums"])
        apart = max(
            apart, *(abs(a - b) for rank in found for a, b in zip(rank["sums"], alone[1], strict=True))
        )
        ideal = clips * steps / turns(clips, steps, world)
        speedup = alone[0] / seconds
        rows.append(
            [str(world), f"{seconds:.2f} s", f"{speedup:.2f}", f"{ideal:.2f}", percent(speedup / ideal)]
        )
    page.say(f"{found[0]['describe']}; one thread per process, medians of {args.repeats} rounds.")
    page.table(["processes", "sampling", "speed-up", "by arithmetic", "share of it"], rows)
    cores = os.cpu_count() or 1
    if max(args.processes) > cores:
        page.say(
            f"This machine has {cores} logical cores: more processes than that share them, which is no loss "
            "of the method."
        )
    page.say(
        f"Latents: {'equal' if apart == 0 else 'NOT EQUAL'} to those of {args.processes[0]} process(es)."
    )
    page.save(args.out)


def turns(clips: int, steps: int, ranks: int) -> int:
    """Time of clips that ``ranks`` processes take in turn, in steps of one clip, if messages take none."""
    ends: dict[tuple[int, int], int] = {}
    for clip in range(clips):
        for step in range(steps):
            own = (clip, step - 1) if step else (clip - ranks, steps - 1)
            ends[clip, step] = 1 + max(ends.get(own, 0), ends.get((clip - 1, step), 0))
    return ends[clips - 1, steps - 1]


def _options() -> argparse.Namespace:
    made = parser(__doc__, clips=8, repeats=3)
    made.add_argument(
        "--processes", type=int, nargs="+", default=[1, 2, 4], help="numbers of processes (default: 1 2 4)"
    )
    made.add_argument(CHILD, nargs=4, metavar=("RANK", "WORLD", "WORK", "FOLDER"), help=argparse.SUPPRESS)
    args: argparse.Namespace = made.parse_args()
    if min(args.processes) < 1:
        raise InputError(f"--processes holds {min(args.processes)}; expected 1 or more")
    return args


def _processes(world: int, work: str) -> list[dict[str, Any]]:
    """Run this script again in ``world`` processes; what each of them found."""
    print(f"{work}, {world} process(es) ...", file=sys.stderr, flush=True)
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo"}
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, __file__, *sys.argv[1:], CHILD]
        started = [
            subprocess.Popen([*command, str(rank), str(world), work, folder], env=environment)
            for rank in range(world)
        ]
        codes = [process.wait() for process in started]
        if any(codes):
            raise ReadError(f"{work} with {world} processes failed, see above")
        return [json.loads(Path(folder, f"{rank}.json").read_text()) for rank in range(world)]


def _child(args: argparse.Namespace) -> None:
    rank, world, work, folder = int(args.rank[0]), int(args.rank[1]), args.rank[2], Path(args.rank[3])
    torch.set_num_threads(1)
    dist.init_process_group("gloo", f"file://{folder}/meeting", rank=rank, world_size=world)
    found = _messages(rank, args.repeats) if work == "messages" else _sampling(args)
    (folder / f"{rank}.json").write_text(json.dumps(found))
    dist.barrier()  # who leaves first would close the other's connections
    dist.destroy_process_group()


def _messages(rank: int, repeats: int) -> dict[str, Any]:
    """Name, bytes and seconds one way of each message."""
    found = []
    for name, shape in MESSAGES.items():
        message = torch.zeros(shape)
        calls: list[Callable[[], object]] = [
            partial(dist.send, message, 1 - rank),
            partial(dist.recv, message, 1 - rank),
        ]
        rounds = []
        for _ in range(max(1, repeats) + 1):
            dist.barrier()
            started = time.perf_counter()
            for _ in range(SENDS):
                for call in calls if rank == 0 else calls[::-1]:
                    call()
            rounds.append((time.perf_counter() - started) / SENDS / 2)
        found.append((name, message.nbytes, statistics.median(rounds[1:])))
    return {"messages": found}


def _sampling(args: argparse.Namespace) -> dict[str, Any]:
    """Seconds of each round on this rank, after one that is not counted, and sums that name the latents."""
    given = inputs(args, args.clips)
    given.pipe.ring = Ring(torch.device("cpu"))
    seconds = []
    for _ in range(max(1, args.repeats) + 1):
        dist.barrier()
        started = time.perf_counter()
        latents = given.pipe.sample(given.speech, given.reference, given.settings)
        seconds.append(time.perf_counter() - started)
    sums = latents.double().sum((0, 1, 3, 4)).tolist()
    told = {"clips": given.clips, "steps": given.steps, "describe": given.describe}
    return {"seconds": seconds[1:], "sums": sums, **told}


if __name__ == "__main__":
    guarded(main)
