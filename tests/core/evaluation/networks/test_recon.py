"""Deep3DFaceRecon's network against torchvision's ResNet-50 with its heads."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from read_core.evaluation.networks.recon import FaceReconstruction

from .random_weights import randomized


def test_the_expression_is_the_second_head_on_torchvisions_features():
    models = pytest.importorskip("torchvision.models", reason="torchvision is not installed")
    network = randomized(FaceReconstruction())
    theirs = models.resnet50()
    theirs.fc = torch.nn.Identity()
    theirs.load_state_dict(network.get_submodule("backbone").state_dict())  # strict: the names are the same
    faces = torch.rand(2, 3, 224, 224, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        found, features = network(faces), theirs.eval()(faces)
    state = network.state_dict()
    expected = features @ state["final_layers.1.weight"][:, :, 0, 0].T + state["final_layers.1.bias"]
    assert found.shape == (2, 64)
    assert torch.allclose(found, expected, rtol=1e-4, atol=1e-4 * float(expected.abs().max()))


def test_all_heads_together_are_the_257_coefficients():
    network: Any = FaceReconstruction()
    assert sum(head.out_channels for head in network.final_layers) == 257
