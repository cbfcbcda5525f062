"""Held-out figures of A2V-DiT: against plain sums over models whose errors are known."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from torch.utils.data import Dataset

from read_core.training.stages.held_out import HeldOut

PROMPT = torch.zeros(1, 2, 3)
FRAMES = 5


class Windows(Dataset):
    """A window of random latents for each index; every second one, or none, continues a clip."""

    def __init__(self, continued: bool = True) -> None:
        self.continued = continued

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        generator = torch.Generator().manual_seed(index)
        return {
            "latents": torch.randn(4, FRAMES, 2, 2, generator=generator),
            "speech": torch.rand(FRAMES - 1, 2, 3, generator=generator),
            "continuation": torch.tensor(self.continued and index % 2 == 1),
        }


def zero(noisy, *_others):
    return torch.zeros_like(noisy)


def repeats_the_motion_frame(noisy, *_others):
    """Takes every latent for what the motion frame shows, noise and all."""
    return noisy[:, :, 1:2].expand_as(noisy)


def test_the_loss_is_the_mean_over_generated_latents():
    """Of a model that answers with zeros it is the mean square of noise - clean, z_R left out."""
    found = HeldOut(zero, Windows(), PROMPT, shift=1.0).loss(0.5)
    generator, total = torch.Generator().manual_seed(0), 0.0
    for index in range(32):
        clean = Windows()[index]["latents"]
        noise = torch.randn(1, *clean.shape, generator=generator)[0]
        total += ((noise - clean) ** 2)[:, 1:].sum().item() / (4 * (FRAMES - 1) * 4) / 32
    assert found == pytest.approx(total, rel=1e-5)


@pytest.mark.parametrize("shift", [1.0, 3.0])
def test_the_model_sees_the_times_of_algorithm_1(shift):
    seen = []

    def model(noisy, times, *_others):
        seen.append(times[0].tolist())
        return torch.zeros_like(noisy)

    HeldOut(model, Windows(), PROMPT, shift).motion_frame()
    schedule = [shift * t / (1 + (shift - 1) * t) for t in (1, 5 / 6, 4 / 6, 3 / 6, 2 / 6, 1 / 6, 0)]
    pairs = list(pairwise(schedule))
    expected = [[0, later, *[now] * (FRAMES - 2)] for now, later in pairs for _ in range(16)]
    assert len(seen) == 2 * len(expected)
    torch.testing.assert_close(torch.tensor(seen), torch.tensor(expected * 2))


@pytest.mark.parametrize("kind", ["own", "portrait"])
def test_the_motion_frame_is_replaced_by_the_portrait(kind):
    """The error of the latent after it, of a model that repeats it, summed place by place."""
    found = HeldOut(repeats_the_motion_frame, Windows(), PROMPT, shift=1.0).motion_frame()
    generator, total, count = torch.Generator().manual_seed(0), 0.0, 0
    for step in range(6):
        time = 1 - (step + 1) / 6
        for index in range(1, 32, 2):
            clean = Windows()[index]["latents"]
            noise = torch.randn(1, *clean.shape, generator=generator)[0]
            frame = clean[:, 1 if kind == "own" else 0]
            shown = (1 - time) * frame + time * noise[:, 1]
            total += ((shown - (noise[:, 2] - clean[:, 2])) ** 2).mean().item()
            count += 1
    assert found[f"motion_frame_{kind}"] == pytest.approx(total / count, rel=1e-5)


def test_the_model_gets_the_windows_conditions_and_sees_all_of_them():
    seen = []

    def model(noisy, times, speech, prompt, masks, continuation):
        seen.append((speech, prompt, masks, continuation))
        return torch.zeros_like(noisy)

    windows = Windows()
    HeldOut(model, windows, PROMPT, shift=1.0).loss(0.5)
    assert len(seen) == 32
    for index, (speech, prompt, (hears, reference), continuation) in enumerate(seen):
        assert torch.equal(speech[0], windows[index]["speech"])
        assert prompt is PROMPT
        assert bool(hears.all())
        assert bool(reference.all())
        assert continuation.tolist() == [bool(windows[index]["continuation"])]


def test_who_does_not_look_at_the_motion_frame_has_the_same_error():
    found = HeldOut(zero, Windows(), PROMPT, shift=1.0).motion_frame()
    assert found["motion_frame_own"] == found["motion_frame_portrait"] > 0


def test_without_windows_that_continue_there_is_no_figure_of_it():
    figures = HeldOut(zero, Windows(continued=False), PROMPT, shift=1.0).figures()
    assert figures.keys() == {"loss_0.2", "loss_0.5", "loss_0.8"}
