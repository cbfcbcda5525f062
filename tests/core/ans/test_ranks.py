"""Algorithm 1 over 1, 2 and 4 processes: the bits of one process, and clips that overlap in time."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist

from read_core.ans import reverse, timesteps
from read_core.ans.ranks import Ring, reverse_over_ranks
from read_core.errors import InputError

CLIPS, WINDOW, STEPS = 5, 4, 3
CPU = torch.device("cpu")


def velocity(z: torch.Tensor, t: torch.Tensor, clips: list[int]) -> torch.Tensor:
    """Depends on every latent of the clip, its time and its number."""
    weight = torch.arange(1.0, z.shape[2] + 1)[None, None, :, None, None]
    mixed = (z * weight * (1 + t[:, None, :, None, None])).sum(2, keepdim=True)
    return torch.sin(mixed + z + torch.tensor(clips)[:, None, None, None, None])


def inputs() -> dict[str, Any]:
    generator = torch.Generator().manual_seed(0)
    latents = WINDOW - 1 + (CLIPS - 1) * (WINDOW - 2)
    return {
        "noise": torch.randn(1, 2, latents, 1, 3, generator=generator),
        "reference": torch.randn(1, 2, 1, 1, 3, generator=generator),
        "times": timesteps(STEPS, 1.5),
    }


def one_rank(rank: int, world: int, folder: str) -> None:
    dist.init_process_group("gloo", f"file://{folder}/meeting", rank=rank, world_size=world)
    ring, steps, begun = Ring(CPU), list[tuple[int, int]](), Path(folder, "begun")

    def on_step(done: int, total: int, _: torch.Tensor | None) -> None:
        steps.append((done, total))
        if rank == 1 and done == 1:
            begun.touch()
        if rank == 0 and world > 1 and done == STEPS - 1:  # without overlap both would wait for ever
            ends = time.monotonic() + 300
            while not begun.exists():
                assert time.monotonic() < ends, "clip 1 does not begin before clip 0 has its last step"
                time.sleep(0.01)

    found = reverse_over_ranks(velocity, **inputs(), window=WINDOW, ring=ring, on_step=on_step)
    torch.save((found, steps), f"{folder}/{rank}.pt")
    if rank:
        for values in ([rank, 7], [rank]):  # the second waits for the first
            ring.send_to_first(torch.tensor(values, dtype=torch.uint8))
    for sender in range(1, world) if rank == 0 else ():
        received = [ring.receive_from(sender, (count,), torch.uint8).tolist() for count in (2, 1)]
        assert received == [[sender, 7], [sender]]
    ring.settle()
    dist.barrier()  # who leaves first would close the other's connections
    dist.destroy_process_group()


@pytest.mark.parametrize("world", [1, 2, pytest.param(4, marks=pytest.mark.slow)])
def test_several_processes_find_the_bits_of_one(tmp_path, world):
    """Rank 0 takes the last step of its first clip only when rank 1 has begun with the next clip."""
    environment = {**os.environ, "GLOO_SOCKET_IFNAME": "lo"}
    command = [sys.executable, __file__]
    processes = [
        subprocess.Popen(
            [*command, str(rank), str(world), str(tmp_path)],
            env=environment,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(world)
    ]
    for process in processes:
        _, errors = process.communicate(timeout=400)
        assert process.returncode == 0, errors
    expected = reverse(velocity, **inputs(), window=WINDOW)
    for rank in range(world):
        found, steps = torch.load(tmp_path / f"{rank}.pt")
        assert torch.equal(found, expected)
        own = len(range(rank, CLIPS, world)) * STEPS
        assert steps == [(done + 1, own) for done in range(own)]


def test_without_a_process_group_the_ring_says_how_to_start_one():
    with pytest.raises(InputError, match="torchrun"):
        Ring(CPU)


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[3]))
    one_rank(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3])
