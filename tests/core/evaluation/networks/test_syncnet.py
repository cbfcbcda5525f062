"""SyncNet against a plain transcription: every layer by its number, written out."""

from __future__ import annotations

import torch
from torch.nn import functional as F

from read_core.evaluation.networks.syncnet import SyncNet

from .random_weights import randomized


def normal(state, name, x):
    shape = (1, -1, *(1,) * (x.ndim - 2))
    mean, variance, scale, shift = (
        state[f"{name}.{part}"].view(shape) for part in ("running_mean", "running_var", "weight", "bias")
    )
    return ((x - mean) / (variance + 1e-5).sqrt() * scale + shift).clamp(min=0)


def head(state, name, x):
    x = x.flatten(1) @ state[f"{name}.0.weight"].T + state[f"{name}.0.bias"]
    return normal(state, f"{name}.1", x) @ state[f"{name}.3.weight"].T + state[f"{name}.3.bias"]


def sound(state, x):
    def layer(number, x, padding=1):
        name = f"netcnnaud.{number}"
        x = F.conv2d(x, state[f"{name}.weight"], state[f"{name}.bias"], padding=padding)
        return normal(state, f"netcnnaud.{number + 1}", x)

    x = layer(0, x)
    x = F.max_pool2d(layer(4, x), (3, 3), (1, 2))
    x = layer(14, layer(11, layer(8, x)))
    x = layer(18, F.max_pool2d(x, (3, 3), (2, 2)), 0)
    return head(state, "netfcaud", x)


def lips(state, x):
    def layer(number, x, stride=1, padding=1):
        name = f"netcnnlip.{number}"
        steps, sides = (1, stride, stride), (0, padding, padding)
        x = F.conv3d(x, state[f"{name}.weight"], state[f"{name}.bias"], steps, sides)
        return normal(state, f"netcnnlip.{number + 1}", x)

    x = F.max_pool3d(layer(0, x, 2, 0), (1, 3, 3), (1, 2, 2))
    x = F.max_pool3d(layer(4, x, 2), (1, 3, 3), (1, 2, 2), (0, 1, 1))
    x = layer(14, layer(11, layer(8, x)))
    x = layer(18, F.max_pool3d(x, (1, 3, 3), (1, 2, 2)), 1, 0)
    return head(state, "netfclip", x)


def test_both_networks_are_those_of_the_transcription():
    network = randomized(SyncNet())
    state, generator = network.state_dict(), torch.Generator().manual_seed(1)
    faces = torch.rand(2, 3, 5, 224, 224, generator=generator) * 255
    steps = torch.randn(2, 1, 13, 20, generator=generator) * 10
    with torch.inference_mode():
        pairs = [
            (network.read_lips(faces), lips(state, faces)),
            (network.read_sound(steps), sound(state, steps)),
        ]
    for found, expected in pairs:
        assert found.shape == (2, 1024)
        assert torch.allclose(found, expected, rtol=1e-4, atol=1e-4 * float(expected.abs().max()))


def test_the_published_file_has_as_many_weights():
    """54,573,114 bytes are 13.64 million numbers and their names."""
    count = sum(value.numel() for value in SyncNet().state_dict().values() if value.is_floating_point())
    assert 0 < 54_573_114 - 4 * count < 20_000
