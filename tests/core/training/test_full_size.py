"""The full-size configurations with small stand-ins for what they read."""

from __future__ import annotations

import shutil
import wave
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import LTXVideoTransformer3DModel
from safetensors.torch import load_file, save_file

from read_core.ans import SplitCFG, timesteps
from read_core.checkpoint import SamplingDefaults, load_checkpoint
from read_core.errors import CheckpointError
from read_core.geometry import frames_of_latents
from read_core.training.assemble import assemble, load_checkpoint_config
from read_core.training.config import ConfigError
from read_core.training.noise import SampleNoise
from read_core.training.registry import load_config
from read_core.transformer import TINY
from read_core.weights.origin import Origin, checksum, read_origin, write_origin

CONFIGS = Path(__file__).parents[3] / "configs" / "full"


@pytest.fixture
def ltx(tmp_path) -> Path:
    """A transformer folder of LTX-Video's form, in bfloat16 as the published ones."""
    torch.manual_seed(0)
    shape = {k: v for k, v in TINY.items() if k not in ("code_dim", "code_slots", "causal_coords")}
    model = LTXVideoTransformer3DModel(**shape, cross_attention_dim=32)
    model.to(torch.bfloat16).save_pretrained(tmp_path / "ltx")
    return tmp_path / "ltx"


def prompt(folder: Path, channels: int = TINY["caption_channels"]) -> Path:
    """A file as one with the embedding of a text by T5, of which three tokens count."""
    embedding = torch.randn(5, channels, generator=torch.Generator().manual_seed(1))
    mask = torch.tensor([True, True, True, False, False])
    save_file({"embedding": embedding.bfloat16(), "mask": mask}, folder / "prompt.safetensors")
    return folder / "prompt.safetensors"


def a2v(tiny_checkpoint: Path, clips: Path, ltx: Path, output: Path, **changes):
    parts = {name: str(tiny_checkpoint / name) for name in ("vae", "whisper", "speech_ae")}
    speech = {"model.code_dim": TINY["code_dim"], "model.code_slots": TINY["code_slots"]}
    places = {"footage": None, "clips": str(clips), "ltx": str(ltx), "latents": str(output / "latents")}
    values = {**parts, **speech, **places, "windows": [4], "prompt": str(prompt(output)), **changes}
    return load_config(CONFIGS / "a2v.yaml", values)


def test_a2v_goes_on_from_ltx_video_in_full_precision(tiny_checkpoint, clips_folder, ltx, tmp_path):
    stage_class, config = a2v(tiny_checkpoint, clips_folder, ltx, tmp_path)
    stage = stage_class(config)
    assert {p.dtype for p in stage.model.parameters()} == {torch.float32}
    published = LTXVideoTransformer3DModel.from_pretrained(ltx).state_dict()
    own = stage.transformer.state_dict()
    assert all(torch.equal(own[name], value.float()) for name, value in published.items())
    batch = {name: value[None] for name, value in stage.dataset[0].items()}
    loss, _ = stage.loss(stage.model, batch, SampleNoise(0, [0]))
    loss.backward()
    assert loss.isfinite()


