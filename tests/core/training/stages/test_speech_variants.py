"""A2V-DiT with another SpeechAE than the finished one: what it is, and that its checkpoints generate."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from read_core import ReadPipeline
from read_core.corpus.video_file import find_clips
from read_core.errors import InputError
from read_core.speech import SpeechAE, WhisperFeatures, load_whisper_encoder
from read_core.training.assemble import assemble, load_checkpoint_config
from read_core.training.config import ConfigError
from read_core.training.loop import train
from read_core.training.stages.a2v import A2VConfig, A2VStage
from read_core.training.stages.speech_variants import linear, pooled, scratch, tuned, with_new_speech
from read_core.transformer import TINY, A2VTransformer3DModel

from ..test_assemble import CONFIG

SPEECH_WINDOW, SPEECH_DIM = 30, 16  # of the tiny checkpoint's Whisper encoder
SLOTS = {"scratch": {}, "pooled": {"code_slots": SPEECH_WINDOW, "code_dim": SPEECH_DIM}}


@pytest.fixture
def trained() -> SpeechAE:
    torch.manual_seed(1)
    made = SpeechAE(speech_window=12, feature_dim=6, code_window=3, code_dim=10, hidden_dim=12)
    made.speech_mean.normal_()
    made.speech_std.uniform_(0.2, 3)
    return made.eval()


def averages(trained: SpeechAE, speech: torch.Tensor) -> torch.Tensor:
    """Standardized features averaged over the frames of each latent, normalized over their channels."""
    standard = (speech - trained.speech_mean) / trained.speech_std
    codes = [standard[:, 0]]
    for i in range(1, (speech.shape[1] - 1) // 8 + 1):
        codes.append(standard[:, 8 * i - 7 : 8 * i + 1].mean(1))
    return F.layer_norm(torch.stack(codes, 1), standard.shape[-1:])


@pytest.mark.parametrize("loud", [1.0, 5.0])
def test_pooled_is_the_average_over_the_frames_of_each_latent(trained, loud):
    speech = loud * torch.randn(2, 25, 12, 6)
    made = pooled(trained)
    torch.testing.assert_close(made.encode(speech), averages(trained, speech), atol=1e-5, rtol=1e-5)
    assert not list(made.parameters())


def test_pooled_is_the_same_in_parts_and_in_half_precision(trained):
    speech = torch.randn(1, 33, 12, 6)
    made = pooled(trained).half()
    assert torch.equal(made.encode(speech[:, 16:25], context=speech[:, 2:16]), made.encode(speech)[:, 2:4])
    torch.testing.assert_close(made.encode(speech), averages(trained, speech), atol=1e-5, rtol=1e-5)


def test_linear_is_one_linear_map_of_the_frames_of_each_latent(trained):
    """Against a sum over frames and window positions, written out."""
    speech = torch.randn(2, 17, 12, 6)
    made = linear(trained)
    standard = (speech - trained.speech_mean) / trained.speech_std
    padded = torch.cat([standard[:, :1].expand(-1, 7, -1, -1), standard], dim=1)
    slots, channels = made.to_slots, made.to_channels
    for latent, code in enumerate(made.encode(speech).unbind(1)):
        weights = slots.weight.view(3, 8, 12)
        mixed = torch.einsum("sfw,bfwd->bsd", weights, padded[:, 8 * latent : 8 * latent + 8])
        expected = (mixed + slots.bias[:, None]) @ channels.weight.T + channels.bias
        torch.testing.assert_close(code, expected, atol=1e-5, rtol=1e-4)
    assert all(parameter.requires_grad for parameter in made.parameters())
    assert made.code_shape == trained.code_shape


def test_linear_is_the_same_in_parts(trained):
    speech = torch.randn(1, 33, 12, 6)
    made = linear(trained)
    part = made.encode(speech[:, 16:25], context=speech[:, 2:16])
    torch.testing.assert_close(part, made.encode(speech)[:, 2:4])


@pytest.mark.parametrize("variant", [pooled, linear])
def test_features_that_are_no_whole_latents_are_refused(trained, variant):
    with pytest.raises(InputError, match="16 frames; expected 8"):
        variant(trained).encode(torch.randn(1, 16, 12, 6))


def test_scratch_has_the_size_and_statistics_but_not_the_weights(trained):
    made = scratch(trained)
    assert dict(made.config) == dict(trained.config)
    assert torch.equal(made.speech_mean, trained.speech_mean)
    assert torch.equal(made.speech_std, trained.speech_std)
    assert not torch.equal(made.encoder_out.weight, trained.encoder_out.weight)
    learns = {name for name, p in made.named_parameters() if p.requires_grad}
    assert learns == {n for n, _ in made.named_parameters() if not n.startswith("decoder_")}


def test_tuned_is_the_finished_one_and_all_but_its_decoder_learns(trained):
    speech = torch.randn(1, 17, 12, 6)
    expected = trained.encode(speech)
    made = tuned(trained)
    assert torch.equal(made.encode(speech), expected)
    learns = {name for name, p in made.named_parameters() if p.requires_grad}
    assert learns == {n for n, _ in made.named_parameters() if not n.startswith("decoder_")}


def test_new_speech_keeps_what_does_not_hear_and_hears_nothing_yet(tiny_checkpoint):
    kept = A2VTransformer3DModel.from_pretrained(tiny_checkpoint / "transformer").eval()
    made = with_new_speech(kept, {"code_slots": 7, "code_dim": 5}).eval()
    assert (made.config.code_slots, made.config.code_dim) == (7, 5)
    before, after = kept.state_dict(), made.state_dict()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert {name for name in after if "audio_attn.to_" in name or name == "null_speech"} >= changed
    assert any(name.endswith("audio_attn.to_v.weight") for name in changed)
    generator = torch.Generator().manual_seed(0)
    latents = torch.randn(1, made.config.in_channels, 4, 2, 2, generator=generator)
    text = made.text_context(torch.randn(1, 4, made.config.caption_channels, generator=generator))
    found = [
        made(
            latents,
            torch.full((1, 4), 0.5),
            speech=made.speech_context(torch.randn(1, 3, 7, 5, generator=generator)),
            text=text,
        )
        for _ in range(2)
    ]
    assert torch.equal(*found)


def test_new_speech_and_sizes_beside_ltx_video_are_refused(tmp_path):
    values = {"stage": "a2v", "output": tmp_path, "clips": tmp_path, "vae": tmp_path, "whisper": tmp_path}
    loop = {"steps": 1, "batch_size": 1, "learning_rate": 1e-3}
    values |= {"speech_ae": tmp_path, "latents": tmp_path, "loop": loop}
    for changes, told in (
        ({"new_speech": True}, "expected initial"),
        ({"new_speech": True, "initial": tmp_path, "lora": {}}, "no lora"),
        ({"new_speech": True, "initial": tmp_path, "model": {"num_layers": 2}}, "initial gives the sizes"),
        ({"ltx": tmp_path, "model": {"num_layers": 2, "code_slots": 4}}, "remove num_layers from model"),
    ):
        with pytest.raises(ValueError, match=told):
            A2VConfig.model_validate({**values, **changes})
    A2VConfig.model_validate({**values, "ltx": tmp_path, "model": {"code_slots": 4, "causal_coords": True}})


def make_stage(clips, checkpoint, output, speech, **changes) -> A2VStage:
    values = {
        "stage": "a2v",
        "output": output / speech,
        "clips": clips,
        **{name: checkpoint / name for name in ("vae", "whisper", "speech_ae")},
        "speech": speech,
        "latents": output / "latents",
        "model": {**TINY, **SLOTS.get(speech, {})},
        "windows": (4,),
        "loop": {"steps": 3, "batch_size": 2, "learning_rate": 1e-3, "sheet_every": 3},
    }
    return A2VStage(A2VConfig.model_validate({**values, **changes}))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Shared, so that the videos are encoded once."""
    return tmp_path_factory.mktemp("variants")


