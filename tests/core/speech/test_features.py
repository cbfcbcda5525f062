"""Speech features against transformers' own front end and model, and the grid of windows."""

from __future__ import annotations

import pytest
import torch
from transformers import WhisperConfig, WhisperFeatureExtractor, WhisperModel
from transformers.models.whisper.modeling_whisper import WhisperEncoder

from read_core.errors import CheckpointError, InputError
from read_core.speech import WhisperFeatures, load_whisper_encoder

SECOND = 16_000
LAYERS, DIM = 2, 16


def tiny_config(positions: int) -> WhisperConfig:
    return WhisperConfig(
        vocab_size=20,
        d_model=DIM,
        encoder_layers=LAYERS,
        encoder_attention_heads=2,
        encoder_ffn_dim=32,
        decoder_layers=1,
        decoder_attention_heads=2,
        decoder_ffn_dim=32,
        max_source_positions=positions,
        max_target_positions=8,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=2,
        decoder_start_token_id=1,
        suppress_tokens=None,
        begin_suppress_tokens=None,
    )


def tiny_encoder(positions: int) -> WhisperEncoder:
    torch.manual_seed(0)
    encoder = WhisperEncoder(tiny_config(positions)).eval()
    for parameter in encoder.parameters():
        if parameter.ndim > 1 and parameter.requires_grad:
            torch.nn.init.normal_(parameter, std=0.2)
    return encoder


