"""Algorithm 1 in three orders, against a transcription of the paper's pseudo-code."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch import Tensor

from read_core.ans import ByStep, LatentNoise, reverse, reverse_stream, timesteps
from read_core.errors import InputError

CHANNELS, HEIGHT, WIDTH = 3, 2, 2
MIX = torch.randn(7, 7, generator=torch.Generator().manual_seed(11))


def velocity(z: Tensor, t: Tensor, clips: list[int]) -> Tensor:
    """Fixed, non-linear, mixing channels, frames and their times, and different for every time and clip."""
    length = z.shape[2]
    code = torch.tensor(clips, dtype=z.dtype).view(-1, 1, 1, 1, 1)
    time = t.to(z.dtype)[:, None, :, None, None]
    timed = (z * (1 + time)).movedim(2, -1)
    mixed = torch.einsum("bchwk,kl->bchwl", timed, MIX[:length, :length].to(z)).movedim(-1, 2)
    pooled = z.mean(dim=(1, 3, 4), keepdim=True)
    return torch.tanh(mixed + 0.3 * code) * torch.cos(z.roll(1, dims=1) + 2 * time) - pooled * time


def algorithm_1(noise: Tensor, z_r: Tensor, schedule: list[float], f: int, k: int) -> Tensor:
    """Algorithm 1 line by line: 1-based, one latent an entry, as printed. The scheduler is one Euler step."""
    n = len(schedule)
    times = dict(zip(range(1, n + 1), schedule, strict=True))
    last = f + (k - 1) * (f - 1)
    z = {number: noise[:, :, number - 1] for number in range(1, last + 1)}  # Z(T_1) = eps
    for i in range(1, n):
        segments = {}
        for j in range(1, k + 1):
            first = 1 + (j - 1) * (f - 1)
            segments[j] = [z_r] + [z[number] for number in range(first, 1 + j * (f - 1) + 1)]
        updated: dict[int, list[Tensor]] = {}
        for j in range(1, k + 1):
            if j == 1:
                t_j = [0.0] + [times[i]] * f
            else:
                t_j = [0.0, times[i + 1]] + [times[i]] * (f - 1)
                segments[j][1] = updated[j - 1][f]
            generated = velocity(torch.stack(segments[j], dim=2), torch.tensor([t_j]), [j - 1])
            updated[j] = [z_r]
            for frame in range(1, f + 1):
                moves = j == 1 or frame > 1
                step = times[i + 1] - times[i] if moves else 0.0
                updated[j].append(segments[j][frame] + step * generated[:, :, frame])
        for j in range(1, k + 1):
            for frame in range(1, f + 1):
                z[(j - 1) * (f - 1) + frame] = updated[j][frame]
    return torch.stack([z[number] for number in range(1, last + 1)], dim=2)


def case(clips: int, window: int, steps: int, shift: float = 1.0, seed: int = 4) -> dict:
    f = window - 1
    return {
        "noise": LatentNoise(seed, CHANNELS, HEIGHT, WIDTH)(0, f + (clips - 1) * (f - 1)),
        "reference": torch.randn(1, CHANNELS, 1, HEIGHT, WIDTH, generator=torch.Generator().manual_seed(2)),
        "times": timesteps(steps, shift),
        "window": window,
    }


CASES = [
    *itertools.product([1, 2, 3, 5], [3, 4, 6], [1, 2, 4], [1.0]),
    *itertools.product([2, 4], [5], [8], [1.0, 3.0]),
    (9, 4, 3, 3.0),
]


@pytest.mark.parametrize(("clips", "window", "steps", "shift"), CASES)
def test_the_three_orders_are_algorithm_1(clips, window, steps, shift):
    given = case(clips, window, steps, shift)
    oracle = algorithm_1(
        given["noise"], given["reference"][:, :, 0], given["times"].tolist(), f=window - 1, k=clips
    )
    by_steps = reverse(velocity, **given, order="steps")
    by_clips = reverse(velocity, **given, order="clips")
    wavefront = reverse(velocity, **given, order="wavefront")
    torch.testing.assert_close(by_steps, oracle, atol=1e-5, rtol=1e-5)
    assert torch.equal(by_steps, by_clips)
    torch.testing.assert_close(wavefront, by_steps, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("order", ["clips", "steps", "wavefront"])
def test_in_double_precision_the_oracle_is_met_to_rounding(order):
    given = case(4, 5, 6, 2.0)
    given = {name: value.double() if isinstance(value, Tensor) else value for name, value in given.items()}
    times = given["times"].tolist()

    def exact(z: Tensor, t: Tensor, clips: list[int]) -> Tensor:
        return velocity(z, t.float(), clips)

    oracle = algorithm_1(given["noise"], given["reference"][:, :, 0], times, f=4, k=4)
    torch.testing.assert_close(reverse(exact, **given, order=order), oracle, atol=1e-12, rtol=1e-12)


@pytest.mark.parametrize("order", ["clips", "steps", "wavefront"])
@pytest.mark.parametrize("first_late", [0, 1, 3, 4])
def test_two_velocities_by_the_step_are_one_that_looks_at_the_time(order, first_late):
    given = case(clips=5, window=4, steps=4)
    switch = given["times"][first_late] + 1e-6

    def late(z: Tensor, t: Tensor, clips: list[int]) -> Tensor:
        return velocity(-z, t, [clip + 2 for clip in clips])

    def by_time(z: Tensor, t: Tensor, clips: list[int]) -> Tensor:
        both = zip(late(z, t, clips), velocity(z, t, clips), t.amax(dim=1) < switch, strict=True)
        return torch.stack([other if is_late else own for other, own, is_late in both])

    found = reverse(ByStep(velocity, late, first_late), **given, order=order)
    torch.testing.assert_close(found, reverse(by_time, **given, order=order), atol=1e-6, rtol=1e-5)
    if first_late == 4:
        assert torch.equal(found, reverse(velocity, **given, order=order))


def test_a_wavefront_takes_one_batch_per_diagonal():
    sizes: list[int] = []

    def counted(z: Tensor, t: Tensor, clips: list[int]) -> Tensor:
        assert len(z) == len(t) == len(clips)
        sizes.append(len(clips))
        return velocity(z, t, clips)

    reverse(counted, **case(3, 4, 4), order="wavefront")
    assert sizes == [1, 2, 3, 3, 2, 1]


@pytest.mark.parametrize("order", ["clips", "steps", "wavefront"])
def test_what_the_model_sees(order):
    """z_R first and clean; the motion frame of a later clip is one step ahead of the frames after it."""
    given = case(3, 4, 4, shift=3.0)
    times = given["times"].tolist()
    seen: set[tuple[int, tuple[float, ...]]] = set()

    def watching(z: Tensor, t: Tensor, clips: list[int]) -> Tensor:
        assert torch.equal(z[:, :, :1], given["reference"].expand(len(z), -1, -1, -1, -1))
        seen.update((clip, tuple(row)) for clip, row in zip(clips, t.tolist(), strict=True))
        return velocity(z, t, clips)

    reverse(watching, **given, order=order)
    assert seen == {
        (clip, (0.0, now if clip == 0 else after, now, now))
        for clip in range(3)
        for now, after in itertools.pairwise(times)
    }


@pytest.mark.parametrize("order", ["clips", "steps", "wavefront"])
def test_a_constant_velocity_ends_at_its_data(order):
    """With v = (z - z_0) / t, exact for straight paths, every latent but z_R lands on z_0."""
    given = case(3, 5, 4)
    data = torch.randn(given["noise"].shape, generator=torch.Generator().manual_seed(9))

    def straight(z: Tensor, t: Tensor, clips: list[int]) -> Tensor:
        target = torch.cat([data[:, :, 3 * clip : 3 * clip + 4] for clip in clips])
        time = t[:, None, 1:, None, None].clamp_min(1e-6)
        return torch.cat([torch.full_like(z[:, :, :1], 1e6), (z[:, :, 1:] - target) / time], dim=2)

    torch.testing.assert_close(reverse(straight, **given, order=order), data, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("clips", [1, 2, 5])
def test_streaming_hands_on_the_same_latents_clip_by_clip(clips):
    given = case(clips, 5, 3)
    parts = list(reverse_stream(velocity, **given, clips=clips))
    assert [part.shape[2] for part in parts] == [4] + [3] * (clips - 1)
    assert torch.equal(torch.cat(parts, dim=2), reverse(velocity, **given, order="clips"))


def test_a_longer_recording_starts_with_the_latents_of_a_shorter_one():
    shorter, longer = (reverse(velocity, **case(clips, 5, 4)) for clips in (2, 5))
    assert torch.equal(longer[:, :, : shorter.shape[2]], shorter)


def test_streaming_asks_for_the_noise_of_one_clip_at_a_time():
    given = case(4, 5, 3)
    whole = given.pop("noise")
    asked: list[tuple[int, int]] = []
    seen: list[int] = []

    def noise(start: int, stop: int) -> Tensor:
        asked.append((start, stop))
        return whole[:, :, start:stop]

    parts = []
    for part in reverse_stream(velocity, noise, **given, clips=4):
        parts.append(part)
        seen.append(len(asked))
    assert asked == [(0, 4), (4, 7), (7, 10), (10, 13)]
    assert seen == [1, 2, 3, 4]
    assert torch.equal(torch.cat(parts, dim=2), reverse(velocity, whole, **given))


@pytest.mark.parametrize("order", ["clips", "steps", "wavefront"])
def test_noise_may_be_a_function_when_the_clips_are_given(order):
    given = case(3, 5, 3)
    expected = reverse(velocity, **given, order=order)
    given["noise"] = LatentNoise(4, CHANNELS, HEIGHT, WIDTH)
    assert torch.equal(reverse(velocity, **given, order=order, clips=3), expected)


@pytest.mark.parametrize("order", ["clips", "steps", "wavefront"])
def test_inputs_are_left_untouched(order):
    given = case(3, 5, 3)
    copies = {name: value.clone() for name, value in given.items() if isinstance(value, Tensor)}
    reverse(velocity, **given, order=order)
    assert all(torch.equal(given[name], value) for name, value in copies.items())


@pytest.mark.parametrize("order", ["clips", "steps", "wavefront"])
def test_progress_counts_cells_and_hands_over_each_clip_that_is_finished(order):
    given = case(3, 5, 4)
    reports: list[tuple[int, int, Tensor | None]] = []
    result = reverse(velocity, **given, order=order, on_step=lambda *report: reports.append(report))
    done, totals, handed = zip(*reports, strict=True)
    assert list(done) == sorted(set(done))
    assert done[-1] == 12
    assert set(totals) == {12}
    finished = [latents for latents in handed if latents is not None]
    assert len(finished) == 3
    for clip, latents in enumerate(finished):
        assert torch.equal(latents, result[:, :, 3 * clip : 3 * clip + 4])


class InterruptedByUserError(Exception):
    pass


@pytest.mark.parametrize("order", ["clips", "steps", "wavefront"])
def test_an_exception_from_the_callback_stops_the_work_at_once(order):
    calls: list[list[int]] = []

    def counted(z: Tensor, t: Tensor, clips: list[int]) -> Tensor:
        calls.append(clips)
        return velocity(z, t, clips)

    def interrupt(done: int, total: int, finished: Tensor | None) -> None:
        if len(calls) == 3:
            raise InterruptedByUserError

    with pytest.raises(InterruptedByUserError):
        reverse(counted, **case(3, 4, 4), order=order, on_step=interrupt)
    assert len(calls) == 3


def test_an_exception_stops_a_stream_after_the_clips_that_are_finished():
    def interrupt(done: int, total: int, finished: Tensor | None) -> None:
        if done == 7:
            raise InterruptedByUserError

    stream = reverse_stream(velocity, **case(3, 4, 4), clips=3, on_step=interrupt)
    assert next(stream).shape[2] == 3
    with pytest.raises(InterruptedByUserError):
        next(stream)


def test_no_gradient_is_recorded():
    weight = torch.ones(1, requires_grad=True)

    def weighted(z: Tensor, t: Tensor, clips: list[int]) -> Tensor:
        return weight * velocity(z, t, clips)

    given = case(2, 4, 2)
    assert not reverse(weighted, **given).requires_grad
    assert not any(part.requires_grad for part in reverse_stream(weighted, **given, clips=2))
    assert torch.is_grad_enabled()


def test_half_precision_inputs_are_stepped_in_float32():
    given = case(2, 4, 3)
    halves = {**given, "noise": given["noise"].bfloat16(), "reference": given["reference"].bfloat16()}
    as_float = {**given, "noise": halves["noise"].float(), "reference": halves["reference"].float()}
    result = reverse(velocity, **halves)
    assert result.dtype == torch.float32
    assert torch.equal(result, reverse(velocity, **as_float))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"order": "diagonal"}, "order"),
        ({"window": 2}, "window"),
        ({"noise": torch.zeros(1, CHANNELS, 8, HEIGHT, WIDTH)}, "whole clips"),
        ({"noise": torch.zeros(1, CHANNELS + 1, 7, HEIGHT, WIDTH)}, "noise"),
        ({"noise": torch.zeros(7)}, "noise"),
        ({"noise": LatentNoise(0, CHANNELS, HEIGHT, WIDTH)}, "pass clips"),
        ({"clips": 5}, "clips"),
        ({"reference": torch.zeros(1, CHANNELS, HEIGHT, WIDTH)}, "reference"),
        ({"times": torch.tensor([0.0])}, "times"),
        ({"times": torch.tensor([1.0, 0.5])}, "times"),
        ({"times": torch.tensor([1.0, 0.2, 0.4, 0.0])}, "times"),
    ],
)
def test_arguments_that_do_not_fit_are_refused(change, message):
    with pytest.raises(InputError, match=message):
        reverse(velocity, **{**case(2, 5, 3), **change})


def test_a_stream_is_refused_when_called_not_when_read():
    given = case(2, 5, 3)
    with pytest.raises(InputError, match="clips"):
        reverse_stream(velocity, **given, clips=3)
    given["noise"] = LatentNoise(0, CHANNELS, HEIGHT, WIDTH)
    with pytest.raises(InputError, match="clips"):
        reverse_stream(velocity, **given, clips=0)
