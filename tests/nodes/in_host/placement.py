"""nodes/placement.py with a ``meta`` device in the place of a GPU.

Prints, as JSON, where the weights of each scenario's models were while they were to be used.
"""

from __future__ import annotations

import importlib
import json

from outside import NAME, import_pack

import comfy.model_management as mm
import torch
from torch import nn

GPU = torch.device("meta")
MB = 2**20


class Memory:
    """Of the GPU that is played: its bytes, and the models whose weights may lie there."""

    total = 0
    models: list[nn.Module] = []


def tensors(model):
    return [*model.parameters(), *model.buffers()]


def free_memory(dev=None, torch_free_too=False):
    used = sum(t.nbytes for model in Memory.models for t in tensors(model) if t.device.type == GPU.type)
    free = Memory.total - used if dev is None or torch.device(dev).type == GPU.type else 64 * 2**30
    return (free, free) if torch_free_too else free


def total_memory(dev=None, torch_total_too=False):
    return (Memory.total, Memory.total) if torch_total_too else Memory.total


def play_gpu():
    """From here on the host takes the meta device for its GPU."""
    move = nn.Module.to

    def to(self, *args, **kwargs):
        target = torch._C._nn._parse_to(*args, **kwargs)[0]
        leaving = target is not None and target.type == "cpu" and any(t.is_meta for t in tensors(self))
        return self.to_empty(device=target) if leaving else move(self, *args, **kwargs)

    nn.Module.to = to
    mm.get_torch_device = lambda: GPU
    mm.unet_offload_device = lambda: torch.device("cpu")
    mm.get_free_memory = free_memory
    mm.get_total_memory = total_memory
    mm.get_all_torch_devices = lambda *_, **__: [GPU]
    mm.soft_empty_cache = lambda *_, **__: None
    mm.cpu_state = mm.CPUState.GPU
    mm.lowvram_available = True
    mm.should_use_fp16 = mm.should_use_bf16 = lambda *_, **__: True


class Plain(nn.Module):
    """What libraries build: layers, a parameter beside layers, and a buffer."""

    def __init__(self, megabytes):
        super().__init__()
        width = 512
        self.layers = nn.ModuleList(nn.Linear(width, width) for _ in range(megabytes))
        self.scale = nn.Parameter(torch.ones(width))
        self.register_buffer("table", torch.ones(width))

    device = property(lambda self: self.scale.device)  # as in transformers and diffusers: cannot be set


def where(patcher):
    """The devices that hold the weights: one, or ``mixed``."""
    found = {t.device.type for t in tensors(patcher.model)}
    return found.pop() if len(found) == 1 else "mixed"


def scenario(placement, state, megabytes):
    """Two models of 20 MB in turn, then both together."""
    Memory.total = megabytes * MB
    mm.vram_state = state
    first, second = (placement.held(model=Plain(20)) for _ in range(2))
    Memory.models = [first.model, second.model]
    found = {"before": where(first)}
    placement.place(first)
    found["first use"] = where(first)
    mm.free_memory(1e30, GPU)
    found["evicted"] = where(first)
    placement.place(first)
    found["after eviction"] = where(first)
    placement.place(second)
    found["another"] = where(second)
    placement.place(first)
    found["after another"] = where(first)
    placement.place(first, second)
    found["together"] = f"{where(first)} {where(second)}"
    mm.unload_all_models()
    found["unloaded"] = f"{where(first)} {where(second)}"
    return found


def bundled(placement, checkpoints):
    """The real models, loaded by the pack, all at once."""
    Memory.total = 4 * 2**30
    mm.vram_state = mm.VRAMState.NORMAL_VRAM
    models = checkpoints.load_models("read-tiny", "auto", "auto", None, None)
    patchers = [models.speech, models.vae, models.transformer]
    Memory.models = [patcher.model for patcher in patchers]
    found = {"before": " ".join(map(where, patchers))}
    placement.place(*patchers)
    found["placed"] = " ".join(map(where, patchers))
    mm.unload_all_models()
    found["unloaded"] = " ".join(map(where, patchers))
    return found


def main():
    import_pack()
    placement = importlib.import_module(f"{NAME}.nodes.placement")
    checkpoints = importlib.import_module(f"{NAME}.nodes.checkpoints")
    play_gpu()
    states = {"normal": mm.VRAMState.NORMAL_VRAM, "low": mm.VRAMState.LOW_VRAM, "no": mm.VRAMState.NO_VRAM}
    # The host keeps about 1 GB free for the work itself: of 1040 MB little is left for 20 MB of weights.
    results = {
        f"{name} vram, {room}": scenario(placement, state, megabytes)
        for name, state in states.items()
        for room, megabytes in (("room", 8192), ("short", 1040))
    }
    results["bundled"] = bundled(placement, checkpoints)
    print(json.dumps(results))


with torch.inference_mode():
    main()
