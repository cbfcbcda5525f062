"""The full-size configurations with small stand-ins for what they read."""

from __future__ import annotations

import wave
from pathlib import Path

import pytest
import torch
from diffusers import LTXVideoTransformer3DModel

from read_core.training.config import ConfigError
from read_core.training.registry import load_config
from read_core.transformer import TINY

CONFIGS = Path(__file__).parents[3] / "configs" / "full"


@pytest.fixture
def ltx(tmp_path) -> Path:
    """A transformer folder of LTX-Video's form, in bfloat16 as the published ones."""
    torch.manual_seed(0)
    shape = {k: v for k, v in TINY.items() if k not in ("code_dim", "code_slots", "causal_coords")}
    model = LTXVideoTransformer3DModel(**shape, cross_attention_dim=32)
    model.to(torch.bfloat16).save_pretrained(tmp_path / "ltx")
    return tmp_path / "ltx"


def a2v(tiny_checkpoint: Path, clips: Path, ltx: Path, output: Path):
    parts = {name: str(tiny_checkpoint / name) for name in ("vae", "whisper", "speech_ae")}
    speech = {"model.code_dim": TINY["code_dim"], "model.code_slots": TINY["code_slots"]}
    places = {"footage": None, "clips": str(clips), "ltx": str(ltx), "latents": str(output / "latents")}
    values = {**parts, **speech, **places, "windows": [4]}
    return load_config(CONFIGS / "a2v.yaml", values)


def test_a2v_goes_on_from_ltx_video_in_full_precision(tiny_checkpoint, clips_folder, ltx, tmp_path):
    stage_class, config = a2v(tiny_checkpoint, clips_folder, ltx, tmp_path)
    stage = stage_class(config)
    assert {p.dtype for p in stage.model.parameters()} == {torch.float32}
    published = LTXVideoTransformer3DModel.from_pretrained(ltx).state_dict()
    own = stage.transformer.state_dict()
    assert all(torch.equal(own[name], value.float()) for name, value in published.items())
    batch = {name: value[None] for name, value in stage.dataset[0].items()}
    loss, _ = stage.loss(stage.model, batch, torch.Generator().manual_seed(0))
    loss.backward()
    assert loss.isfinite()


def test_a_missing_ltx_video_is_named_before_anything_is_encoded(tiny_checkpoint, clips_folder, tmp_path):
    stage_class, config = a2v(tiny_checkpoint, clips_folder, tmp_path / "nothing", tmp_path)
    with pytest.raises(ConfigError, match=r"ltx is .*nothing.*read-core init"):
        stage_class(config)
    assert not (tmp_path / "latents").exists()


def test_the_speech_ae_has_the_size_of_the_paper(tiny_checkpoint, tmp_path):
    for index in range(2):
        with wave.open(str(tmp_path / f"{index}.wav"), "wb") as file:
            file.setparams((1, 2, 16_000, 0, "NONE", "not compressed"))
            file.writeframes(bytes([0, 16]) * 8_000 + bytes(16_000))
    values = {"whisper": str(tiny_checkpoint / "whisper"), "speech.recordings": str(tmp_path)}
    stage_class, config = load_config(CONFIGS / "speech_ae.yaml", values)
    stage = stage_class(config)
    with torch.no_grad():
        codes = stage.speech_ae.encode(torch.zeros(1, 9, 30, 16))
    assert codes.shape == (1, 2, 32, 768)
    assert stage.dataset[0]["waveform"].shape == (40 * 16_000,)
