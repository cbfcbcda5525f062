"""SpeechAE: shapes, causality, parts against the whole, the decoder's way of doubling time."""

from __future__ import annotations

import pytest
import torch

from read_core.errors import InputError
from read_core.speech import SpeechAE
from read_core.speech.speech_ae import Upsample

WINDOW, DIM = 6, 10


@pytest.fixture(scope="module")
def model() -> SpeechAE:
    torch.manual_seed(0)
    model = SpeechAE(
        speech_window=WINDOW, feature_dim=DIM, code_window=3, code_dim=8, hidden_dim=12, expansion=2
    ).eval()
    model.speech_mean.normal_()
    model.speech_std.uniform_(0.5, 2)
    return model.double()


def speech(frames: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(2, frames, WINDOW, DIM, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize(("frames", "codes"), [(1, 1), (9, 2), (121, 16), (457, 58)])
def test_shapes(model, frames, codes):
    s = speech(frames)
    c = model.encode(s)
    assert c.shape == (2, codes, 3, 8)
    assert model.decode(c).shape == s.shape
    assert torch.equal(model(s), model.decode(c))


@pytest.mark.parametrize("frames", [2, 8, 120])
def test_other_lengths_are_refused(model, frames):
    with pytest.raises(InputError, match=rf"{frames} frames"):
        model.encode(speech(frames))


@torch.no_grad()
def test_full_size_is_the_default():
    with torch.device("meta"):
        codes = SpeechAE().encode(torch.empty(1, 121, 50, 384))
    assert codes.shape == (1, 16, 32, 768)


@torch.no_grad()
@pytest.mark.parametrize("cut", [1, 9, 33, 34, 40, 41, 48])
def test_a_code_sees_no_later_frame(model, cut):
    """Changing frame ``cut`` and all later ones leaves the codes i with 8 i < cut as they were."""
    before = speech(49)
    after = before.clone()
    after[:, cut:] += 1
    a, b = model.encode(before), model.encode(after)
    untouched = -(-cut // 8)
    assert torch.equal(a[:, :untouched], b[:, :untouched])
    assert not torch.isclose(a[:, untouched:], b[:, untouched:]).all(dim=(0, 2, 3)).any()


@torch.no_grad()
def test_a_code_sees_fourteen_frames_back(model):
    """Code 4 sees frames 18 .. 32 and no other."""
    before = speech(49)
    for frame in range(49):
        after = before.clone()
        after[:, frame] += 1
        moved = not torch.allclose(model.encode(before)[:, 4], model.encode(after)[:, 4], atol=1e-12)
        assert moved == (18 <= frame <= 32), frame


@torch.no_grad()
def test_a_decoded_frame_sees_no_later_code(model):
    """Frame t belongs to code ceil(t / 8), as in the temporal VAE."""
    codes = model.encode(speech(49))
    before = model.decode(codes)
    for index in range(7):
        changed = codes.clone()
        changed[:, index] += 1
        first = max(0, 8 * index - 7)
        after = model.decode(changed)
        assert torch.equal(before[:, :first], after[:, :first])
        assert not torch.allclose(before[:, first], after[:, first])


@torch.no_grad()
@pytest.mark.parametrize("length", [1, 2, 5, 16])
def test_parts_with_context_equal_the_whole(model, length):
    s = speech(121)
    whole = model.encode(s)
    parts = []
    for first in range(0, 16, length):
        last = min(first + length, 16) - 1
        start = 8 * first
        padded = torch.cat([s[:, :1].expand(-1, 14, -1, -1), s], dim=1)
        context = padded[:, start : start + 14]
        parts.append(model.encode(s[:, start : 8 * last + 1], context=context))
    torch.testing.assert_close(torch.cat(parts, dim=1), whole, atol=1e-12, rtol=0)


@torch.no_grad()
def test_repeating_the_first_frame_is_repeating_it_at_every_stage(model):
    """The context put in front of the input equals replicate padding of each convolution."""
    s = speech(33)
    x = model.encoder_dim(model.encoder_window(model.standardize(s).transpose(-1, -2)).transpose(-1, -2))
    for stage in model.encoder_stages:
        x = stage(torch.cat([x[:, :1], x[:, :1], x], dim=1))
    torch.testing.assert_close(model.code_norm(model.encoder_out(x)), model.encode(s), atol=1e-12, rtol=0)


@torch.no_grad()
def test_upsampling_repeats_twice_and_drops_the_first():
    """With the convolution at zero only the skip path is left: a, b, c -> a, b, b, c, c."""
    stage = Upsample(4)
    torch.nn.init.zeros_(stage.conv.weight)
    torch.nn.init.zeros_(stage.conv.get_parameter("bias"))
    x = torch.randn(1, 3, 2, 4)
    assert torch.equal(stage(x), x[:, [0, 1, 1, 2, 2]])


@torch.no_grad()
def test_decoder_stages_double_time(model):
    lengths = []
    x = model.decoder_in(model.encode(speech(121)))
    for stage in model.decoder_stages:
        x = stage(x)
        lengths.append(x.shape[1])
    assert lengths == [31, 61, 121]


@torch.no_grad()
def test_statistics_of_the_features_enter_and_leave(model):
    """Features in other units, with the statistics in those units, give the same codes."""
    other = SpeechAE(**{k: model.config[k] for k in model.config if not k.startswith("_")}).double().eval()
    other.load_state_dict(model.state_dict())
    other.speech_mean.mul_(10).add_(3)
    other.speech_std.mul_(10)
    s = speech(17)
    torch.testing.assert_close(other.encode(10 * s + 3), model.encode(s), atol=1e-10, rtol=0)
    torch.testing.assert_close(other(10 * s + 3), 10 * model(s) + 3, atol=1e-9, rtol=0)


@torch.no_grad()
def test_save_and_load(model, tmp_path):
    model.save_pretrained(tmp_path)
    loaded = SpeechAE.from_pretrained(tmp_path, torch_dtype=torch.float64)
    assert (tmp_path / "diffusion_pytorch_model.safetensors").is_file()
    assert all(torch.equal(value, model.state_dict()[name]) for name, value in loaded.state_dict().items())
    torch.testing.assert_close(loaded(speech(9)), model(speech(9)))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_rounds_neither_the_statistics_nor_what_is_far_from_zero(dtype):
    """Features of mean 300 and deviation 0.5: half precision tells 0.25 apart there, bfloat16 2."""
    torch.manual_seed(0)
    model = SpeechAE(speech_window=WINDOW, feature_dim=DIM, code_window=3, code_dim=8, hidden_dim=12)
    model.speech_mean.normal_(300, 1)
    model.speech_std.uniform_(0.4, 0.6)
    mean, std = model.speech_mean.double(), model.speech_std.double()
    features = (mean + std * torch.randn(1, 9, WINDOW, DIM, dtype=torch.float64)).float()
    torch.nn.Sequential(model).to(dtype)
    assert model.encoder_dim.weight.dtype == dtype
    standard = model.standardize(features)
    assert standard.dtype == dtype
    torch.testing.assert_close(standard.double(), (features.double() - mean) / std, atol=0.02, rtol=0.01)
    assert torch.equal(model.speech_mean.double(), mean)
    codes = model.encode(features)
    assert model.decode(codes).dtype == torch.float32
