"""The temporal VAE adapter: normalization, frame counts, chunked against whole decoding."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from diffusers import AutoencoderKLLTXVideo

from read_core.errors import InputError
from read_core.video import DecodeSettings, TemporalVAE
from read_core.video.configs import TINY

LATENTS = 33
WIDE = 13  # covers the receptive field of the decoders below


def tiny_vae(**config) -> AutoencoderKLLTXVideo:
    torch.manual_seed(0)
    vae = AutoencoderKLLTXVideo(**{**TINY, "timestep_conditioning": False, **config}).eval()
    vae.latents_mean.uniform_(-1, 1)
    vae.latents_std.uniform_(0.5, 2)
    return vae


def video_latents(length: int = LATENTS, seed: int = 1) -> torch.Tensor:
    return torch.randn(1, 8, length, 1, 2, generator=torch.Generator().manual_seed(seed))


def psnr(a: torch.Tensor, b: torch.Tensor) -> float:
    return float(-10 * (a - b).square().mean().log10())


def decode_whole(vae: AutoencoderKLLTXVideo, latents: torch.Tensor) -> torch.Tensor:
    """diffusers' own decoding, with the normalization of its LTX pipelines."""
    mean, std = vae.latents_mean.view(1, -1, 1, 1, 1), vae.latents_std.view(1, -1, 1, 1, 1)
    z = latents * std / vae.config.scaling_factor + mean
    with torch.no_grad():
        pixels = vae.decode(z, None).sample
    return (pixels * 0.5 + 0.5).clamp(0, 1).permute(0, 2, 3, 4, 1)


def test_encode_is_the_normalized_posterior_mode():
    vae = tiny_vae(scaling_factor=0.7)
    frames = torch.rand(2, 17, 32, 64, 3)
    with torch.no_grad():
        mode = vae.encode(frames.permute(0, 4, 1, 2, 3) * 2 - 1).latent_dist.mode()
    expected = (mode - vae.latents_mean.view(1, -1, 1, 1, 1)) * 0.7 / vae.latents_std.view(1, -1, 1, 1, 1)
    latents = TemporalVAE(vae).encode(frames)
    assert latents.shape == (2, 8, 3, 1, 2)
    torch.testing.assert_close(latents, expected)


def test_denormalize_inverts_normalize():
    adapter = TemporalVAE(tiny_vae(scaling_factor=0.7))
    latents = video_latents()
    torch.testing.assert_close(adapter.normalize(adapter.denormalize(latents)), latents)


@pytest.mark.parametrize("chunk", [1, 4, 8])
def test_chunked_decoding_is_exact_when_the_halo_covers_the_receptive_field(chunk):
    vae = tiny_vae()
    chunked = TemporalVAE(vae, DecodeSettings(halo=WIDE, chunk=chunk)).decode(video_latents())
    whole = decode_whole(vae, video_latents())
    assert chunked.shape == whole.shape == (1, 8 * (LATENTS - 1) + 1, 32, 64, 3)
    torch.testing.assert_close(chunked, whole, atol=1e-5, rtol=0)


def test_causal_decoders_need_no_halo():
    """Nothing of what came before a chunk is lost."""
    vae = tiny_vae(decoder_causal=True)
    chunked = TemporalVAE(vae, DecodeSettings(halo=1, chunk=5)).decode(video_latents())
    torch.testing.assert_close(chunked, decode_whole(vae, video_latents()), atol=1e-5, rtol=0)


@pytest.mark.parametrize("chunk", [2, 8])
def test_a_short_halo_stays_above_45_db(chunk):
    vae = tiny_vae()
    chunked = TemporalVAE(vae, DecodeSettings(halo=5, chunk=chunk)).decode(video_latents())
    assert psnr(chunked, decode_whole(vae, video_latents())) >= 45


