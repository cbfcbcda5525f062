"""A2V-DiT against diffusers' LTX-Video transformer, and what its audio branch may and may not see."""

from __future__ import annotations

import pytest
import torch
from diffusers import LTXVideoTransformer3DModel
from diffusers.models.attention_dispatch import attention_backend

from read_core.errors import InputError
from read_core.transformer import TINY, A2VTransformer3DModel, KeyValues
from read_core.transformer.attention import Attention
from read_core.transformer.rope import RotaryEmbedding

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
    return torch.randn(BATCH, FRAMES - 1, TINY["code_slots"], TINY["code_dim"])


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


@torch.no_grad()
def test_equals_ltx_given_a_scale_instead_of_coordinates(inputs, codes, embedding):
    """The way of the pipelines for LTX-Video up to 0.9.1."""
    torch.manual_seed(0)
    model = A2VTransformer3DModel(**{**TINY, "causal_coords": False}).eval()
    mask = torch.ones(BATCH, TOKENS)
    grid = {"num_frames": FRAMES, "height": HEIGHT, "width": WIDTH}
    scale = (8 / 25, 32, 32)
    expected = run_ltx(ltx_of(model), inputs, embedding, mask, rope_interpolation_scale=scale, **grid)
    actual = model(**inputs, speech=model.project_speech(codes), text=model.project_text(embedding))
    torch.testing.assert_close(actual, expected, atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_continuation_is_per_item(hearing, inputs, codes, embedding):
    speech, text = hearing.project_speech(codes), hearing.project_text(embedding)
    first = hearing(**inputs, speech=speech, text=text)
    later = hearing(**inputs, speech=speech, text=text, continuation=torch.tensor([True, True]))
    mixed = hearing(**inputs, speech=speech, text=text, continuation=torch.tensor([False, True]))
    assert not torch.allclose(first, later, atol=1e-3)
    torch.testing.assert_close(mixed, torch.stack([first[0], later[1]]))


def test_frames_hear_their_own_code_only(hearing, inputs, codes, embedding):
    """Eq. 10 is frame-level; z_R's frame hears the null code."""
    heard = []
    handle = hearing.transformer_blocks[0].audio_attn.register_forward_hook(lambda *c: heard.append(c[2]))
    codes.requires_grad_()
    hearing(**inputs, speech=hearing.project_speech(codes), text=hearing.project_text(embedding))
    handle.remove()
    audio = heard[0].unflatten(0, (BATCH, FRAMES))
    for frame in range(FRAMES):
        (grad,) = torch.autograd.grad(audio[:, frame].square().sum(), codes, retain_graph=True)
        reaches = grad.abs().amax(dim=(0, 2, 3)) > 0
        assert reaches.tolist() == [code + 1 == frame for code in range(FRAMES - 1)]


def test_contexts_give_what_projected_conditions_give(hearing, inputs, codes, embedding):
    """And the same gradients, though each block projects its own keys and values."""
    mask, hears = torch.tensor([[1, 1, 0, 0, 0], [1, 1, 1, 1, 1]]), torch.tensor([True, False])
    mask = mask[:, : embedding.shape[1]]
    made = []
    for kind in ("project", "context"):
        hearing.zero_grad()
        if kind == "project":
            given = hearing.project_speech(codes, hears), hearing.project_text(embedding, mask)
        else:
            given = hearing.speech_context(codes, hears), hearing.text_context(embedding, mask)
        velocity = hearing(**inputs, speech=given[0], text=given[1])
        velocity.square().sum().backward()
        made.append([velocity.detach(), *(p.grad for p in hearing.parameters() if p.grad is not None)])
    for one, other in zip(*made, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


@torch.no_grad()
def test_codes_change_the_velocity(hearing, inputs, codes, embedding):
    text = hearing.project_text(embedding)
    heard = hearing(**inputs, speech=hearing.project_speech(codes), text=text)
    other = hearing(**inputs, speech=hearing.project_speech(codes.flip(1)), text=text)
    assert (heard - other).abs().max() > 1e-2


@torch.no_grad()
def test_keys_and_values_serve_several_times(hearing, inputs, codes, embedding):
    speech, text = hearing.project_speech(codes), hearing.project_text(embedding)
    kept = [hearing(inputs["latents"], inputs["timestep"] * scale, speech, text) for scale in (1.0, 0.5)]
    for scale, actual in zip((1.0, 0.5), kept, strict=True):
        fresh = hearing.project_speech(codes), hearing.project_text(embedding)
        torch.testing.assert_close(actual, hearing(inputs["latents"], inputs["timestep"] * scale, *fresh))


@torch.no_grad()
def test_branches_in_one_batch_equal_branches_one_by_one(hearing, inputs, codes, embedding):
    mask = torch.tensor([[1, 1, 0, 0, 0], [1, 1, 1, 1, 1]])
    text = hearing.project_text(embedding, mask)
    spoken = hearing.project_speech(codes)
    silent = KeyValues.cat([hearing.project_null_speech(FRAMES)] * BATCH)
    branches = [(silent, False), (silent, True), (spoken, True)]
    single = [
        hearing(**inputs, speech=speech, text=text, reference_mask=torch.full((BATCH,), reference))
        for speech, reference in branches
    ]
    together = hearing(
        inputs["latents"].repeat(3, 1, 1, 1, 1),
        inputs["timestep"].repeat(3, 1),
        speech=KeyValues.cat([speech for speech, _ in branches]),
        text=KeyValues.cat([text] * 3),
        reference_mask=torch.tensor([reference for _, reference in branches]).repeat_interleave(BATCH),
    )
    torch.testing.assert_close(together, torch.cat(single), atol=1e-5, rtol=1e-5)
    for i in range(BATCH):
        item = slice(i, i + 1)
        alone = hearing(
            inputs["latents"][item],
            inputs["timestep"][item],
            hearing.project_speech(codes[item]),
            hearing.project_text(embedding[item], mask[item]),
        )
        torch.testing.assert_close(alone[0], single[2][i], atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_a_batch_of_one_serves_all_items(hearing, inputs, embedding):
    text, silent = hearing.project_text(embedding[:1]), hearing.project_null_speech(FRAMES)
    shared = hearing(**inputs, speech=silent, text=text)
    copied = hearing(**inputs, speech=KeyValues.cat([silent] * BATCH), text=KeyValues.cat([text] * BATCH))
    torch.testing.assert_close(shared, copied)


@torch.no_grad()
def test_cat_of_masked_and_unmasked_text(hearing, inputs, codes, embedding):
    speech = hearing.project_speech(codes)
    masked = hearing.project_text(embedding[:1], torch.tensor([[1, 0, 0, 1, 0]]))
    whole = hearing.project_text(embedding[1:])
    actual = hearing(**inputs, speech=speech, text=KeyValues.cat([masked, whole]))
    both = hearing.project_text(embedding, torch.tensor([[1, 0, 0, 1, 0], [1, 1, 1, 1, 1]]))
    torch.testing.assert_close(actual, hearing(**inputs, speech=speech, text=both))


@torch.no_grad()
def test_null_speech(hearing, codes):
    null = hearing.project_null_speech(FRAMES)
    mixed = hearing.project_speech(codes, torch.tensor([False, True]))
    spoken = hearing.project_speech(codes)
    for layer in range(TINY["num_layers"]):
        layers = (projected.layer(layer) for projected in (null, mixed, spoken))
        for silent, some, every in zip(*layers, strict=True):
            torch.testing.assert_close(some[0], silent[0])
            torch.testing.assert_close(some[1], every[1])
            torch.testing.assert_close(every[:, 0], silent[:, 0].expand(BATCH, -1, -1, -1))
            assert not torch.allclose(every[:, 1:], silent[:, 1:])


@torch.no_grad()
def test_null_reference_hides_the_portrait(hearing, inputs, codes, embedding):
    conditions = {"speech": hearing.project_speech(codes), "text": hearing.project_text(embedding)}
    mask = torch.tensor([True, False])
    other = {**inputs, "latents": inputs["latents"].clone()}
    other["latents"][:, :, 0] += 1
    before = hearing(**inputs, **conditions, reference_mask=mask)
    after = hearing(**other, **conditions, reference_mask=mask)
    torch.testing.assert_close(after[1], before[1])
    assert (after[0] - before[0]).abs().max() > 1e-2
    torch.testing.assert_close(before[0], hearing(**inputs, **conditions)[0])


def test_checkpointing_leaves_gradients_alone(hearing, inputs, codes, embedding):
    def gradients() -> list[torch.Tensor]:
        hearing.zero_grad()
        present = torch.tensor([True, False])
        speech, text = hearing.project_speech(codes, present), hearing.project_text(embedding)
        hearing(**inputs, speech=speech, text=text, reference_mask=present).square().mean().backward()
        return [parameter.grad.clone() for parameter in hearing.parameters()]

    expected = gradients()
    hearing.enable_gradient_checkpointing()
    for actual, wanted in zip(gradients(), expected, strict=True):
        torch.testing.assert_close(actual, wanted)


def test_trains_after_sampling_in_inference_mode(hearing, inputs, codes, embedding):
    def velocity() -> torch.Tensor:
        return hearing(**inputs, speech=hearing.project_speech(codes), text=hearing.project_text(embedding))

    with torch.inference_mode():
        sampled = velocity()
    trained = velocity()
    trained.square().mean().backward()
    torch.testing.assert_close(trained.detach(), sampled.clone())
    assert hearing.proj_in.weight.grad.abs().sum() > 0


@pytest.mark.filterwarnings("ignore:Mismatch dtype between input and weight")
@pytest.mark.parametrize("how", ["weights", "autocast"])
@torch.no_grad()
def test_bfloat16_is_near_float32(hearing, inputs, codes, embedding, how):
    def velocity() -> torch.Tensor:
        return hearing(**inputs, speech=hearing.project_speech(codes), text=hearing.project_text(embedding))

    exact = velocity()
    if how == "weights":
        hearing.to(torch.bfloat16)
    with torch.autocast("cpu", torch.bfloat16, enabled=how == "autocast"):
        rough = velocity()
    assert rough.dtype == torch.bfloat16
    assert (rough.float() - exact).norm() < 0.03 * exact.norm()


@torch.no_grad()
def test_attention_back_end_can_be_set(hearing, inputs, codes, embedding):
    speech, text = hearing.project_speech(codes), hearing.project_text(embedding)
    before = hearing(**inputs, speech=speech, text=text)
    with attention_backend("native"):  # diffusers sets it for the whole process, too: it ends with the test
        hearing.set_attention_backend("_native_math")
        kernels = [m.processor._attention_backend for m in hearing.modules() if isinstance(m, Attention)]
        assert [kernel.value for kernel in kernels] == ["_native_math"] * 3 * TINY["num_layers"]
        torch.testing.assert_close(hearing(**inputs, speech=speech, text=text), before, atol=1e-5, rtol=1e-5)


def test_lora_trains_on_ltx_target_names(hearing, inputs, codes, embedding):
    peft = pytest.importorskip("peft")

    def velocity() -> torch.Tensor:
        return hearing(**inputs, speech=hearing.project_speech(codes), text=hearing.project_text(embedding))

    before = velocity().detach()
    targets = ["to_q", "to_k", "to_v", "to_out.0"]
    hearing.requires_grad_(False)
    hearing.add_adapter(peft.LoraConfig(r=2, lora_alpha=2, target_modules=targets, init_lora_weights=True))
    torch.testing.assert_close(velocity().detach(), before)
    trained = {name: p for name, p in hearing.named_parameters() if p.requires_grad}
    assert len(trained) == TINY["num_layers"] * 3 * 4 * 2
    assert all("lora" in name for name in trained)
    velocity().square().mean().backward()
    with torch.no_grad():
        for parameter in trained.values():
            parameter.sub_(10 * parameter.grad)
    adapted = velocity().detach()
    assert (adapted - before).abs().max() > 1e-3
    hearing.disable_adapters()
    torch.testing.assert_close(velocity().detach(), before)


@torch.no_grad()
def test_saved_and_loaded_is_the_same(hearing, inputs, codes, embedding, tmp_path):
    hearing.save_pretrained(tmp_path)
    loaded, report = A2VTransformer3DModel.from_pretrained(tmp_path, output_loading_info=True)
    assert not report["missing_keys"]
    assert not report["unexpected_keys"]
    assert not report["mismatched_keys"]
    assert {key: loaded.config[key] for key in TINY} == dict(TINY)
    for key, value in hearing.state_dict().items():
        torch.testing.assert_close(loaded.state_dict()[key], value, rtol=0, atol=0)
    speech, text = hearing.project_speech(codes), hearing.project_text(embedding)
    again = loaded(**inputs, speech=loaded.project_speech(codes), text=loaded.project_text(embedding))
    torch.testing.assert_close(again, hearing(**inputs, speech=speech, text=text), rtol=0, atol=0)


def test_shapes_that_do_not_fit_are_named(model, inputs, codes, embedding):
    speech, text = model.project_speech(codes), model.project_text(embedding)
    latents, timestep = inputs["latents"], inputs["timestep"]
    with pytest.raises(InputError, match="have 7 channels; this model expects 8"):
        model(latents[:, :7], timestep, speech, text)
    with pytest.raises(InputError, match=r"one per latent, \(2, 4\)"):
        model(latents, timestep[:, :1], speech, text)
    with pytest.raises(InputError, match="speech covers 3 latents, but there are 4"):
        model(latents, timestep, model.project_speech(codes[:, 1:]), text)
    with pytest.raises(InputError, match="text has 4 items, the latents 2"):
        model(latents, timestep, speech, KeyValues.cat([text, text]))
    with pytest.raises(InputError, match=r"expected \(B, f, 3, 10\)"):
        model.project_speech(codes[..., :4])
    with pytest.raises(InputError, match=r"expected \(B, S, 12\)"):
        model.project_text(embedding[..., :4])
    with pytest.raises(InputError, match="excludes all tokens"):
        model.project_text(embedding, torch.zeros(BATCH, TOKENS))


def test_rotations_do_not_stay_on_a_device_that_the_model_leaves():
    rotary = RotaryEmbedding(48, causal=False)
    rotary((2, 2, 2), False, torch.device("cpu"))
    assert rotary._kept is not None
    rotary.to(torch.float64)
    assert rotary._kept is None
