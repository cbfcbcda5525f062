"""nodes/placement.py with a ``meta`` device in the place of a GPU.

Prints, as JSON, where the weights of each scenario's models were while they were to be used, and on which
device the nodes leave what they hand to core.
"""

from __future__ import annotations

import importlib
import json
from dataclasses import replace

from outside import NAME, import_pack

import comfy.lora
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
        if target is not None and target.type == "cpu":
            self._apply(lambda t: torch.zeros_like(t, device=target) if t.is_meta else t)
        return move(self, *args, **kwargs)

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
    first, second = (placement.patcher_of_models(model=Plain(20)) for _ in range(2))
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


def patched(placement, state, megabytes):
    """A model of 20 MB and its clone with a LoRA on one layer, in turn; what the layer is in between."""
    Memory.total = megabytes * MB
    mm.vram_state = state
    base = placement.patcher_of_models(model=Plain(20))
    Memory.models = [base.model]
    name = "model.layers.3.weight"
    layer = base.model.model.layers[3]
    stored = layer.weight.clone()
    halves = {"x.lora_B.weight": torch.ones(len(stored), 4), "x.lora_A.weight": torch.ones(4, len(stored))}
    lora = base.clone()
    added = lora.add_patches(comfy.lora.load_lora(halves, {"x": name}), 0.5)
    found = {"patched": added == [name]}
    placement.place(lora)
    found["lora"] = f"{where(base)}, {'patched' if name in lora.backup else 'as stored'}"
    mm.unload_all_models()
    # What was only moved comes back as zeros from this GPU; what was patched, from the host's own copy.
    found["unloaded"] = f"{where(base)}, {'as stored' if torch.equal(layer.weight, stored) else 'other'}"
    for turn, (kind, patcher) in enumerate([("base", base), ("lora", lora), ("base", base)]):
        placement.place(patcher)
        found[f"{kind} {turn}"] = f"{where(base)}, {'patched' if name in patcher.backup else 'as stored'}"
    mm.unload_all_models()
    return found


def activations(placement):
    """Two models that fit beside each other, until the work itself needs nearly all of the memory."""
    Memory.total = 8192 * MB
    mm.vram_state = mm.VRAMState.NORMAL_VRAM
    first, second = (placement.patcher_of_models(model=Plain(20)) for _ in range(2))
    Memory.models = [first.model, second.model]
    found = {}
    for work in (100, 8100):
        placement.place(second)
        placement.place(first, activations=work * MB)
        found[f"{work} MB of work"] = f"{where(first)} {where(second)}"
    mm.unload_all_models()
    return found


def handed_on(checkpoints):
    """The device of what the nodes give to core; the host's intermediate device is not the models'."""
    encode, sample, decode = (
        importlib.import_module(f"{NAME}.nodes.{n}") for n in ("encode", "sample", "decode")
    )
    models = checkpoints.load_models("read-tiny", "float32", "auto", None, None)
    own = mm.intermediate_device, mm.get_free_memory
    mm.intermediate_device, mm.get_free_memory = lambda: GPU, lambda *_: 2**40
    try:
        reference, image, *_ = encode.EncodeReference.execute(
            models, torch.rand(1, 64, 64, 3), 64, 64, "crop", 0
        ).args
        wave = {"waveform": 0.1 * torch.randn(1, 1, 4000), "sample_rate": 16000}
        how = {
            "start": 0.0,
            "duration": 0.0,
            "normalize_loudness": True,
            "audio_scale": 1.0,
            "silence_gate": -100.0,
        }
        speech, *_ = encode.EncodeSpeech.execute(models, wave, **how).args
        codes, speech = speech.codes, replace(speech, codes=torch.randn(speech.codes.shape))
        how = {"seed": 0, "steps": 1, "window": 3, "guidance": {"guidance": "none"}, "order": "clips"}
        (latent,) = sample.Sampler.execute(models, speech, reference, **how).args
        on_cpu = {**latent, "samples": torch.randn(latent["samples"].shape)}
        frames, *_ = decode.Decode.execute(models, on_cpu).args
    finally:
        mm.intermediate_device, mm.get_free_memory = own
    made = {"codes": codes, "image": image, "latent": latent["samples"], "frames": frames}
    return {name: value.device.type for name, value in made.items()}


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
    handed = handed_on(checkpoints)
    play_gpu()
    states = {"normal": mm.VRAMState.NORMAL_VRAM, "low": mm.VRAMState.LOW_VRAM, "no": mm.VRAMState.NO_VRAM}
    # The host keeps about 1 GB free for the work itself: of 1040 MB little is left for 20 MB of weights.
    results = {
        f"{name} vram, {room}": scenario(placement, state, megabytes)
        for name, state in states.items()
        for room, megabytes in (("room", 8192), ("short", 1040))
    }
    results |= {
        f"patched, {name} vram, {room}": patched(placement, state, megabytes)
        for name, state in states.items()
        for room, megabytes in (("room", 8192), ("short", 1040))
    }
    results |= {"activations": activations(placement), "handed on": handed}
    results["bundled"] = bundled(placement, checkpoints)
    print(json.dumps(results))


with torch.inference_mode():
    main()