def noise(samples: int, seed: int = 0) -> torch.Tensor:
    return 0.1 * torch.randn(samples, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(scope="module")
def long_window() -> WhisperFeatures:
    return WhisperFeatures(tiny_encoder(1500))


@pytest.fixture(scope="module")
def short_window() -> WhisperFeatures:
    """A window of 2 s, of which 0.4 s at each side are thrown away: a window every 1.2 s."""
    return WhisperFeatures(tiny_encoder(100), margin=0.4)


def frames_of(states: torch.Tensor, frames: int) -> torch.Tensor:
    """The rule of eq. 5 written out: (features, layers + 1, D) -> (F, 10 (layers + 1), D)."""
    speech = torch.zeros(frames, 10 * (LAYERS + 1), DIM)
    for t in range(frames):
        for step, index in enumerate(range(2 * t - 4, 2 * t + 6)):
            if 0 <= index < 2 * frames:
                for layer in range(LAYERS + 1):
                    speech[t, step * (LAYERS + 1) + layer] = states[index, layer]
    return speech


@pytest.mark.parametrize("seconds", [3.0, 24.99])
def test_equals_transformers_within_the_first_window(long_window, seconds):
    waveform = noise(int(seconds * SECOND))
    mel = WhisperFeatureExtractor()(
        waveform.numpy(), sampling_rate=SECOND, return_tensors="pt"
    ).input_features
    hidden = long_window.encoder(mel, output_hidden_states=True).hidden_states
    states = torch.stack(hidden, dim=2)[0].detach()

    speech = long_window(waveform)

    assert len(hidden) == LAYERS + 1
    torch.testing.assert_close(speech, frames_of(states, -(-len(waveform) // 640)), atol=1e-4, rtol=0)


def test_hidden_states_of_the_whole_model_are_those_of_its_encoder():
    torch.manual_seed(1)
    model = WhisperModel(tiny_config(100)).eval()
    mel = torch.randn(1, 80, 200)
    with torch.no_grad():
        whole = model(mel, decoder_input_ids=torch.ones(1, 1, dtype=torch.long), output_hidden_states=True)
    features = WhisperFeatures(model)
    with torch.no_grad():
        alone = features.encoder(mel, output_hidden_states=True).hidden_states
    assert all(torch.equal(a, b) for a, b in zip(whole.encoder_hidden_states, alone, strict=True))
    assert torch.equal(whole.encoder_last_hidden_state, alone[-1])


def test_margin_is_a_sixth_of_the_window(long_window):
    assert long_window.margin == 250
    assert WhisperFeatures(tiny_encoder(500)).margin == 83


@pytest.mark.parametrize("margin", [-0.1, 1.0, 5.0])
def test_margin_out_of_range(margin):
    with pytest.raises(InputError, match="margin"):
        WhisperFeatures(tiny_encoder(100), margin=margin)


def test_every_feature_comes_from_its_window_on_the_fixed_grid(short_window):
    """Windows start at 0, 60, 120 .. features and own 20..80 of theirs, the first 0..80."""
    waveform = noise(int(5.3 * SECOND))
    frames = 133
    padded = torch.cat([waveform, torch.zeros(4 * SECOND)])
    states = torch.cat(
        [
            short_window.encode_window(padded[None, 320 * start : 320 * (start + 100)])[0, first:80]
            for start, first in ((0, 0), (60, 20), (120, 20), (180, 20), (240, 20))
        ]
    )
    torch.testing.assert_close(short_window(waveform), frames_of(states, frames), atol=1e-6, rtol=0)


def test_nothing_outside_its_window_moves_a_feature(short_window):
    """Frames 44 .. 67 use only features 84 .. 139, which window 1 (samples 19 200 .. 51 200) owns."""
    waveform = noise(8 * SECOND)
    changed = noise(8 * SECOND, seed=1) * 5
    changed[19_200:51_200] = waveform[19_200:51_200]
    before, after = short_window(waveform), short_window(changed)
    assert torch.equal(before[42:67], after[42:67])
    assert not torch.equal(before[41], after[41])
    assert not torch.equal(before[68], after[68])


def test_nothing_outside_its_window_moves_a_feature_beyond_30_s(long_window):
    """Window 1 is 20 s to 50 s and owns 25 s to 45 s."""
    waveform = noise(52 * SECOND)
    changed = noise(52 * SECOND, seed=1)
    changed[20 * SECOND : 50 * SECOND] = waveform[20 * SECOND : 50 * SECOND]
    first, last = 25 * 25 + 2, 45 * 25 - 3
    assert torch.equal(long_window(waveform)[first : last + 1], long_window(changed)[first : last + 1])


def test_the_length_of_the_recording_does_not_move_the_grid(short_window):
    waveform = noise(6 * SECOND)
    longer = torch.cat([waveform, torch.zeros(10 * SECOND)])
    assert torch.equal(short_window(waveform)[:-3], short_window(longer)[:147])
    assert torch.equal(short_window(waveform, num_frames=200), short_window(longer, num_frames=200))


@pytest.mark.parametrize("samples", [1, 319, 640, 641, 32_000, 40_000])
def test_any_length(short_window, samples):
    speech = short_window(noise(samples))
    assert speech.shape == (-(-samples // 640), 30, DIM)
    assert speech.dtype == torch.float32
    assert torch.isfinite(speech).all()
    assert not speech[0, :12].any()
    assert speech[0, 12:18].any()
    assert not speech[-1, -12:].any()


@pytest.mark.parametrize("frames", [1, 39, 40, 41, 70, 71, 133])
def test_blocks_are_the_windows_and_join_to_the_whole(short_window, frames):
    waveform = noise(frames * 640)
    blocks = list(short_window.blocks(waveform))
    assert len(blocks) == short_window.num_windows(frames)
    assert all(len(block) <= 40 for block in blocks)
    assert torch.equal(torch.cat(blocks), short_window(waveform))


def test_half_precision_encoder_keeps_the_log_mel_in_float32():
    waveform = noise(2 * SECOND)
    full = WhisperFeatures(tiny_encoder(100))(waveform)
    half = WhisperFeatures(tiny_encoder(100).bfloat16())(waveform)
    assert half.dtype == torch.float32
    error = (half - full).pow(2).mean() / full.pow(2).mean()
    assert 0 < error < 1e-3


@pytest.mark.parametrize(
    ("waveform", "found"),
    [
        (torch.zeros(0), "shape"),
        (torch.zeros(2, 100), "shape"),
        (torch.tensor([0.0, float("nan")]), "NaN"),
        (torch.tensor([float("inf")]), "infinite"),
    ],
)
def test_unusable_waveforms(short_window, waveform, found):
    with pytest.raises(InputError, match=found):
        short_window(waveform)


@pytest.mark.parametrize("shard_size", ["5GB", "4KB"])
@pytest.mark.parametrize("whole", [False, True])
def test_loads_the_encoder_alone_or_out_of_a_whole_model(tmp_path, whole, shard_size):
    model = WhisperModel(tiny_config(100)).eval()
    (model if whole else model.encoder).save_pretrained(tmp_path, max_shard_size=shard_size)
    encoder = load_whisper_encoder(tmp_path)
    expected = model.encoder.state_dict()
    assert encoder.state_dict().keys() == expected.keys()
    assert all(torch.equal(value, expected[name]) for name, value in encoder.state_dict().items())
    assert not encoder.training
    waveform = noise(SECOND)
    assert torch.equal(WhisperFeatures(encoder)(waveform), WhisperFeatures(model)(waveform))


def test_loading_is_strict(tmp_path):
    with pytest.raises(CheckpointError, match=r"config\.json"):
        load_whisper_encoder(tmp_path)
    encoder = tiny_encoder(100)
    encoder.save_pretrained(tmp_path)
    config = tiny_config(100)
    config.encoder_layers = 3
    config.save_pretrained(tmp_path)
    with pytest.raises(CheckpointError, match=r"missing layers\.2\.fc1\.weight"):
        load_whisper_encoder(tmp_path)
    config.encoder_layers = 1
    config.save_pretrained(tmp_path)
    with pytest.raises(CheckpointError, match=r"foreign layers\.1\.fc1\.weight"):
        load_whisper_encoder(tmp_path)
    config.encoder_layers, config.max_source_positions = 2, 50
    config.save_pretrained(tmp_path)
    with pytest.raises(
        CheckpointError, match=r"embed_positions\.weight has shape \(100, 16\), expected \(50, 16\)"
    ):
        load_whisper_encoder(tmp_path)
    weights = tmp_path / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(CheckpointError, match=r"model\.safetensors"):
        load_whisper_encoder(tmp_path)
    weights.unlink()
    with pytest.raises(CheckpointError, match="safetensors"):
        load_whisper_encoder(tmp_path)
