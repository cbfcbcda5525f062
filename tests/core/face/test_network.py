"""The networks: what fits together, and folding the normalization away."""

from __future__ import annotations

import torch

from read_core.face.network import SIDE, STRIDE, FaceFinder, fused


def test_without_normalization_it_computes_the_same():
    torch.manual_seed(0)
    trained = FaceFinder(norm=True).train()
    for _ in range(3):  # statistics other than 0 and 1
        trained.search(torch.rand(2, 3, 64, 64))
        trained.read(torch.rand(4, 3, SIDE, SIDE))
    trained.eval()
    plain = FaceFinder().eval()
    plain.load_state_dict(fused(trained).state_dict())
    picture, close = torch.rand(1, 3, 64, 96), torch.rand(2, 3, SIDE, SIDE)
    with torch.no_grad():
        torch.testing.assert_close(plain.search(picture), trained.search(picture), atol=1e-4, rtol=1e-4)
        for ours, theirs in zip(plain.read(close), trained.read(close), strict=True):
            torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=1e-4)


def test_the_reader_does_not_mind_light():
    torch.manual_seed(0)
    reader = FaceFinder().eval().read
    close = torch.rand(1, 3, SIDE, SIDE)
    with torch.no_grad():
        torch.testing.assert_close(reader(close + 3)[1], reader(close)[1], atol=1e-4, rtol=0)


def test_the_search_answers_for_every_cell():
    with torch.no_grad():
        assert FaceFinder().search(torch.rand(2, 3, 48, 96)).shape == (2, 11, 48 // STRIDE, 96 // STRIDE)
