"""The halo of decoding in chunks: exact where it covers what the decoder sees, and chosen by release."""

import measure_halo
import pytest
import torch
from diffusers import AutoencoderKLLTXVideo

from read_core.video import DecodeSettings, TemporalVAE
from read_core.weights.ltx_vae import HALOS, RELEASES, halo_of

from .test_vae import tiny_vae


@pytest.fixture(params=[False, True], ids=["not causal", "causal"])
def vae(request):
    return tiny_vae(decoder_causal=request.param).double()


def test_the_exact_halo_is_what_the_decoder_sees(vae):
    """A change further off changes nothing, on either side; one within changes something."""
    halo = measure_halo.exact_halo(vae)
    z = torch.randn(1, 8, 2 * halo + 4, 1, 1, dtype=torch.float64)
    at = halo + 2
    frames = slice(8 * at - 7, 8 * at + 1)

    def shown(changed):
        other = z.clone()
        other[:, :, changed] += 1
        with torch.no_grad():
            return vae.decode(other, None).sample[:, :, frames]

    same = shown([])
    assert torch.equal(shown([at - halo - 1, at + halo + 1]), same)
    assert not torch.equal(shown([at - halo + 2]), same)


def test_a_larger_halo_keeps_more(vae):
    """A causal decoder needs none: what lies before a chunk is known."""
    z = measure_halo.latents(vae, smooth=True).double()
    one, three, exact = measure_halo.decibels(vae, z, (1, 3, measure_halo.exact_halo(vae)))
    assert one < three < exact or vae.config.decoder_causal
    assert (one if vae.config.decoder_causal else exact) > 100


@pytest.mark.parametrize("release", RELEASES)
@pytest.mark.parametrize("narrow", [1, 16])
def test_a_release_has_its_halo_at_any_width(release, narrow):
    config = {**measure_halo.FIRST, **RELEASES[release]}
    widths = {name: [n // narrow for n in config[name]] for name in measure_halo.FIRST}
    with torch.device("meta"):
        assert halo_of(AutoencoderKLLTXVideo.from_config({**config, **widths})) == HALOS[release]


def test_another_decoder_has_the_default():
    assert halo_of(tiny_vae()) == DecodeSettings().halo == TemporalVAE(tiny_vae()).settings.halo
