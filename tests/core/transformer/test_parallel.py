"""Context parallelism: several processes share the frames of a clip and find what one process finds."""

from __future__ import annotations

import os
import subprocess
import sys
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import pytest
import torch

pytest.importorskip("diffusers.models._modeling_parallel", reason="diffusers before 0.36")

from torch.distributed import barrier, destroy_process_group, init_process_group

from read_core.ans import SplitCFG, reverse, timesteps
from read_core.errors import InputError
from read_core.geometry import latents_of_clips
from read_core.transformer import TINY, A2VTransformer3DModel, sharing
from read_core.transformer.guided import GuidedVelocity
from read_core.transformer.parallel import CONTEXT_PARALLEL_PLAN
from read_core.transformer.sharing import share_clips

CLIPS, STEPS = 3, 2
CONFIG = {**TINY, "num_attention_heads": 4, "attention_head_dim": 8}
BATCH, FRAMES, HEIGHT, WIDTH = 2, 4, 1, 3


def velocity(shared: bool = False) -> tuple[torch.Tensor, torch.Tensor, list[int]]:
    """By fixed weights and inputs: a velocity, latents of Algorithm 1, and frames that blocks worked on."""
    torch.manual_seed(0)
    model = A2VTransformer3DModel(**CONFIG).eval()
    for block in model.transformer_blocks:
        torch.nn.init.normal_(block.audio_attn.to_out[0].weight, std=0.2)
    if shared:
        share_clips(model, FRAMES)
    worked_on: list[int] = []
    for block in model.transformer_blocks:
        block.ff.register_forward_pre_hook(lambda _, args: worked_on.append(args[0].shape[1]))
    text = model.project_text(torch.randn(BATCH, 5, TINY["caption_channels"]), torch.ones(BATCH, 5).triu())
    codes = torch.randn(BATCH, FRAMES - 1, TINY["code_slots"], TINY["code_dim"])
    with torch.no_grad():
        once = model(
            torch.randn(BATCH, TINY["in_channels"], FRAMES, HEIGHT, WIDTH),
            torch.rand(BATCH, FRAMES),
            model.project_speech(codes),
            text,
            reference_mask=torch.tensor([True, False]),
            continuation=torch.tensor([False, True]),
        )
    count, channels = latents_of_clips(CLIPS, FRAMES), TINY["in_channels"]
    guided = GuidedVelocity(
        model,
        torch.randn(1, count, TINY["code_slots"], TINY["code_dim"]),
        model.project_text(torch.randn(1, 5, TINY["caption_channels"])),
        SplitCFG(0.5, 1.5),
        FRAMES,
    )
    noise = torch.randn(1, channels, count, HEIGHT, WIDTH)
    reference = torch.randn(1, channels, 1, HEIGHT, WIDTH)
    return once, reverse(guided, noise, reference, timesteps(STEPS, 1.5), FRAMES), worked_on


def one_of_several(rank: int, world: int, road: str, folder: str) -> None:
    """``road``: diffusers' own ``enable_parallelism``, with a CPU in place of the accelerator, or ours."""
    init_process_group("gloo", f"file://{folder}/meeting", rank=rank, world_size=world)
    if road == "diffusers":

        def enable(model, config):
            with (
                patch("torch._C._get_accelerator", lambda: torch.device("cpu")),
                patch("torch.accelerator.device_count", lambda: 1),
            ):
                model.enable_parallelism(config=config)

        sharing._share_on_cpu = enable
    torch.save(velocity(shared=True), f"{folder}/{rank}.pt")
    barrier()  # who leaves first would close the other's connections
    destroy_process_group()


@pytest.mark.slow
@pytest.mark.parametrize(("world", "road"), [(2, "ours"), (2, "diffusers"), (4, "ours")])
def test_several_processes_find_what_one_finds(tmp_path, world, road):
    """One velocity, and the latents of Algorithm 1."""
    command = [sys.executable, __file__]
    environment = {**os.environ, "GLOO_SOCKET_IFNAME": "lo"}
    processes = [
        subprocess.Popen(
            [*command, str(rank), str(world), road, str(tmp_path)],
            env=environment,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(world)
    ]
    for process in processes:
        _, errors = process.communicate(timeout=400)
        assert process.returncode == 0, errors
    once, latents, whole = velocity()
    blocks = (1 + CLIPS * STEPS) * TINY["num_layers"]
    assert whole == [FRAMES] * blocks
    for rank in range(world):
        found, sampled, worked_on = torch.load(tmp_path / f"{rank}.pt")
        torch.testing.assert_close(found, once, atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(sampled, latents, atol=1e-5, rtol=1e-5)
        assert worked_on == [FRAMES // world] * blocks


@pytest.mark.parametrize(("world", "window"), [(3, 6), (4, 6), (8, 8)])
def test_a_clip_that_cannot_be_shared_evenly_is_refused(monkeypatch, world, window):
    """Of its latents and of the four heads, every process takes as many."""
    monkeypatch.setattr("torch.distributed.get_world_size", lambda: world)
    model: Any = SimpleNamespace(config=SimpleNamespace(num_attention_heads=4))
    with pytest.raises(
        InputError, match=f"{world} processes cannot share a clip of {window} latents and 4 heads"
    ):
        share_clips(model, window)


def test_the_plan_names_what_the_blocks_are_given():
    """Everything with a frame axis is split along it, and gathered along it after the last block."""
    model = A2VTransformer3DModel(**TINY)
    assert model._cp_plan is CONTEXT_PARALLEL_PLAN
    given: list[dict[str, torch.Tensor]] = []

    def watch(block, args):
        names = ("x", "modulation", "rotary", "text", "text_mask", "speech")
        given.append(dict(zip(names, args, strict=True)))

    model.transformer_blocks[0].register_forward_pre_hook(watch)
    gathered: list[torch.Tensor] = []
    model.norm_out.register_forward_hook(lambda _, args, out: gathered.append(out))
    text = model.project_text(torch.randn(1, 5, TINY["caption_channels"]))
    latents = torch.randn(1, TINY["in_channels"], FRAMES, HEIGHT, WIDTH)
    model(latents, torch.rand(1, FRAMES), model.project_null_speech(FRAMES), text)
    planned = {
        **CONTEXT_PARALLEL_PLAN["transformer_blocks.0"],
        **CONTEXT_PARALLEL_PLAN["transformer_blocks.*"],
    }
    assert planned.keys() == given[0].keys() - {"text", "text_mask"}
    for name, split in planned.items():
        tensors = given[0][name] if isinstance(split, list) else [given[0][name]]
        for tensor, part in zip(tensors, split if isinstance(split, list) else [split], strict=True):
            assert tensor.ndim == part.expected_dims
            assert tensor.shape[part.split_dim] == FRAMES
    gather = CONTEXT_PARALLEL_PLAN["norm_out"]
    assert gathered[0].ndim == gather.expected_dims
    assert gathered[0].shape[gather.gather_dim] == FRAMES


if __name__ == "__main__":
    one_of_several(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4])
