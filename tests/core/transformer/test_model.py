"""A2V-DiT against diffusers' LTX-Video transformer, and what its audio branch may and may not see."""

from __future__ import annotations

import pytest
import torch
from diffusers import LTXVideoTransformer3DModel

from read_core.transformer import TINY, A2VTransformer3DModel

BATCH, FRAMES, HEIGHT, WIDTH, TOKENS = 2, 4, 2, 3, 5


@pytest.fixture
def model() -> A2VTransformer3DModel:
    torch.manual_seed(0)
    return A2VTransformer3DModel(**TINY).eval()


@pytest.fixture
def hearing(model):
    """A model whose audio branch has non-zero weights."""
    for block in model.transformer_blocks:
        torch.nn.init.normal_(block.audio_attn.to_out[0].weight, std=0.2)
    return model


@pytest.fixture
def inputs():
    torch.manual_seed(1)
    return {
        "latents": torch.randn(BATCH, TINY["in_channels"], FRAMES, HEIGHT, WIDTH),
        "timestep": torch.tensor([[0.0, 0.3, 0.7, 0.7], [0.0, 0.95, 0.95, 1.0]]),
    }


@pytest.fixture
def codes():
    torch.manual_seed(2)
    return torch.randn(BATCH, FRAMES - 1, TINY["speech_slots"], TINY["speech_dim"])


@pytest.fixture
def embedding():
    torch.manual_seed(3)
    return torch.randn(BATCH, TOKENS, TINY["caption_channels"])


def ltx_of(model: A2VTransformer3DModel) -> LTXVideoTransformer3DModel:
    """diffusers' own model with the same weights."""
    config = model.config
    oracle = LTXVideoTransformer3DModel(
        in_channels=config.in_channels,
        out_channels=config.out_channels,
        num_attention_heads=config.num_attention_heads,
        attention_head_dim=config.attention_head_dim,
        cross_attention_dim=config.num_attention_heads * config.attention_head_dim,
        num_layers=config.num_layers,
        caption_channels=config.caption_channels,
    )
    oracle.load_state_dict(
        {k: v for k, v in model.state_dict().items() if "audio_" not in k and "null_" not in k}
    )
    return oracle.eval()


def ltx_coordinates(continuation: bool, causal: bool) -> torch.Tensor:
    """(1, 3, N) in seconds and pixels, written out token by token."""
    first = [0, 2, 3, 4] if continuation else [0, 1, 2, 3]
    start = [max(0, 8 * i - 7) / 25 if causal else 8 * i / 25 for i in first]
    points = [(t, 32 * row, 32 * column) for t in start for row in range(HEIGHT) for column in range(WIDTH)]
    return torch.tensor(points, dtype=torch.float32).T[None]


def run_ltx(oracle, inputs, embedding, mask, **position) -> torch.Tensor:
    tokens = inputs["latents"].flatten(2).transpose(1, 2)
    per_token = inputs["timestep"].repeat_interleave(HEIGHT * WIDTH, dim=1) * 1000
    out = oracle(
        hidden_states=tokens,
        encoder_hidden_states=embedding,
        timestep=per_token,
        encoder_attention_mask=mask,
        return_dict=False,
        **position,
    )[0]
    return out.transpose(1, 2).unflatten(2, (FRAMES, HEIGHT, WIDTH))


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("continuation", [False, True])
@pytest.mark.parametrize("causal", [False, True])
@torch.no_grad()
def test_equals_ltx_while_the_audio_branch_is_at_its_start(
    inputs, codes, embedding, causal, continuation, masked
):
    torch.manual_seed(0)
    model = A2VTransformer3DModel(**{**TINY, "causal_coords": causal}).eval()
    mask = torch.ones(BATCH, TOKENS, dtype=torch.long)
    if masked:
        mask[0, 2:] = 0
        mask[1, :1] = 0
    coordinates = ltx_coordinates(continuation, causal).repeat(BATCH, 1, 1)
    expected = run_ltx(ltx_of(model), inputs, embedding, mask, video_coords=coordinates)
    actual = model(
        **inputs,
        speech=model.project_speech(codes),
        text=model.project_text(embedding, mask if masked else None),
        continuation=torch.full((BATCH,), continuation),
    )
    torch.testing.assert_close(actual, expected, atol=1e-5, rtol=1e-5)
