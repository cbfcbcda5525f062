"""I3D against a plain transcription of its table, with TensorFlow's definition of the padding "SAME"."""

from __future__ import annotations

import math

import torch
from torch.nn import functional as F

from read_core.evaluation.networks.i3d import I3D

from .random_weights import randomized


def same(x, kernel, stride, value):
    """Output ceil(n / s) long; what is missing for it is added, the smaller half first."""
    for axis, (size, step) in enumerate(zip(kernel, stride, strict=True), start=2):
        length = x.shape[axis]
        total = max((math.ceil(length / step) - 1) * step + size - length, 0)
        shape = list(x.shape)
        shape[axis] = total // 2
        before = torch.full(shape, value)
        shape[axis] = total - total // 2
        x = torch.cat((before, x, torch.full(shape, value)), axis)
    return x


def unit(state, name, x, step=1):
    weight = state[f"{name}.conv3d.weight"]
    x = F.conv3d(same(x, weight.shape[2:], (step,) * 3, 0.0), weight, stride=step)
    mean, variance, scale, shift = (
        state[f"{name}.bn.{part}"].view(1, -1, 1, 1, 1)
        for part in ("running_mean", "running_var", "weight", "bias")
    )
    return ((x - mean) / (variance + 0.001).sqrt() * scale + shift).clamp(min=0)


def pool(x, kernel, stride):
    return F.max_pool3d(same(x, kernel, stride, -math.inf), kernel, stride)


def transcribed(state, x):
    x = unit(state, "Conv3d_1a_7x7", x, 2)
    x = pool(x, (1, 3, 3), (1, 2, 2))
    x = unit(state, "Conv3d_2b_1x1", x)
    x = unit(state, "Conv3d_2c_3x3", x)
    x = pool(x, (1, 3, 3), (1, 2, 2))
    for name in ("3b", "3c", "pool3", "4b", "4c", "4d", "4e", "4f", "pool2", "5b", "5c"):
        if name.startswith("pool"):
            side = int(name[-1])
            x = pool(x, (side,) * 3, (2, 2, 2))
            continue
        block = f"Mixed_{name}"
        branches = [
            unit(state, f"{block}.b0", x),
            unit(state, f"{block}.b1b", unit(state, f"{block}.b1a", x)),
            unit(state, f"{block}.b2b", unit(state, f"{block}.b2a", x)),
            unit(state, f"{block}.b3b", pool(x, (3, 3, 3), (1, 1, 1))),
        ]
        x = torch.cat(branches, 1)
    two = (x[:, :, :-1] + x[:, :, 1:]) / 2
    pooled = two.mean((3, 4))  # 7 x 7 is all there is
    logits = torch.einsum("oc,bcf->bof", state["logits.conv3d.weight"][:, :, 0, 0, 0], pooled)
    return (logits + state["logits.conv3d.bias"][None, :, None]).mean(2)


def test_logits_are_those_of_the_transcription():
    network = randomized(I3D())
    clips = torch.rand(1, 3, 17, 224, 224, generator=torch.Generator().manual_seed(1)) * 2 - 1
    with torch.inference_mode():
        found, expected = network(clips), transcribed(network.state_dict(), clips)
    assert found.shape == (1, 400)
    assert torch.allclose(found, expected, rtol=1e-4, atol=1e-4 * float(expected.abs().max()))
