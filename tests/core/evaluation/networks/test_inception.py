"""The FID's Inception against torch-fidelity's, which is another port of the same network."""

from __future__ import annotations

import pytest
import torch

from read_core.evaluation.networks.inception import FidInception

from .random_weights import randomized


def test_the_features_are_torch_fidelitys(tmp_path):
    theirs = pytest.importorskip(
        "torch_fidelity.feature_extractor_inceptionv3", reason="torch-fidelity is not installed"
    )
    ours = randomized(FidInception())
    file = tmp_path / "inception.pth"
    unused = {"fc.weight": torch.zeros(1008, 2048), "fc.bias": torch.zeros(1008)}
    torch.save(ours.state_dict() | unused, file)
    network = theirs.FeatureExtractorInceptionV3("theirs", ["2048"], feature_extractor_weights_path=str(file))
    pictures = torch.randint(0, 256, (2, 3, 299, 299), generator=torch.Generator().manual_seed(1)).byte()
    with torch.inference_mode():
        (expected,) = network(pictures)
        features = ours((pictures.float() - 128) / 128)
    assert expected.std() > 1e-3 * expected.abs().max()
    assert features.shape == (2, 2048)
    assert torch.allclose(features, expected, rtol=1e-4, atol=1e-5 * float(expected.abs().max()))
