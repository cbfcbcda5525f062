"""scripts/try_crops.py: boxes follow their pictures, and a codec without loss has no error."""

from __future__ import annotations

import pytest
import torch
from safetensors.torch import load_file, save_file
from try_crops import CROPS, SIDE, Crop, main, measure_codec, write_crops

from read_core.corpus.video_file import ClipFile
from read_core.video import TemporalVAE

FRAMES = 9


class Lossless(TemporalVAE):
    """A codec that keeps every frame."""

    def __init__(self):
        pass

    def encode(self, frames):
        return frames

    def decode(self, latents, seed=0, num_frames=None):
        return latents


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """Drawn presenters' place, in pictures whose red is x and whose green is y."""
    folder = tmp_path_factory.mktemp("corpus")
    line = torch.arange(SIDE).float()
    noise = torch.rand(FRAMES, SIDE, SIDE, generator=torch.Generator().manual_seed(0)) * 255
    frames = torch.stack([line.expand(SIDE, -1).expand_as(noise), line[:, None].expand_as(noise), noise], -1)
    eyes = torch.tensor([[80.0, 86, 104, 98], [152, 86, 176, 98]]).expand(FRAMES, -1, -1)
    tensors = {
        "frames": frames.byte(),
        "waveform": torch.zeros(640 * FRAMES, dtype=torch.int16),
        "boxes": torch.tensor([100.0, 150, 156, 190]).expand(FRAMES, -1).clone(),
        "eyes": eyes.clone(),
        "mouth": torch.rand(FRAMES, 3),
        "blink": torch.zeros(FRAMES),
    }
    (folder / "validation").mkdir()
    save_file(tensors, folder / "validation" / "one.safetensors", {"scene": "{}"})
    return folder


@pytest.mark.parametrize("name", CROPS)
def test_boxes_follow_their_pictures(corpus, tmp_path, name):
    write_crops(corpus, tmp_path, ["validation"])
    written = load_file(tmp_path / name / "validation" / "one.safetensors")
    whole = load_file(corpus / "validation" / "one.safetensors")
    assert written["frames"].shape == (FRAMES, CROPS[name].size, CROPS[name].size, 3)
    for kind in ("boxes", "eyes"):
        before, after = (part[kind][0].reshape(-1, 4)[0] for part in (whole, written))
        x, y = (after[:2] + after[2:]) / 2 - 0.5
        seen = written["frames"][0, round(float(y)), round(float(x)), :2].float() + 0.5
        torch.testing.assert_close(seen, (before[:2] + before[2:]) / 2, atol=2.0, rtol=0)
    for key in ("waveform", "mouth", "blink"):
        assert torch.equal(written[key], whole[key])


def test_the_tight_crop_has_the_eyes_farther_apart():
    left, right = CROPS["128-tight"].moved(torch.tensor([[92.16, 92.16, 92.16, 92.16], [163.84] * 4]))
    assert float(right[0] - left[0]) / 128 == pytest.approx(0.34, abs=0.005)
    assert float(left[1]) / 128 == pytest.approx(0.30, abs=0.005)


def test_a_codec_without_loss_has_no_error(corpus):
    file = ClipFile(corpus / "validation" / "one.safetensors")
    whole = measure_codec(file, Lossless(), Crop(0, 0, SIDE, SIDE))
    assert whole.mouth == whole.eyes == 100
    found = {name: measure_codec(file, Lossless(), crop) for name, crop in CROPS.items()}
    assert found["128"].mouth < found["160"].mouth < found["192"].mouth < 100
    assert found["128"].mouth < found["128-tight"].mouth


def test_an_unknown_name_is_refused(corpus, capsys):
    assert main(["measure", str(corpus), "96=folder"]) == 2
    assert "128-tight" in capsys.readouterr().err
