"""Load READ Models in the host's process: what it leaves behind, and what it shares.

Named on the command line: a folder with the LoRA ``small.safetensors``. Prints, as JSON, what was found.
"""

from __future__ import annotations

import gc
import importlib
import json
import sys

from outside import NAME, import_pack

import folder_paths
import torch
from comfy.model_patcher import ModelPatcher
from safetensors.torch import load_file

LAYER = "transformer_blocks.0.attn1.to_q"
BY_DEFAULT = {
    "checkpoint": "read-tiny",
    "dtype": "float32",
    "attention": "auto",
    "vae": "checkpoint's own",
    "transformer": "checkpoint's own",
    "lora": "none",
    "lora_strength": 1.0,
}


def load(**inputs):
    loaders = importlib.import_module(f"{NAME}.nodes.loaders")
    return loaders.LoadModels.execute(**BY_DEFAULT | inputs).args[0]


def attention():
    """The attention of the process and of the models, after a choice and after none."""
    from diffusers.models import attention_dispatch

    active = attention_dispatch._AttentionBackendRegistry.get_active_backend
    before = active()[0]

    def kernels(models):
        found = {
            m.processor._attention_backend
            for m in models.pipe.transformer.modules()
            if hasattr(m, "processor")
        }
        return sorted(str(getattr(kernel, "value", kernel)) for kernel in found)

    chosen = load(attention="native")
    with attention_dispatch.attention_backend(attention_dispatch.AttentionBackendName._NATIVE_MATH):
        inside = load(attention="native")
        kept = active()[0].value
    return {
        "process unchanged": active()[0] == before,
        "other choice unchanged": kept,
        "native": kernels(chosen),
        "native again": kernels(inside),
        "auto": kernels(load()),
    }


def sharing(lora):
    """The base and its LoRA at two strengths take turns with one set of weights."""
    placement = importlib.import_module(f"{NAME}.nodes.placement")
    adapter = load_file(lora)
    added = adapter[f"transformer.{LAYER}.lora_B.weight"] @ adapter[f"transformer.{LAYER}.lora_A.weight"]
    base = load()
    weaker, stronger = (load(lora=lora.name, lora_strength=strength) for strength in (0.5, -2.0))
    stored = base.pipe.transformer.get_submodule(LAYER).weight.clone()

    def in_use(models):
        placement.place(models.transformer)
        return models.pipe.transformer.get_submodule(LAYER).weight

    turns = {}
    for turn in range(2):
        turns[f"base {turn}"] = torch.equal(in_use(base), stored)
        turns[f"weaker {turn}"] = torch.allclose(in_use(weaker), stored + 0.5 * added, atol=1e-5)
        turns[f"stronger {turn}"] = torch.allclose(in_use(stronger), stored - 2.0 * added, atol=1e-5)
    turns["base after all"] = torch.equal(in_use(base), stored)
    return {
        "one set": base.pipe is weaker.pipe is stronger.pipe,
        "another type": load(dtype="bfloat16").pipe is not base.pipe,
        "the LoRA counts": bool(added.abs().max() > 0.01),
        **turns,
    }


def freed(lora):
    """Whether what nobody holds any more is gone: the base, and a LoRA that keeps its base."""
    import weakref

    checkpoints = importlib.import_module(f"{NAME}.nodes.checkpoints")
    patched = load(lora=lora.name)
    base = weakref.ref(patched.base)
    gc.collect()
    found = {"held by its LoRA": base() is not None}
    del patched
    gc.collect()
    return found | {"gone": base() is None, "kept": len(checkpoints._in_use)}


def recognized():
    """Whether the host sees that an output holds models; it asks so since 0.33 only."""
    models = load()
    try:
        from comfy.model_patcher import is_model_patcher_output
    except ImportError:
        return isinstance(models.patcher, ModelPatcher)
    return is_model_patcher_output(models)


def main():
    from pathlib import Path

    import_pack()
    folder = Path(sys.argv[1])
    folder_paths.add_model_folder_path("loras", str(folder))
    lora = folder / "small.safetensors"
    results = {
        "attention": attention(),
        "recognized": recognized(),
        "sharing": sharing(lora),
        "freed": freed(lora),
    }
    print(json.dumps(results))


with torch.inference_mode():
    main()
