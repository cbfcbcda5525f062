"""Context parallelism: two processes share the frames of a clip and find what one process finds."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
import torch

pytest.importorskip("diffusers.models._modeling_parallel", reason="diffusers before 0.36")

from diffusers import ContextParallelConfig
from diffusers.hooks.context_parallel import apply_context_parallel
from diffusers.models._modeling_parallel import ParallelConfig
from torch.distributed import barrier, destroy_process_group, init_process_group
from torch.distributed.device_mesh import init_device_mesh

from read_core.transformer import TINY, A2VTransformer3DModel
from read_core.transformer.attention import Attention
from read_core.transformer.parallel import CONTEXT_PARALLEL_PLAN

WORLD = 2
BATCH, FRAMES, HEIGHT, WIDTH = 2, 4, 1, 3


def velocity(parallel: ContextParallelConfig | None = None) -> tuple[torch.Tensor, list[int]]:
    """The velocity of fixed weights and inputs, and how many frames every block worked on."""
    torch.manual_seed(0)
    model = A2VTransformer3DModel(**TINY).eval()
    for block in model.transformer_blocks:
        torch.nn.init.normal_(block.audio_attn.to_out[0].weight, std=0.2)
    if parallel is not None:
        share(model, parallel)
    worked_on: list[int] = []
    for block in model.transformer_blocks:
        block.ff.register_forward_pre_hook(lambda _, args: worked_on.append(args[0].shape[1]))
    text = model.project_text(torch.randn(BATCH, 5, TINY["caption_channels"]), torch.ones(BATCH, 5).triu())
    codes = torch.randn(BATCH, FRAMES - 1, TINY["code_slots"], TINY["code_dim"])
    with torch.no_grad():
        found = model(
            torch.randn(BATCH, TINY["in_channels"], FRAMES, HEIGHT, WIDTH),
            torch.rand(BATCH, FRAMES),
            model.project_speech(codes),
            text,
            reference_mask=torch.tensor([True, False]),
            continuation=torch.tensor([False, True]),
        )
    return found, worked_on


def share(model: A2VTransformer3DModel, parallel: ContextParallelConfig) -> None:
    """What ``model.enable_parallelism`` does, which refuses to run without an accelerator."""
    config = ParallelConfig(context_parallel_config=parallel)
    mesh = init_device_mesh("cpu", parallel.mesh_shape, mesh_dim_names=parallel.mesh_dim_names)
    rank = torch.distributed.get_rank()
    config.setup(rank, WORLD, torch.device("cpu"), mesh=mesh)
    for module in model.modules():
        if isinstance(module, Attention):
            module.processor._parallel_config = config
    apply_context_parallel(model, parallel, model._cp_plan)


def one_of_two(rank: int, folder: str) -> None:
    init_process_group("gloo", f"file://{folder}/meeting", rank=rank, world_size=WORLD)
    torch.save(velocity(ContextParallelConfig(ulysses_degree=WORLD)), f"{folder}/{rank}.pt")
    barrier()  # who leaves first would close the other's connections
    destroy_process_group()


@pytest.mark.slow
def test_two_processes_find_what_one_finds(tmp_path):
    command = [sys.executable, __file__, str(tmp_path)]
    environment = {**os.environ, "GLOO_SOCKET_IFNAME": "lo"}
    processes = [
        subprocess.Popen([*command, str(rank)], env=environment, stderr=subprocess.PIPE, text=True)
        for rank in range(WORLD)
    ]
    for process in processes:
        _, errors = process.communicate(timeout=400)
        assert process.returncode == 0, errors
    expected, whole = velocity()
    assert whole == [FRAMES] * TINY["num_layers"]
    for rank in range(WORLD):
        found, worked_on = torch.load(tmp_path / f"{rank}.pt")
        torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)
        assert worked_on == [FRAMES // WORLD] * TINY["num_layers"]


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
    one_of_two(int(sys.argv[2]), sys.argv[1])