def test_a_halo_of_one_keeps_every_frame_in_its_place():
    vae = tiny_vae()
    whole = decode_whole(vae, video_latents())
    chunked = TemporalVAE(vae, DecodeSettings(halo=1, chunk=3)).decode(video_latents())
    aligned = psnr(chunked[:, 1:-1], whole[:, 1:-1])
    assert aligned > psnr(chunked[:, :-2], whole[:, 1:-1]) + 6
    assert aligned > psnr(chunked[:, 2:], whole[:, 1:-1]) + 6


def test_a_frame_depends_on_the_halo_and_on_nothing_behind_it():
    adapter = TemporalVAE(tiny_vae(), DecodeSettings(halo=2, chunk=4))
    latents = video_latents()
    first = adapter.decode(latents)[:, :25]  # latents 0 to 3
    latents[:, :, 6:] += 1
    assert torch.equal(adapter.decode(latents)[:, :25], first)
    latents[:, :, 5] += 1
    assert not torch.equal(adapter.decode(latents)[:, 24], first[:, 24])


def test_rounded_decoding_stays_near_and_is_for_float32_on_fast_processors(monkeypatch):
    vae, latents = tiny_vae(), video_latents()
    exact = TemporalVAE(vae).decode(latents)
    for fast in (True, False):
        monkeypatch.setattr("read_core.video.vae.bfloat16_is_fast", lambda fast=fast: fast)
        rounded = TemporalVAE(vae, rounded=True).decode(latents)
        assert torch.equal(rounded, exact) != fast
        assert psnr(rounded, exact) > 40
    monkeypatch.undo()
    vae = vae.double()
    assert torch.equal(TemporalVAE(vae, rounded=True).decode(latents), TemporalVAE(vae).decode(latents))


@pytest.mark.parametrize("conditioned", [False, True])
@pytest.mark.parametrize("parts", [[16, 14, 3], [1] * LATENTS, [LATENTS], [2, 0, 31]])
def test_streaming_equals_decoding_bit_for_bit(parts, conditioned):
    inject = (False, True, False, True) if conditioned else (False,) * 4
    vae = tiny_vae(timestep_conditioning=conditioned, decoder_inject_noise=inject)
    if conditioned:
        for name, parameter in vae.decoder.named_parameters():
            if "per_channel_scale" in name:
                parameter.data.fill_(0.1)
    adapter = TemporalVAE(vae, DecodeSettings(halo=2, chunk=4))
    latents = video_latents()
    streamed = list(adapter.decode_stream(iter(latents.split(parts, dim=2)), seed=5))
    assert torch.equal(torch.cat(streamed, dim=1), adapter.decode(latents, seed=5))


@pytest.mark.parametrize("conditioned", [False, True])
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("spans", [[0, 8, 16, 24, 33], [0, 24, 32, 33]])
def test_spans_of_a_video_make_its_frames(spans, causal, conditioned):
    vae = tiny_vae(decoder_causal=causal, timestep_conditioning=conditioned)
    adapter = TemporalVAE(vae, DecodeSettings(halo=3, chunk=8))
    whole = adapter.decode(video_latents(), seed=5)
    parts = [
        torch.cat(list(adapter.decode_span(video_latents(), *span, seed=5)), dim=1)
        for span in pairwise(spans)
    ]
    assert torch.equal(parts[0], whole[:, : parts[0].shape[1]])
    found = torch.cat(parts, dim=1)
    assert found.shape == whole.shape
    assert psnr(found, whole) > (40 if causal else 80)  # with random weights, causal layers see far back


def test_the_stream_holds_back_no_more_than_the_halo():
    adapter = TemporalVAE(tiny_vae(), DecodeSettings(halo=2, chunk=4))
    taken = 0

    def source():
        nonlocal taken
        for latent in video_latents().split(1, dim=2):
            taken += 1
            yield latent

    stream = adapter.decode_stream(source())
    assert next(stream).shape[1] == 25
    assert taken == 6
    assert next(stream).shape[1] == 32
    assert taken == 10


