"""Measure a step of stage ``a2v``: memory kept for the gradient, and time."""

from __future__ import annotations

import time
from typing import Any

import torch
from accelerate.utils import send_to_device
from torch import Tensor, nn

from ..usage import settle
from .loop import Ema
from .optim import make_optimizer
from .plan import planned_batch, planned_model, random_inputs
from .stages.a2v import A2VConfig

_STEPS = 2  # the last is timed: the first also makes the moments


def kept_for_gradient(config: A2VConfig) -> int:
    """Bytes that a batch keeps at once for the gradient, the model's own weights aside.

    Models of one and of two blocks tell those of a block; nothing is computed, only shapes go through them.
    With gradient checkpointing these are the inputs of all blocks and what one block keeps, which is computed
    again. What an operation needs for a moment is not counted.
    """
    blocks = len(planned_model(config).transformer.transformer_blocks)
    one, two = (_saved_bytes(config, count) for count in (1, 2))
    again = 0
    if config.gradient_checkpointing:
        without = config.model_copy(update={"gradient_checkpointing": False})
        again = _saved_bytes(without, 2) - _saved_bytes(without, 1)
    return one + (blocks - 1) * (two - one) + again


def _saved_bytes(config: A2VConfig, blocks: int) -> int:
    from torch._subclasses.fake_tensor import FakeTensorMode

    smaller = config.model_copy(update={"model": {**config.model, "num_layers": blocks}})
    model = planned_model(smaller)
    with FakeTensorMode():
        _move_to_fake_cpu(model)
        given = random_inputs(model, planned_batch(config))
        with _precision(config, "cpu"):
            return saved_bytes(model, given)


def _move_to_fake_cpu(model: nn.Module) -> None:
    """Replace weights of the meta device by fake ones; peft's layers cannot be made in the fake mode."""
    for module in model.modules():
        for name, p in module._parameters.items():
            if p is not None:
                weight = torch.empty(p.shape, dtype=p.dtype)
                module._parameters[name] = nn.Parameter(weight, p.requires_grad)
        for name, value in module._buffers.items():
            if value is not None:
                module._buffers[name] = torch.empty(value.shape, dtype=value.dtype)


def saved_bytes(model: nn.Module, arguments: tuple[Any, ...]) -> int:
    """Bytes of the tensors that a forward saves for its backward; the model's own do not count."""
    own = {t.untyped_storage()._cdata for t in (*model.parameters(), *model.buffers())}
    kept: dict[int, torch.UntypedStorage] = {}

    def note(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage._cdata not in own:
            kept[storage._cdata] = storage
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        result = model(*arguments)
    del result
    return sum(storage.nbytes() for storage in kept.values())


def step_seconds(config: A2VConfig, device: torch.device) -> float:
    """Time of one optimizer step of one process on random numbers, after another one."""
    model = planned_model(config, str(device))
    optimizer, ema = make_optimizer(model, config.loop), Ema(model, config.loop.ema)
    given = send_to_device(random_inputs(model, planned_batch(config)), device)
    seconds = 0.0
    for step in range(_STEPS):
        began = time.perf_counter()
        for _ in range(config.loop.accumulate):
            with _precision(config, device.type):
                velocity = model(*given)
            velocity.float().square().mean().backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), config.loop.clip)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        ema.update(model, step)
        settle(device)
        seconds = time.perf_counter() - began
    return seconds


def free_memory(device: torch.device) -> int:
    """Free bytes of a GPU, or of the machine."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    import psutil

    return int(psutil.virtual_memory().available)


def _precision(config: A2VConfig, device: str) -> torch.autocast:
    kinds = {"no": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
    mixed = config.loop.mixed_precision
    return torch.autocast(device, kinds[mixed] if mixed != "no" else None, enabled=mixed != "no")
