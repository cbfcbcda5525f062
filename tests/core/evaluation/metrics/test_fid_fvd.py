"""FID and FVD on stand-in networks whose features are known: what they see, and what results."""

from __future__ import annotations

import pytest
import torch

from read_core.evaluation.metrics.fid import fid_features, score_fid
from read_core.evaluation.metrics.frechet import Moments
from read_core.evaluation.metrics.fvd import fvd_features, score_fvd
from read_core.evaluation.networks.i3d import I3D
from read_core.evaluation.networks.inception import FidInception


class FramesThemselves(FidInception):
    """Has no layers."""

    def __init__(self) -> None:
        torch.nn.Module.__init__(self)

    def forward(self, x):
        return x


class ClipsThemselves(I3D):
    """Has no layers."""

    def __init__(self) -> None:
        torch.nn.Module.__init__(self)

    def forward(self, x):
        return x


class PicturesThemselves(torch.nn.Identity):
    """Tells its number of features as torchmetrics asks."""

    num_features = 6


def test_frames_are_resized_whole_to_minus_one_to_one():
    frames = torch.zeros(2, 40, 60, 3, dtype=torch.uint8)
    frames[:, :, 30:] = 255
    seen = fid_features(FramesThemselves(), frames)
    assert seen.shape == (2, 3, 299, 299)
    assert torch.allclose(seen[..., :140], -torch.ones(1), atol=1e-5)
    assert torch.allclose(seen[..., 160:], torch.ones(1), atol=1e-5)


def test_clips_keep_their_frames_in_order():
    clips = torch.arange(2 * 16, dtype=torch.uint8).view(2, 16, 1, 1, 1).expand(2, 16, 10, 12, 3)
    seen = fvd_features(ClipsThemselves(), clips)
    assert seen.shape == (2, 3, 16, 224, 224)
    expected = torch.arange(32.0).view(2, 16) / 255 * 2 - 1
    assert torch.allclose(seen[:, 1, :, 100, 7], expected, atol=1e-6)


@pytest.mark.parametrize("score", [score_fid, score_fvd])
def test_a_shift_by_d_costs_its_square(score):
    real = torch.randn(30, 5, generator=torch.Generator().manual_seed(0))
    moments = [Moments.empty(5).with_batch(vectors) for vectors in (real + 2.0, real)]
    figures = score(*moments)
    distance, count, real_count = (getattr(figures, name) for name in figures.__dataclass_fields__)
    assert distance == pytest.approx(5 * 4, rel=1e-5)
    assert (count, real_count) == (30, 30)


def test_fid_of_the_same_features_is_torchmetrics():
    """Their statistics of batches and their distance, of pictures that are their own features."""
    image = pytest.importorskip("torchmetrics.image.fid", reason="torchmetrics is not installed")
    theirs = image.FrechetInceptionDistance(feature=PicturesThemselves())
    generator = torch.Generator().manual_seed(0)
    moments = {}
    for real in (True, False):
        vectors = torch.randn(64, 6, generator=generator, dtype=torch.float64) @ torch.randn(
            6, 6, generator=generator, dtype=torch.float64
        )
        moments[real] = Moments.empty(6)
        for batch in vectors.split(10):
            theirs.update(batch, real=real)
            moments[real] = moments[real].with_batch(batch)
    assert score_fid(moments[False], moments[True]).fid == pytest.approx(float(theirs.compute()), rel=1e-6)