def test_the_values_of_the_paper():
    _, config = load_config(CONFIGS / "a2v.yaml")
    assert config.ltx is not None
    assert frames_of_latents(max(config.windows)) == 121
    assert config.windows == (4, 8, 16)  # ours: shorter ones for the first frames
    assert (config.loop.learning_rate, config.loop.batch_size, config.loop.accumulate) == (1e-5, 1, 1)
    assert (config.times.shift, config.motion_weight, config.eyes_weight) == ("tokens", 0, 0)
    assert (config.times.schedule, config.times.mean, config.times.std) == (0, 0, 1)
    assert not config.times.synchronous
    assert config.speech == "tuned"
    _, speech_ae = load_config(CONFIGS / "speech_ae.yaml")
    assert speech_ae.loop.learning_rate == 1e-4
    assembled = load_checkpoint_config(CONFIGS / "checkpoint.yaml")
    defaults = SamplingDefaults.from_dict({"halo": 4, **assembled.defaults})  # that of the VAE
    assert assembled.card.resolution == (512, 512)
    assert (defaults.steps, defaults.guidance, defaults.window) == (8, SplitCFG(2.0, 6.0), 16)
    assert (assembled.transformer, assembled.speech_ae) == (
        config.output / "export",
        config.output / "export" / "speech_ae",
    )
    assert assembled.prompt == config.prompt
    tokens = defaults.window * (512 // 32) ** 2
    assert timesteps(defaults.steps, defaults.shift_at(tokens)).tolist() == pytest.approx(
        [1, 0.982, 0.959, 0.928, 0.886, 0.823, 0.721, 0.526, 0], abs=5e-4
    )


STAGES = sorted(path.stem for path in CONFIGS.glob("*.yaml") if path.stem != "checkpoint")


@pytest.mark.parametrize("name", STAGES)
def test_every_configuration_is_of_a_stage_and_reads_what_another_one_writes(name):
    """Or what init, prepare or the user makes."""
    _, config = load_config(CONFIGS / f"{name}.yaml")
    outputs = {load_config(CONFIGS / f"{other}.yaml")[1].output for other in STAGES if other != name}
    given = [value for _, value in config if isinstance(value, Path) and value != config.output]
    read = [path for path in given if path.is_relative_to("output")]
    for path in read:
        within = path.is_relative_to(config.output)  # what the stage makes for itself
        assert within or any(path.is_relative_to(output / "export") for output in outputs), path
    assert all(
        path.parts[:2] in {("models", "start")} or path.parts[0] == "data"
        for path in given
        if path not in read
    )
    assert config.loop.mixed_precision == "bf16"
    assert config.loop.tensorboard
    if config.stage in ("a2v", "distill"):  # all processes wait while gigabytes are written
        assert config.loop.save_minutes == 30


def test_the_prompt_is_the_part_of_its_file_that_counts(tiny_checkpoint, clips_folder, ltx, tmp_path):
    stage_class, config = a2v(tiny_checkpoint, clips_folder, ltx, tmp_path)
    stage = stage_class(config)
    expected = load_file(config.prompt)["embedding"][:3].float()
    assert torch.equal(stage.prompt, expected[None])
    exported = shutil.copytree(tiny_checkpoint, tmp_path / "parts")
    write_origin(exported / "transformer", Origin("LTX-Video", "a", "0", "b"))
    parts = {name: str(exported / name) for name in ("vae", "whisper", "speech_ae", "transformer")}
    values = {**parts, "output": str(tmp_path / "made"), "prompt": str(config.prompt)}
    assemble(load_checkpoint_config(CONFIGS / "checkpoint.yaml", {**values, "dtype": "float32"}))
    made = load_checkpoint(tmp_path / "made")
    assert torch.equal(made.prompt.embedding, expected)
    assert made.defaults.shift == "tokens"
    with pytest.raises(ConfigError, match="prompt is not given"):
        assemble(load_checkpoint_config(CONFIGS / "checkpoint.yaml", {**values, "prompt": None}))


def test_random_prompts_are_refused_with_weights_of_ltx_video(tiny_checkpoint, clips_folder, ltx, tmp_path):
    stage_class, config = a2v(tiny_checkpoint, clips_folder, ltx, tmp_path, prompt=None)
    with pytest.raises(ConfigError, match=r"prompt is not given.*T5"):
        stage_class(config)
    write_origin(ltx, Origin("LTX-Video", "a", "0", "b"))
    with pytest.raises(ConfigError, match="prompt is not given"):
        stage_class(config.model_copy(update={"initial": ltx, "ltx": None}))
    wrong = prompt(tmp_path, channels=7)
    with pytest.raises(CheckpointError, match=r"prompt\.safetensors"):
        stage_class(config.model_copy(update={"prompt": wrong}))


def test_what_was_trained_from_a_plain_folder_of_diffusers_says_so(
    tiny_checkpoint, clips_folder, ltx, tmp_path
):
    """Such a folder has no origin.json; without one a checkpoint would take random tokens for its prompt."""
    stage_class, config = a2v(tiny_checkpoint, clips_folder, ltx, tmp_path, speech="codes")
    stage = stage_class(config)
    stage.prepare(torch.device("cpu"))
    stage.export(stage.model, tmp_path / "export")
    origin = read_origin(tmp_path / "export")
    assert origin is not None
    assert "LTX-Video" in origin.release
    assert (origin.source, origin.sha256) == ("ltx", checksum(list(ltx.glob("*.safetensors"))))
    parts = {name: str(tiny_checkpoint / name) for name in ("vae", "whisper", "speech_ae")}
    values = {**parts, "transformer": str(tmp_path / "export"), "output": str(tmp_path / "made")}
    with pytest.raises(ConfigError, match="prompt is not given"):
        assemble(load_checkpoint_config(CONFIGS / "checkpoint.yaml", {**values, "prompt": None}))


def test_a_missing_ltx_video_is_named_before_anything_is_encoded(tiny_checkpoint, clips_folder, tmp_path):
    stage_class, config = a2v(tiny_checkpoint, clips_folder, tmp_path / "nothing", tmp_path)
    with pytest.raises(ConfigError, match=r"ltx is .*nothing.*read-core init.*docs/full-size\.md"):
        stage_class(config)
    assert not (tmp_path / "latents").exists()


def test_the_speech_ae_has_the_size_of_the_paper(tiny_checkpoint, tmp_path):
    for index in range(2):
        with wave.open(str(tmp_path / f"{index}.wav"), "wb") as file:
            file.setparams((1, 2, 16_000, 0, "NONE", "not compressed"))
            file.writeframes(bytes([0, 16]) * 8_000 + bytes(16_000))
    values = {"whisper": str(tiny_checkpoint / "whisper"), "speech.recordings": str(tmp_path)}
    stage_class, config = load_config(CONFIGS / "speech_ae.yaml", values)
    stage: Any = stage_class(config)
    with torch.no_grad():
        codes = stage.speech_ae.encode(torch.zeros(1, 9, 30, 16))
    assert codes.shape == (1, 2, 32, 768)
    assert stage.dataset[0]["waveform"].shape == (20 * 16_000,)  # the longest item of footage
