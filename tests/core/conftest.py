"""A tiny checkpoint with random weights, and a few drawn videos: real classes, small configurations."""

from __future__ import annotations

import shutil

import pytest


def build_components():
    import torch
    from diffusers import AutoencoderKLLTXVideo
    from transformers import WhisperConfig
    from transformers.models.whisper.modeling_whisper import WhisperEncoder

    from read_core.ans import SplitCFG
    from read_core.checkpoint import Card, Components, Prompt, SamplingDefaults
    from read_core.speech import SpeechAE
    from read_core.transformer import TINY, A2VTransformer3DModel
    from read_core.video import DecodeSettings
    from read_core.video.configs import TINY as TINY_VAE

    torch.manual_seed(0)
    vae = AutoencoderKLLTXVideo(**TINY_VAE)
    vae.latents_std.uniform_(0.5, 2)
    whisper = WhisperEncoder(
        WhisperConfig(
            d_model=16,
            encoder_layers=2,
            encoder_attention_heads=2,
            encoder_ffn_dim=32,
            max_source_positions=100,
            num_mel_bins=80,
        )
    )
    speech_ae = SpeechAE(speech_window=30, feature_dim=16, code_window=3, code_dim=10, hidden_dim=12)
    transformer = A2VTransformer3DModel(**TINY)
    for block in transformer.transformer_blocks:  # zero at first: speech would change nothing
        torch.nn.init.normal_(block.audio_attn.to_out[0].weight)
    return Components(
        card=Card("tiny", "nothing: its weights are random", (64, 96), demonstration=True),
        defaults=SamplingDefaults(
            shift=1.5, steps=2, guidance=SplitCFG(0.5, 1.5), window=4, decode=DecodeSettings(halo=2, chunk=3)
        ),
        vae=vae.eval(),
        whisper=whisper.eval(),
        speech_ae=speech_ae.eval(),
        transformer=transformer.eval(),
        prompt=Prompt(torch.randn(5, 12), torch.tensor([True, True, True, False, False]), "a person talks"),
    )


@pytest.fixture(scope="session")
def tiny_components():
    """The parts of the tiny checkpoint; leave them as they are."""
    return build_components()


@pytest.fixture(scope="session")
def tiny_checkpoint(tmp_path_factory, tiny_components):
    """The folder of the tiny checkpoint; read it only."""
    from read_core.checkpoint import save_checkpoint

    folder = tmp_path_factory.mktemp("checkpoints") / "tiny"
    save_checkpoint(folder, tiny_components)
    return folder


@pytest.fixture
def broken_checkpoint(tmp_path, tiny_checkpoint):
    """A copy of the tiny checkpoint to break."""
    return shutil.copytree(tiny_checkpoint, tmp_path / "broken")


@pytest.fixture(scope="session")
def clips_folder(tmp_path_factory):
    """Six training and two validation videos of 41 frames at 64 x 64; leave them as they are."""
    from read_core.corpus.build import build_corpus
    from read_core.corpus.scene import Scene

    folder = tmp_path_factory.mktemp("clips")
    for split, count in (("train", 6), ("validation", 2)):
        build_corpus(folder, Scene(0, split, 41 / 25, 64, "babble"), count)
    return folder


@pytest.fixture(scope="session")
def talking_photograph(photographs):
    """61 frames, see ``footage_videos.Talk``."""
    from .footage_videos import draw_talk

    return draw_talk(photographs)


@pytest.fixture(scope="session")
def talk(talking_photograph):
    """What footage is made of; other folders of tests have other talks."""
    return talking_photograph


@pytest.fixture(scope="session")
def videos(tmp_path_factory, talking_photograph):
    """A folder of short videos, see ``footage_videos.write_videos``; read it only."""
    from .footage_videos import write_videos

    return write_videos(tmp_path_factory.mktemp("videos"), talking_photograph)


@pytest.fixture(scope="session")
def footage(tmp_path_factory, videos, tiny_checkpoint):
    """What ``read-core prepare`` makes of ``videos``; read it only."""
    from read_core.footage.prepare import prepare

    from .footage_videos import fast_settings

    folder = tmp_path_factory.mktemp("footage") / "out"
    prepare(videos, folder, fast_settings(tiny_checkpoint))
    return folder


@pytest.fixture
def uncompiled_torchao():
    """Torchao's optimizers without compiling their steps, which takes minutes; skips where it is missing."""
    import torch._dynamo

    pytest.importorskip("torchao.optim", reason="torchao is not installed", exc_type=ImportError)
    with torch._dynamo.config.patch(disable=True):
        yield