def test_conditioned_chunks_agree_with_whole_and_depend_on_the_seed_alone():
    vae = tiny_vae(timestep_conditioning=True, decoder_inject_noise=(True, True, False, False))
    for name, parameter in vae.decoder.named_parameters():
        if "per_channel_scale" in name:
            parameter.data.fill_(0.1)
    noisy = {"timestep": 0.1, "noise_scale": 0.3}
    whole = TemporalVAE(vae, DecodeSettings(halo=1, chunk=LATENTS, **noisy))
    chunked = TemporalVAE(vae, DecodeSettings(halo=WIDE, chunk=4, **noisy))
    latents = video_latents()
    torch.manual_seed(1)
    first = chunked.decode(latents, seed=3)
    state = torch.get_rng_state()
    torch.manual_seed(2)
    assert torch.equal(first, chunked.decode(latents, seed=3))
    torch.testing.assert_close(first, whole.decode(latents, seed=3), atol=1e-5, rtol=0)
    assert psnr(first, chunked.decode(latents, seed=4)) < 60
    torch.manual_seed(1)
    assert torch.equal(state, torch.get_rng_state())  # the global generator is left alone


@pytest.mark.parametrize(("level", "blocks"), [("block_level", 1), ("leaf_level", None)])
def test_group_offloading(level, blocks, tmp_path):
    """Between calls the weights are on the disk alone, so it shows on a CPU whether a call brings them."""
    vae = tiny_vae(timestep_conditioning=True, decoder_inject_noise=(True, False, False, True))
    adapter = TemporalVAE(vae)
    frames = torch.rand(1, 9, 32, 32, 3)
    encoded, decoded = adapter.encode(frames), adapter.decode(video_latents(3))
    cpu = torch.device("cpu")
    vae.enable_group_offload(cpu, cpu, level, num_blocks_per_group=blocks, offload_to_disk_path=str(tmp_path))
    for use, given, expected in (
        (adapter.encode, frames, encoded),
        (adapter.decode, video_latents(3), decoded),
    ):
        for tensor in (*vae.parameters(), *vae.buffers()):
            tensor.data.fill_(float("nan"))
        torch.testing.assert_close(use(given), expected)


def test_plain_decoders_ignore_the_seed():
    adapter = TemporalVAE(tiny_vae())
    assert torch.equal(adapter.decode(video_latents(3), seed=0), adapter.decode(video_latents(3), seed=1))


def test_num_frames_cuts_the_end_off():
    adapter = TemporalVAE(tiny_vae(), DecodeSettings(halo=2, chunk=4))
    latents = video_latents()
    assert torch.equal(adapter.decode(latents, num_frames=60), adapter.decode(latents)[:, :60])


def test_one_latent_is_one_frame():
    assert TemporalVAE(tiny_vae()).decode(video_latents(1)).shape == (1, 1, 32, 64, 3)


@pytest.mark.parametrize("shape", [(1, 8, 32, 32, 3), (1, 9, 40, 32, 3), (1, 9, 32, 32, 4), (9, 32, 32, 3)])
def test_frames_of_a_wrong_shape_are_refused(shape):
    with pytest.raises(InputError):
        TemporalVAE(tiny_vae()).encode(torch.zeros(shape))


def test_a_vae_of_another_compression_is_refused():
    with pytest.raises(InputError, match="expected 8 x 32"):
        TemporalVAE(tiny_vae(temporal_compression_ratio=4))


@pytest.mark.parametrize("bad", [{"halo": 0}, {"chunk": 0}, {"timestep": 2.0}, {"noise_scale": -0.1}])
def test_settings_out_of_range_are_refused(bad):
    with pytest.raises(InputError):
        DecodeSettings(**bad)


def test_half_precision_does_not_round_the_statistics():
    vae = tiny_vae()
    vae.latents_mean.uniform_(200, 201)
    exact = vae.latents_mean.view(1, -1, 1, 1, 1).clone()
    adapter = TemporalVAE(vae)
    vae.half()
    assert torch.equal(adapter.denormalize(torch.zeros(1, 8, 1, 1, 1)), exact)
