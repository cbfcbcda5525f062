"""The FID's Inception against torchvision's, whose pools are exchanged as the FID wants them."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from torch.nn import functional as F

from read_core.evaluation.networks.inception import FidInception

from .random_weights import randomized


@pytest.fixture
def theirs(monkeypatch):
    """torchvision's network of 1008 classes."""
    inception = pytest.importorskip("torchvision.models.inception", reason="torchvision is not installed")
    pools = SimpleNamespace(**{name: getattr(F, name) for name in ("relu", "max_pool2d", "dropout")})

    def inside(x, kernel_size, stride, padding):
        return F.avg_pool2d(x, kernel_size, stride, padding, count_include_pad=False)

    pools.avg_pool2d = inside
    monkeypatch.setattr(inception, "F", pools)
    network = inception.Inception3(num_classes=1008, aux_logits=False, init_weights=False)
    last = network.Mixed_7c

    def with_maximum(module, inputs):
        pools.avg_pool2d = F.max_pool2d

    last.register_forward_pre_hook(with_maximum)
    return randomized(network)


def test_every_block_gives_what_torchvisions_gives(theirs):
    ours = FidInception().eval()
    state = {name: value for name, value in theirs.state_dict().items() if not name.startswith("fc.")}
    ours.load_state_dict(state)  # strict: the names are the same
    found: dict[str, list[torch.Tensor]] = {}
    for network in (theirs, ours):
        for name, block in network.named_children():
            if name.startswith(("Conv2d", "Mixed")):
                block.register_forward_hook(
                    lambda module, inputs, output, name=name: found.setdefault(name, []).append(output)
                )
    pictures = torch.rand(1, 3, 299, 299, generator=torch.Generator().manual_seed(1)) * 2 - 1
    with torch.inference_mode():
        theirs(pictures)
        features = ours(pictures)
    assert len(found) == 16
    for name, (expected, got) in found.items():
        assert torch.allclose(got, expected, rtol=1e-4, atol=1e-4 * float(expected.abs().max())), name
    expected = found["Mixed_7c"][0].mean((2, 3))
    assert features.shape == (1, 2048)
    assert torch.allclose(features, expected, rtol=1e-4, atol=1e-4 * float(expected.abs().max()))
