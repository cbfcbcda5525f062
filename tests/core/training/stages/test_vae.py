"""Stage vae: crops, its loss against plain loops, its figures, and a start that survives a kill."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
import torch
import yaml
from diffusers import AutoencoderKLLTXVideo
from safetensors.torch import load_file

from read_core.corpus.video_file import find_clips
from read_core.mouth.face_fit import FaceFitSettings, fit_face_reader
from read_core.training.config import ConfigError
from read_core.training.loop import train
from read_core.training.noise import SampleNoise
from read_core.training.registry import load_config
from read_core.training.stages.lid_probe import LidProbe
from read_core.training.stages.vae import ClipDataset, VaeStage, box_weights, to_frames, to_pixels
from read_core.video import TemporalVAE
from read_core.video.aligned import AlignedAutoencoder

CONFIG = Path(__file__).parents[4] / "configs" / "smoke" / "vae.yaml"


def make_config(clips: Path, output: Path, **changes):
    values = {"clips": str(clips), "output": str(output), "start_clips": 6, "lengths": [9], **changes}
    return load_config(CONFIG, values)[1]


@pytest.fixture(scope="module")
def stage(clips_folder, tmp_path_factory) -> VaeStage:
    """A stage at its linear start."""
    return VaeStage(make_config(clips_folder, tmp_path_factory.mktemp("vae")))


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_crops_are_slices_of_the_videos_and_of_one_length_per_batch(clips_folder, tmp_path):
    files = find_clips(clips_folder, "train")
    config = make_config(clips_folder, tmp_path, lengths=[9, 17], **{"loop.batch_size": 3})
    dataset, again = (ClipDataset(files, config) for _ in range(2))
    videos = [file.read() for file in files]
    lengths = []
    for index in range(30):
        sample = dataset[index]
        assert torch.equal(sample["frames"], again[index]["frames"])
        count = len(sample["frames"])
        lengths.append(count)
        assert any(
            torch.equal(sample["frames"], frames[start : start + count])
            and torch.equal(sample["boxes"], boxes[start : start + count])
            for frames, boxes in videos
            for start in range(len(frames) - count + 1)
        )
    assert all(len(set(lengths[first : first + 3])) == 1 for first in range(0, 30, 3))
    assert set(lengths) == {9, 17}


def test_samples_are_cut_around_blinks(clips_folder, tmp_path):
    """Against the share of crops that hold a blink by chance."""
    changes = {"lengths": [9], "blinks": 1.0}
    dataset = VaeStage(make_config(clips_folder, tmp_path, start_clips=0, **changes)).dataset
    blinking = [file for file in dataset.files if len(file.blinks())]
    assert blinking
    for index in range(20):
        frames = dataset[index]["frames"]
        holds = [
            any(start <= t < start + 9 for t in file.blinks().tolist())
            for file in blinking
            for start in range(file.frames - 8)
            if torch.equal(frames, file.read(start, start + 9)[0])
        ]
        assert all(holds)


def test_pixels_inside_the_box_weigh_more():
    boxes = torch.tensor([[[2.0, 1.0, 5.2, 3.9]]])
    weights = box_weights(boxes, (6, 8), 4.0)
    assert weights.shape == (1, 1, 1, 6, 8)
    for row in range(6):
        for column in range(8):
            inside = 2.0 < column + 0.5 < 5.2 and 1.0 < row + 0.5 < 3.9
            assert weights[0, 0, 0, row, column] == (5.0 if inside else 1.0)


def test_pixels_and_frames_are_each_others_inverse():
    frames = torch.randint(0, 256, (2, 3, 4, 5, 3), generator=generator(0), dtype=torch.uint8)
    pixels = to_pixels(frames)
    assert pixels.shape == (2, 3, 3, 4, 5)
    assert pixels.min() >= -1
    assert pixels.max() <= 1
    torch.testing.assert_close(to_frames(pixels), frames.float() / 255)


def test_a_constant_error_costs_its_size_and_that_of_the_latents(stage):
    batch = {key: value[None] for key, value in stage.dataset[0].items()}
    latents = torch.full((1, 16, 2, 2, 2), 3.0)

    def shifted(pixels, noise):
        assert noise.shape == latents.shape
        return pixels + 0.1, latents, None

    weights = stage.config.loss
    loss, figures = stage.loss(shifted, batch, SampleNoise(0, [0]))
    soft = math.sqrt(0.1**2 + 0.05**2) - 0.05  # neither edges nor motion see a constant
    assert loss.item() == pytest.approx(soft + weights.size * 9.0, rel=1e-4)
    assert figures["db"] == pytest.approx(10 * math.log10(4 / 0.01), rel=1e-4)


def test_each_sample_s_noise_has_a_size_of_its_own_up_to_the_configured_one(stage):
    one = {key: value[None] for key, value in stage.dataset[0].items()}
    batch = {key: torch.cat([value] * 8) for key, value in one.items()}
    sizes = []

    def seen(pixels, noise):
        sizes.extend(noise.std((1, 2, 3, 4)).tolist())
        return pixels + 0.1, torch.zeros_like(noise), None

    for seed in range(8):
        stage.loss(seen, batch, SampleNoise(seed, range(8)))
    largest = stage.config.loss.noise
    assert len(sizes) == 64
    assert 0 < min(sizes) < 0.2 * largest
    assert 0.8 * largest < max(sizes) < 1.2 * largest


@pytest.mark.parametrize("place", ["mouth", "eyes"])
def test_errors_at_mouth_and_eyes_cost_more(stage, monkeypatch, place):
    loss = stage.config.loss.model_copy(update={"mouth": 0.0, "eyes": 0.0, place: 8.0})
    monkeypatch.setattr(stage, "config", stage.config.model_copy(update={"loss": loss}))
    batch = {key: value[None] for key, value in stage.dataset[0].items()}
    boxes = {"mouth": batch["boxes"], "eyes": batch["eyes"][:, :, 0]}[place]
    inside = box_weights(boxes, (64, 64), 1.0) > 1
    elsewhere = torch.roll(inside, (20, 20), dims=(3, 4)) & ~inside

    def wrong_at(mask):
        def model(pixels, noise):
            return pixels + 0.2 * mask, torch.zeros_like(noise) + torch.randn(noise.shape), None

        return model

    at_place, at_others = (
        stage.loss(wrong_at(mask), batch, SampleNoise(0, [0]))[0].item() / mask.sum().item()
        for mask in (inside, elsewhere)
    )
    assert at_place > 2 * at_others


def test_the_mouth_s_shape_is_added_with_its_weight(stage, clips_folder, tmp_path):
    reader = {"presenters": 3, "steps": 5}
    changes = {"start_clips": 0, "loss.shape": 0.5, "reader": reader}
    with_shape = VaeStage(make_config(clips_folder, tmp_path, **changes))
    batch = {key: value[None] for key, value in stage.dataset[0].items()}

    def wrong(pixels, noise):
        return -pixels, torch.zeros_like(noise), None

    plain, figures = stage.loss(wrong, batch, SampleNoise(0, [0]))
    loss, more = with_shape.loss(wrong, batch, SampleNoise(0, [0]))
    assert more["shape"] > 0
    assert loss.item() == pytest.approx(plain.item() + 0.5 * more["shape"].item(), rel=1e-5)
    assert more["db"] == figures["db"]
    assert "shape" not in figures


def test_a_reader_of_faces_sees_lids_too(stage, clips_folder, tmp_path):
    fit_face_reader(tmp_path / "reader.safetensors", FaceFitSettings(drawn=2, steps=4, batch=2))
    changes = {"start_clips": 0, "loss.shape": 0.5, "reader.faces": "where the reader is made of them"}
    batch = {key: value[None] for key, value in stage.dataset[0].items()}
    x0, y0, x1, y1 = (round(edge) for edge in batch["eyes"][0, 0, 0].tolist())

    def wrong(pixels, noise):
        output = pixels.clone()
        output[..., y0:y1, x0:x1] *= -1
        return output, torch.zeros_like(noise), None

    plain, _ = stage.loss(wrong, batch, SampleNoise(0, [0]))
    seen = []
    for lids in (1.0, 3.0):
        with_lids = VaeStage(make_config(clips_folder, tmp_path, **changes, **{"loss.lids": lids}))
        loss, figures = with_lids.loss(wrong, batch, SampleNoise(0, [0]))
        assert loss.item() == pytest.approx(plain.item() + 0.5 * figures["shape"].item(), rel=1e-5)
        seen.append(figures["shape"])
    assert seen[1] > seen[0] > 0


@torch.no_grad()
def test_the_lids_are_read_from_the_change_of_the_latents():
    """Against a loop over latents and frames."""
    torch.manual_seed(0)
    probe, latents = LidProbe(6, (2, 3)), torch.randn(2, 6, 4, 2, 3)
    torch.nn.init.normal_(probe.map.weight)
    read = probe(latents)
    assert read.shape == (2, 24)
    for sample in range(2):
        for i in range(1, 4):
            change = (latents[sample, :, i] - latents[sample, :, 0]).flatten()
            for t in range(8):
                expected = 10 * (probe.map.weight[t] @ change + probe.map.bias[t])
                assert read[sample, 8 * (i - 1) + t].item() == pytest.approx(expected.item(), abs=1e-4)


def test_latents_learn_to_tell_of_blinks(clips_folder, tmp_path):
    """The error of the lids falls in training, and what is exported is a plain VAE."""
    changes = {"loss.blink": 1.0, "blinks": 1.0, "loop.steps": 40, "loop.log_every": 2, "loop.warmup": 1}
    config = make_config(clips_folder, tmp_path, **changes)
    train(VaeStage(config), config.loop, config.output)
    rows = [json.loads(row) for row in (tmp_path / "log.jsonl").read_text().splitlines()]
    errors = [row["blink"] for row in rows]
    assert sum(errors[-4:]) < 0.8 * sum(errors[:4])
    kept = load_file(tmp_path / "export" / "diffusion_pytorch_model.safetensors")
    assert not [name for name in kept if "lids" in name]


def test_the_linear_start_is_far_better_than_random_weights(stage, clips_folder, tmp_path):
    random = VaeStage(make_config(clips_folder, tmp_path, start_clips=0))
    assert stage.measure()["psnr_frames"] > random.measure()["psnr_frames"] + 3


@torch.no_grad()
def test_figures_are_those_of_a_plain_loop(stage):
    squares: list[torch.Tensor] = []
    places: dict[str, list[torch.Tensor]] = {"mouth": [], "eyes": []}
    for file in stage.held_out:
        frames, boxes = file.read()
        truth = frames.float() / 255
        pixels = truth.permute(3, 0, 1, 2)[None] * 2 - 1
        output = stage.vae.decode(stage.vae.encode(pixels).latent_dist.mode()).sample
        error = ((output[0].permute(1, 2, 3, 0).clamp(-1, 1) + 1) / 2 - truth).square().mean(-1)
        squares.append(error.flatten())
        found = {"mouth": [boxes], "eyes": file.eyes(0, len(frames)).unbind(1)}  # the eyes do not overlap
        for name, boxed in found.items():
            for f, (x0, y0, x1, y1) in [pair for tracks in boxed for pair in enumerate(tracks.tolist())]:
                rows = [r for r in range(64) if y0 < r + 0.5 < y1]
                columns = [c for c in range(64) if x0 < c + 0.5 < x1]
                places[name].append(error[f][rows][:, columns].flatten())
    figures = stage.measure()
    assert figures["psnr_frames"] == pytest.approx(-10 * math.log10(torch.cat(squares).mean()), abs=0.01)
    for name, errors in places.items():
        assert figures[f"psnr_{name}"] == pytest.approx(-10 * math.log10(torch.cat(errors).mean()), abs=0.01)


def test_training_improves_random_weights_and_the_export_normalizes_its_latents(clips_folder, tmp_path):
    changes = {"loop.steps": 12, "loop.ema": 0.0, "loop.learning_rate": 0.02, "start_clips": 0}
    config = make_config(clips_folder, tmp_path, **changes)
    stage = VaeStage(config)
    with torch.no_grad():
        before = stage.measure()
    figures = train(stage, config.loop, tmp_path)
    assert figures["psnr_frames"] > before["psnr_frames"] + 1
    vae, report = AutoencoderKLLTXVideo.from_pretrained(tmp_path / "export", output_loading_info=True)
    assert not any(report.values())
    files = find_clips(clips_folder, "train")
    encoder = TemporalVAE(vae.eval())
    latents = torch.cat([encoder.encode(f.read(0, f.whole_frames)[0][None].float() / 255) for f in files])
    mean, std = latents.mean((0, 2, 3, 4)), latents.std((0, 2, 3, 4))
    torch.testing.assert_close(mean, torch.zeros(16), atol=1e-3, rtol=0)
    torch.testing.assert_close(std, torch.ones(16), atol=2e-2, rtol=0)


def test_a_frozen_encoder_keeps_its_latents(clips_folder, stage, tmp_path):
    stage.vae.save_pretrained(tmp_path / "earlier")
    config = make_config(
        clips_folder, tmp_path, initial=str(tmp_path / "earlier"), encoder=False, **{"loop.steps": 2}
    )
    later = VaeStage(config)
    train(later, config.loop, tmp_path)
    for name, value in stage.vae.encoder.state_dict().items():
        assert torch.equal(value, later.vae.encoder.state_dict()[name])
    before, after = (each.vae.decoder.get_parameter("conv_in.conv.weight") for each in (stage, later))
    assert not torch.equal(before, after)


def test_a_frozen_encoder_of_aligned_faces_keeps_its_latents(clips_folder, tmp_path):
    """Its last map belongs to the encoder; a transformer may know the mean and the standard deviation."""
    model = yaml.safe_load((CONFIG.parents[1] / "photo" / "vae.yaml").read_text())["model"]
    inner = model["inner"] | {
        "latent_channels": 8,
        "block_out_channels": [16, 16],
        "decoder_block_out_channels": [8, 16],
    }
    vae = AlignedAutoencoder(inner=inner, grid=(2, 2), latent_channels=8)
    for linear in (vae.down, vae.up):
        torch.nn.init.normal_(linear.weight, std=0.1)
    vae.latents_mean.fill_(0.25)
    vae.save_pretrained(tmp_path / "earlier")
    changes = {"initial": str(tmp_path / "earlier"), "encoder": False, "model.up_hidden": 6}
    config = make_config(clips_folder, tmp_path, **changes, **{"loop.steps": 3})
    later = VaeStage(config)
    train(later, config.loop, tmp_path)
    pixels = torch.rand(1, 3, 9, 64, 64) * 2 - 1
    with torch.no_grad():
        assert torch.equal(
            later.vae.eval().encode(pixels).latent_dist.mode(), vae.eval().encode(pixels).latent_dist.mode()
        )
    assert not torch.equal(later.vae.up.weight, vae.up.weight)
    assert later.vae.config.up_hidden == 6
    assert bool(later.vae.up_out.weight.any())
    assert torch.equal(later.vae.latents_mean, vae.latents_mean)


def test_a_kill_in_the_first_save_does_not_lose_the_linear_start(clips_folder, stage, tmp_path):
    (tmp_path / "state" / "step-00000001.tmp").mkdir(parents=True)
    again = VaeStage(make_config(clips_folder, tmp_path))
    for name, value in stage.vae.state_dict().items():
        assert torch.equal(value, again.vae.state_dict()[name])


def test_what_does_not_fit_is_named(clips_folder, tmp_path):
    for lengths in ([10], [9, 49], [], [1]):
        with pytest.raises(ConfigError, match="lengths are"):
            VaeStage(make_config(clips_folder, tmp_path, lengths=lengths))
    with pytest.raises(ConfigError, match="initial is"):
        VaeStage(make_config(clips_folder, tmp_path, initial=str(tmp_path / "nothing")))


@torch.no_grad()
def test_statistics_of_a_channel_that_never_changes_are_numbers(stage):
    vae = AutoencoderKLLTXVideo.from_config(stage.vae.config)
    head = vae.encoder.conv_out.conv
    head.weight.zero_()
    head.bias.copy_(1000 + torch.rand(head.bias.shape, generator=generator(0)))
    stage.measure_statistics(vae)
    channels = len(vae.latents_std)
    torch.testing.assert_close(vae.latents_mean, head.bias[:channels])
    assert vae.latents_std.isfinite().all()
    assert vae.latents_std.max() < 1e-3
