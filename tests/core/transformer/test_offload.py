"""What diffusers brings to save memory and for adapters, on the projections outside ``forward`` too."""

from __future__ import annotations

import pytest
import torch

from read_core.speech import SpeechAE
from read_core.transformer import TINY, A2VTransformer3DModel

BATCH, FRAMES, TOKENS = 2, 4, 5


@pytest.fixture
def model() -> A2VTransformer3DModel:
    torch.manual_seed(0)
    model = A2VTransformer3DModel(**TINY).eval()
    for block in model.transformer_blocks:
        torch.nn.init.normal_(block.audio_attn.to_out[0].weight, std=0.2)
    return model


@torch.no_grad()
def velocities(model: A2VTransformer3DModel, before=lambda: None) -> list[torch.Tensor]:
    """Everything that the sampler calls, in its order; ``before`` runs before each call."""
    random = torch.Generator().manual_seed(1)
    latents = torch.randn(BATCH, TINY["in_channels"], FRAMES, 2, 3, generator=random)
    times = torch.rand(BATCH, FRAMES, generator=random)
    embedding = torch.randn(BATCH, TOKENS, TINY["caption_channels"], generator=random)
    slots = (TINY["code_slots"], TINY["code_dim"])
    codes = torch.randn(BATCH, FRAMES - 1, *slots, generator=random)
    before()
    text = model.project_text(embedding)
    before()
    silent = model.project_null_speech(FRAMES)
    found = []
    for mask in (None, torch.tensor([True, False])):
        before()
        spoken = model.project_speech(codes, mask)
        for speech in (spoken, silent, spoken):
            before()
            found.append(model(latents, times, speech, text, torch.tensor([True, False])))
    return found


def poison(model: torch.nn.Module) -> None:
    """Spoil the weights that are off the device: only what is brought back from the disk is right."""
    for tensor in (*model.parameters(), *model.buffers()):
        tensor.data.fill_(float("nan"))


def offload(model, level: str, blocks: int | None, folder) -> None:
    """Between calls the weights are on the disk alone, so it shows on a CPU whether a call brings them."""
    model.enable_group_offload(
        onload_device=torch.device("cpu"),
        offload_device=torch.device("cpu"),
        offload_type=level,
        num_blocks_per_group=blocks,
        offload_to_disk_path=str(folder),
    )


@pytest.mark.parametrize(("level", "blocks"), [("block_level", 1), ("block_level", 2), ("leaf_level", None)])
def test_group_offloading(model, level, blocks, tmp_path):
    expected = velocities(model)
    offload(model, level, blocks, tmp_path)
    for actual, wanted in zip(velocities(model, before=lambda: poison(model)), expected, strict=True):
        torch.testing.assert_close(actual, wanted)


@pytest.mark.parametrize(("level", "blocks"), [("block_level", 1), ("leaf_level", None)])
@torch.no_grad()
def test_group_offloading_of_the_speech_autoencoder(level, blocks, tmp_path):
    torch.manual_seed(0)
    model = SpeechAE(speech_window=6, feature_dim=10, code_window=3, code_dim=8, hidden_dim=12).eval()
    model.speech_mean.normal_()
    speech = torch.randn(2, 17, 6, 10)
    codes, again = model.encode(speech), model(speech)
    offload(model, level, blocks, tmp_path)
    poison(model)
    torch.testing.assert_close(model.encode(speech), codes)
    poison(model)
    torch.testing.assert_close(model.decode(codes), again)
    poison(model)
    torch.testing.assert_close(model(speech), again)


def test_layerwise_casting(model):
    """Weights lie in 8 bits and compute in 32: as if they had been rounded to 8 bits, all but the norms'."""
    layers = {name for name, module in model.named_modules() if isinstance(module, torch.nn.Linear)}
    model.enable_layerwise_casting(storage_dtype=torch.float8_e4m3fn, compute_dtype=torch.float32)
    stored = {name for name in layers if model.get_submodule(name).weight.dtype == torch.float8_e4m3fn}
    assert stored == layers - {"proj_in", "proj_out"}  # diffusers leaves these alone
    actual = velocities(model)
    rounded = A2VTransformer3DModel(**TINY).eval()
    rounded.load_state_dict({name: value.float() for name, value in model.state_dict().items()})
    for found, wanted in zip(actual, velocities(rounded), strict=True):
        torch.testing.assert_close(found, wanted)


def test_an_adapter_of_the_audio_branch_is_saved_and_loaded(model, tmp_path):
    peft = pytest.importorskip("peft")
    before = velocities(model)
    targets = r".*audio_attn\.(to_q|to_k|to_v|to_out\.0)"
    model.add_adapter(peft.LoraConfig(r=2, target_modules=targets, init_lora_weights=False))
    adapted = velocities(model)
    assert not torch.allclose(adapted[0], before[0], atol=1e-3)
    model.save_lora_adapter(tmp_path)

    fresh = A2VTransformer3DModel(**TINY).eval()
    weights = {name: value for name, value in model.state_dict().items() if "lora" not in name}
    fresh.load_state_dict({name.replace(".base_layer", ""): value for name, value in weights.items()})
    torch.testing.assert_close(velocities(fresh), before)
    fresh.load_lora_adapter(tmp_path, prefix=None, weight_name="pytorch_lora_weights.safetensors")
    torch.testing.assert_close(velocities(fresh), adapted)
    fresh.disable_lora()
    torch.testing.assert_close(velocities(fresh), before)
    fresh.unload_lora()
    torch.testing.assert_close(velocities(fresh), before)
