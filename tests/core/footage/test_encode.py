"""Encoding span by span is encoding all at once, where the context reaches far enough."""

from __future__ import annotations

import pytest
import torch
from diffusers import AutoencoderKLLTXVideo

from read_core.errors import InputError
from read_core.footage.encode import SpanEncoder, receptive_latents, seam_db
from read_core.video import AlignedAutoencoder, TemporalVAE

SMALL = {"latent_channels": 4, "layers_per_block": (1, 0, 0, 0, 0), "decoder_layers_per_block": (0, 0, 0, 0)}
EARLIER = {
    **SMALL,
    "block_out_channels": (8, 8, 8, 8),
    "decoder_block_out_channels": (8, 8, 8),
    "decoder_spatio_temporal_scaling": (True, True, True),
    "decoder_inject_noise": (False, False, False, False),
    "upsample_residual": (True, True, True),
    "upsample_factor": (1, 1, 1),
}
LATER = EARLIER | {
    "block_out_channels": (8, 16, 32, 64, 128),
    "down_block_types": ("LTXVideo095DownBlock3D",) * 4,
    "spatio_temporal_scaling": (True, True, True, True),
    "downsample_type": ("spatial", "temporal", "spatiotemporal", "spatiotemporal"),
    "spatial_compression_ratio": 32,
    "temporal_compression_ratio": 8,
}
INNER = EARLIER | {
    "block_out_channels": (8, 8, 8),
    "down_block_types": ("LTXVideoDownBlock3D",) * 3,
    "layers_per_block": (1, 0, 0, 0),
    "spatio_temporal_scaling": (True, True, False),
    "decoder_block_out_channels": (8, 8),
    "decoder_layers_per_block": (0, 0, 0),
    "decoder_spatio_temporal_scaling": (True, True),
    "decoder_inject_noise": (False, False, False),
    "upsample_residual": (False, False),
    "upsample_factor": (1, 1),
}


def autoencoder(kind):
    torch.manual_seed(0)
    if kind == "aligned":
        aligned = AlignedAutoencoder(INNER, (1, 1), 4)
        torch.nn.init.normal_(aligned.down.weight)
        return aligned
    return AutoencoderKLLTXVideo(**{"earlier": EARLIER, "later": LATER}[kind])


@pytest.fixture(params=["earlier", "later", "aligned"])
def vae(request):
    return TemporalVAE(autoencoder(request.param).double().eval())


def video(latents):
    return torch.rand(8 * (latents - 1) + 1, 32, 32, 3, generator=torch.Generator().manual_seed(1)).double()


def encoded(vae, frames, span, context, parts=7):
    encoder = SpanEncoder(vae, span, context)
    for part in torch.split(frames, parts):
        encoder.write(part)
    return encoder.finish()


def test_spans_are_exact_once_the_context_covers_what_the_encoder_sees(vae):
    needed = receptive_latents(vae.vae)
    frames = video(needed + 5)
    whole = vae.encode(frames[None])[0]
    torch.testing.assert_close(encoded(vae, frames, 2, needed), whole, rtol=0, atol=1e-6)
    assert seam_db(vae, frames, 2, needed) > 120
    short = encoded(vae, frames, 2, 1)
    assert (short - whole).abs().max() > 1e-4  # the bound is not for nothing
    assert torch.equal(short[:, :2], encoded(vae, frames, 2, needed)[:, :2])


def test_the_bound_holds_what_the_encoder_really_sees(vae):
    """A frame before it changes nothing; one not far inside does."""
    needed = receptive_latents(vae.vae)
    frames = video(needed + 3)
    before, inside = frames.clone(), frames.clone()
    before[8 * 1] += 1
    inside[-9] += 1
    last = vae.encode(frames[None])[0, :, -1]
    assert torch.equal(vae.encode(before[None])[0, :, -1], last)
    assert not torch.equal(vae.encode(inside[None])[0, :, -1], last)


def test_more_context_comes_nearer(vae):
    frames = video(9)
    assert seam_db(vae, frames, 3, 3) > seam_db(vae, frames, 3, 1)


def test_frames_that_fill_no_latent_are_refused(vae):
    encoder = SpanEncoder(vae, 2, 1)
    encoder.write(video(2)[:8])
    with pytest.raises(InputError, match="8 frames; expected 8 n \\+ 1"):
        encoder.finish()