def test_windows_of_features_give_the_codes_of_the_whole_recording(clips_folder, tiny_checkpoint, folder):
    stage = make_stage(clips_folder, tiny_checkpoint, folder, "tuned")
    seen = set()
    for first in range(3):  # code 0 and code 1 reach beyond the beginning
        speech = stage.dataset.speech(2, first, 3)
        assert speech.shape == (14 + 17, SPEECH_WINDOW, SPEECH_DIM)
        expected = stage.dataset.items[2]["codes"][first : first + 3].float()
        torch.testing.assert_close(stage.model.codes(speech[None])[0], expected, atol=2e-2, rtol=2e-2)
        seen.add(round(expected.abs().sum().item(), 3))
    assert len(seen) == 3


def test_the_codes_of_pooled_are_made_as_in_inference(clips_folder, tiny_checkpoint, folder):
    stage = make_stage(clips_folder, tiny_checkpoint, folder, "pooled")
    waveform = find_clips(clips_folder, "train")[1].waveform()
    features = WhisperFeatures(load_whisper_encoder(tiny_checkpoint / "whisper"))(
        waveform, 25
    )  # its end is not looked at
    expected = stage.speech_ae.encode(features[None])[0]
    codes = stage.dataset.items[1]["codes"]
    assert codes.shape == (stage.dataset.items[1]["latents"].shape[1], SPEECH_WINDOW, SPEECH_DIM)
    torch.testing.assert_close(codes[1:3].float(), expected[1:3], atol=1e-2, rtol=1e-2)


