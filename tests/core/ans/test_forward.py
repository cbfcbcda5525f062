from __future__ import annotations

import pytest
import torch

from read_core.ans import add_noise, draw_times, velocity_target


def sample(dtype: torch.dtype = torch.float32) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    z0, noise = (torch.randn(3, 2, 5, 4, 6, generator=generator).to(dtype) for _ in range(2))
    return z0, noise, draw_times(3, 4, generator=generator, continuation=torch.tensor([True, True, False]))


def test_every_frame_gets_noise_of_its_own_time():
    z0, noise, t = sample()
    z_t = add_noise(z0, noise, t)
    for item in range(3):
        for frame in range(5):
            time = t[item, frame].item()
            expected = (1 - time) * z0[item, :, frame] + time * noise[item, :, frame]
            torch.testing.assert_close(z_t[item, :, frame], expected)


def test_the_reference_frame_stays_exact_and_time_one_is_noise():
    z0, noise, t = sample()
    assert torch.equal(add_noise(z0, noise, t)[:, :, 0], z0[:, :, 0])
    assert torch.equal(add_noise(z0, noise, torch.ones_like(t)), noise)


def test_the_velocity_leads_back_to_the_data():
    z0, noise, t = sample()
    recovered = add_noise(z0, noise, t) - t[:, None, :, None, None] * velocity_target(z0, noise)
    torch.testing.assert_close(recovered, z0)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_mixed_in_float32(dtype):
    z0, noise, t = sample(dtype)
    z_t = add_noise(z0, noise, t)
    assert z_t.dtype == dtype
    assert torch.equal(z_t, add_noise(z0.float(), noise.float(), t).to(dtype))
