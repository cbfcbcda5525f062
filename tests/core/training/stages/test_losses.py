"""Eq. 7 to 9 against plain loops over frames."""

from __future__ import annotations

import math

import pytest
import torch

from read_core.training.stages.losses import (
    contrastive_loss,
    reconstruction_loss,
    similarities,
    speech_ae_loss,
)

ITEMS, FRAMES, WINDOW, DIM = 2, 7, 3, 4


@pytest.fixture
def pair() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    speech = torch.randn(ITEMS, FRAMES, WINDOW, DIM, generator=generator, dtype=torch.float64)
    return speech, speech + 0.5 * torch.randn(speech.shape, generator=generator, dtype=torch.float64)


def cosine(a: torch.Tensor, b: torch.Tensor) -> float:
    first, second = a.flatten().tolist(), b.flatten().tolist()
    dot = sum(x * y for x, y in zip(first, second, strict=True))
    return dot / math.sqrt(sum(x * x for x in first)) / math.sqrt(sum(y * y for y in second))


def naive_contrast(speech: torch.Tensor, decoded: torch.Tensor, tau: float, skip_own: bool) -> float:
    """Eq. 8 term by term."""
    total = 0.0
    for s, s_hat in zip(speech, decoded, strict=True):
        for i in range(FRAMES):
            above = math.exp(cosine(s_hat[i], s[i]) / tau)
            below = sum(
                math.exp(cosine(s_hat[i], s[j]) / tau) for j in range(FRAMES) if not (skip_own and j == i)
            )
            total -= math.log(above / below) / FRAMES
    return total / len(speech)


@pytest.mark.parametrize("printed", [False, True])
@pytest.mark.parametrize("tau", [0.07, 1.0])
def test_contrastive_loss_equals_the_loop(pair, printed, tau):
    speech, decoded = pair
    expected = naive_contrast(speech, decoded, tau, skip_own=printed)
    assert contrastive_loss(speech, decoded, tau, printed).item() == pytest.approx(expected, rel=1e-9)


def test_similarity_is_the_cosine_of_whole_frames(pair):
    speech, decoded = pair
    sim = similarities(speech, decoded)
    assert sim.shape == (ITEMS, FRAMES, FRAMES)
    assert sim[1, 2, 5].item() == pytest.approx(cosine(decoded[1, 2], speech[1, 5]))


def test_infonce_is_bounded_below_and_the_printed_form_is_not():
    speech = torch.eye(FRAMES)[None, :, None, :]
    losses = {
        printed: [contrastive_loss(speech, speech, tau, printed).item() for tau in (0.1, 0.01)]
        for printed in (False, True)
    }
    assert min(losses[False]) >= 0
    assert losses[True][0] == pytest.approx(math.log(FRAMES - 1) - 10, rel=1e-5)
    assert losses[True][1] == pytest.approx(math.log(FRAMES - 1) - 100, rel=1e-5)


def test_contrast_ignores_scale_and_reconstruction_does_not(pair):
    speech, decoded = pair
    assert torch.allclose(
        contrastive_loss(speech, 3 * decoded, 0.1), contrastive_loss(speech, decoded, 0.1), rtol=1e-9
    )
    assert reconstruction_loss(speech, 3 * decoded) > reconstruction_loss(speech, decoded)


def test_reconstruction_is_the_mean_squared_distance(pair):
    speech, decoded = pair
    squares = [
        (a - b) ** 2 for a, b in zip(speech.flatten().tolist(), decoded.flatten().tolist(), strict=True)
    ]
    assert reconstruction_loss(speech, decoded).item() == pytest.approx(sum(squares) / len(squares))
    assert reconstruction_loss(speech, speech).item() == 0


@pytest.mark.parametrize("printed", [False, True])
def test_total_weighs_both_terms(pair, printed):
    speech, decoded = pair
    total, *terms = speech_ae_loss(speech, decoded, alpha=2.0, beta=0.3, temperature=0.2, printed=printed)
    expected = [reconstruction_loss(speech, decoded), contrastive_loss(speech, decoded, 0.2, printed)]
    assert [term.item() for term in terms] == [term.item() for term in expected]
    assert total.item() == pytest.approx(2.0 * expected[0].item() + 0.3 * expected[1].item())


@pytest.mark.parametrize("printed", [False, True])
def test_gradients_are_finite(pair, printed):
    speech, decoded = pair
    decoded.requires_grad_(True)
    speech_ae_loss(speech, decoded, printed=printed)[0].backward()
    assert decoded.grad is not None
    assert torch.isfinite(decoded.grad).all()
    assert decoded.grad.abs().sum() > 0