def test_all_variants_share_the_latents_and_see_the_same_windows(clips_folder, tiny_checkpoint, folder):
    samples = {}
    for speech in ("codes", "tuned", "scratch", "linear", "pooled"):
        stage = make_stage(clips_folder, tiny_checkpoint, folder, speech)
        samples[speech] = [stage.dataset[i] for i in range(4)]
    for variant in ("tuned", "scratch", "linear", "pooled"):
        for ours, theirs in zip(samples[variant], samples["codes"], strict=True):
            assert torch.equal(ours["latents"], theirs["latents"])
            assert torch.equal(ours["continuation"], theirs["continuation"])


@pytest.mark.parametrize("speech", ["tuned", "scratch", "linear", "pooled"])
def test_what_is_exported_becomes_a_checkpoint_that_generates(
    clips_folder, tiny_checkpoint, folder, tmp_path, speech
):
    stage = make_stage(clips_folder, tiny_checkpoint, folder, speech)
    before = {n: p.clone() for n, p in stage.speech_ae.state_dict().items()}
    train(stage, stage.config.loop, stage.config.output)
    export = stage.config.output / "export"
    parts = {"vae": tiny_checkpoint / "vae", "whisper": tiny_checkpoint / "whisper"}
    parts |= {"speech_ae": export / "speech_ae", "transformer": export}
    values = {name: str(path) for name, path in parts.items()}
    settings = {**values, "output": str(tmp_path / "made"), "dtype": "float32"}
    assemble(load_checkpoint_config(CONFIG, settings))
    pipe = ReadPipeline.from_pretrained(tmp_path / "made", "cpu", torch.float32)
    moved = {n for n, p in pipe.speech_ae.state_dict().items() if not torch.equal(p, before[n])}
    learned = {n for n, p in stage.model.named_parameters() if "speech_ae." in n and p.requires_grad}
    assert moved == {name.removeprefix("speech_ae.") for name in learned}
    assert bool(moved) == (speech != "pooled")

    clip = find_clips(clips_folder, "train")[0]
    portrait = clip.read(0, 1)[0][0].float() / 255
    codes = pipe.encode_speech(clip.waveform()[: 17 * 640], 16_000)
    video = torch.cat(list(pipe.stream(codes, pipe.encode_reference(portrait, (64, 64)))))
    assert video.shape == (17, 64, 64, 3)
    assert video.isfinite().all()


def test_slots_that_do_not_fit_the_codes_are_named(clips_folder, tiny_checkpoint, folder):
    with pytest.raises(ConfigError, match=r"3 and 10; the speech codes \(pooled\) need 30 and 16"):
        make_stage(clips_folder, tiny_checkpoint, folder, "pooled", model=dict(TINY))
