from __future__ import annotations

import math

import pytest
import torch

from read_core.ans import draw_continuation, draw_times, guided_steps, shift_of, timesteps
from read_core.errors import InputError


def drawn(batch: int = 20_000, frames: int = 3, **kwargs) -> torch.Tensor:
    return draw_times(batch, frames, generator=torch.Generator().manual_seed(3), **kwargs)


def shifted(t: float, s: float) -> float:
    return s * t / (1 + (s - 1) * t)


@pytest.mark.parametrize("steps", [1, 2, 8, 10, 50])
@pytest.mark.parametrize("shift", [0.1, 1.0, 3.0, 12.5])
def test_the_schedule_is_the_shifted_line_from_one_to_zero(steps, shift):
    times = timesteps(steps, shift)
    assert times.dtype == torch.float32
    assert times.tolist() == pytest.approx(
        [shifted(1 - i / steps, shift) for i in range(steps + 1)], abs=1e-6
    )
    assert times[0] == 1.0
    assert times[-1] == 0.0
    assert (times.diff() < 0).all()


def test_an_unshifted_schedule_is_even():
    assert torch.equal(timesteps(4), torch.tensor([1.0, 0.75, 0.5, 0.25, 0.0]))


@pytest.mark.parametrize(
    ("steps", "shift"), [(0, 1.0), (-3, 1.0), (4, 0.0), (4, -1.0), (4, float("nan")), (4, float("inf"))]
)
def test_a_schedule_out_of_range_is_refused(steps, shift):
    with pytest.raises(InputError):
        timesteps(steps, shift)


@pytest.mark.parametrize(
    ("steps", "shift", "end", "guided"),
    [
        (6, 1.0, 1.0, 6),
        (6, 1.0, 0.5, 3),
        (6, 1.0, 0.0, 0),
        (4, 1.0, 0.6, 3),
        (4, 1.0, 0.1, 1),
        (8, 7.77, 0.5, 8),
    ],
)
def test_guidance_ends_where_the_noise_time_has_fallen_by_its_share(steps, shift, end, guided):
    times = timesteps(steps, shift)
    assert guided_steps(times, end) == guided == sum(time > 1 - end for time in times.tolist()[:-1])


def test_the_rule_of_tokens_gives_the_times_of_ltx_video():
    """At 1,024 and 4,096 tokens, the ends of its line, mu is 0.95 and 2.05."""
    assert shift_of("tokens", 1024) == pytest.approx(math.exp(0.95))
    assert shift_of("tokens", 16 * 16 * 16) == pytest.approx(math.exp(2.05))
    times = timesteps(8, shift_of("tokens", 4096)).tolist()
    assert times == pytest.approx([1, 0.982, 0.959, 0.928, 0.886, 0.823, 0.721, 0.526, 0], abs=5e-4)
    assert shift_of(1.5, 4096) == 1.5


def test_a_shift_moves_the_mean_of_the_logits_by_its_logarithm():
    """So s = exp(mu) is the trainer's draw with mean mu."""
    times = drawn(schedule_fraction=0, continuation_fraction=0, shift=shift_of("tokens", 4096))
    assert torch.logit(times[:, 1].double()).mean().item() == pytest.approx(2.05, abs=0.03)


def test_drawn_times_have_the_form_of_equation_12():
    times = drawn(frames=5)
    assert times.shape == (20_000, 6)
    assert times.dtype == torch.float32
    assert (times[:, 0] == 0).all()
    assert (times[:, 1] <= times[:, 2]).all()
    assert (times[:, 3:] == times[:, 2:3]).all()
    assert times.min() >= 0
    assert times.max() <= 1


@pytest.mark.parametrize("fraction", [0.0, 0.3, 1.0])
def test_the_asked_share_has_a_motion_frame(fraction):
    times = drawn(continuation_fraction=fraction)
    assert (times[:, 1] < times[:, 2]).double().mean().item() == pytest.approx(fraction, abs=0.015)


def test_the_caller_can_say_which_samples_have_a_motion_frame():
    continuation = draw_continuation(20_000, 0.6, torch.Generator().manual_seed(8))
    times = drawn(continuation=continuation)
    assert continuation.double().mean().item() == pytest.approx(0.6, abs=0.015)
    assert torch.equal(times[:, 1] < times[:, 2], continuation)


@pytest.mark.parametrize("shift", [1.0, 3.0])
def test_schedule_times_are_the_pairs_of_inference_at_every_count_of_steps(shift):
    times = drawn(schedule_fraction=1.0, continuation_fraction=1.0, shift=shift)
    expected = {
        (a.item(), b.item())
        for steps in range(4, 11)
        for a, b in zip(timesteps(steps, shift)[1:], timesteps(steps, shift), strict=False)
    }
    assert {tuple(row) for row in times[:, 1:3].tolist()} == expected
    last = (times[:, 1] == 0).double().mean().item()
    assert last == pytest.approx(sum(1 / steps for steps in range(4, 11)) / 7, abs=0.015)


def test_without_a_motion_frame_schedule_times_are_single_times_of_it():
    times = drawn(schedule_fraction=1.0, continuation_fraction=0.0)
    assert set(times[:, 1].tolist()) == {t.item() for steps in range(4, 11) for t in timesteps(steps)[:-1]}


def test_the_asked_share_comes_from_the_schedules():
    times = drawn(schedule_fraction=0.4, continuation_fraction=0.5)
    of_schedules = torch.cat([timesteps(steps) for steps in range(4, 11)])
    share = torch.isin(times[:, 2], of_schedules).double().mean().item()
    assert share == pytest.approx(0.4, abs=0.015)


@pytest.mark.parametrize(("mean", "std", "shift"), [(0.0, 1.0, 1.0), (0.6, 1.2, 1.0), (-0.5, 0.7, 3.0)])
def test_other_times_are_shifted_logit_normal(mean, std, shift):
    times = drawn(schedule_fraction=0.0, continuation_fraction=0.0, mean=mean, std=std, shift=shift)[
        :, 1
    ].double()
    unshifted = times / (shift - (shift - 1) * times)
    normal = torch.logit(unshifted)
    assert normal.mean().item() == pytest.approx(mean, abs=0.03)
    assert normal.std().item() == pytest.approx(std, abs=0.03)


def test_a_pair_is_two_independent_draws_in_order():
    times = drawn(schedule_fraction=0.0, continuation_fraction=1.0)[:, 1:3].double()
    pooled = torch.logit(times)
    assert pooled.mean().item() == pytest.approx(0.0, abs=0.02)
    assert pooled.std().item() == pytest.approx(1.0, abs=0.02)
    gap = (pooled[:, 1] - pooled[:, 0]).mean().item()
    assert gap == pytest.approx(2 / torch.pi**0.5, abs=0.03)  # E|x - y| of two standard normal draws


def test_a_generator_makes_the_draw_repeatable():
    assert torch.equal(drawn(batch=64), drawn(batch=64))


def test_times_of_one_frame_or_of_a_wrong_mask_are_refused():
    with pytest.raises(InputError, match="at least 2"):
        draw_times(4, 1)
    with pytest.raises(InputError, match="continuation"):
        draw_times(4, 3, continuation=torch.ones(5, dtype=torch.bool))
