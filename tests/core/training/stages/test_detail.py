"""Stage detail: what the codec's files hold, samples, the loss against plain formulas, and a run."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from read_core.corpus.video_file import find_clips
from read_core.detail import DetailNetwork
from read_core.errors import ReadError
from read_core.training.config import ConfigError
from read_core.training.data.detail import DetailDataset, decode_clips, mirrored, shrunk
from read_core.training.loop import train
from read_core.training.noise import SampleNoise
from read_core.training.registry import load_config
from read_core.training.stages.detail import DetailStage, to_planes
from read_core.training.stages.vae import box_weights
from read_core.video import DecodeSettings, TemporalVAE

CONFIG = Path(__file__).parents[4] / "configs" / "smoke" / "detail.yaml"


@pytest.fixture(scope="module")
def vae_folder(tmp_path_factory, tiny_components) -> Path:
    folder = tmp_path_factory.mktemp("vae")
    tiny_components.vae.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def clips(clips_folder, tmp_path_factory) -> Path:
    """The drawn videos, with eyes and blinks that are made up."""
    folder = tmp_path_factory.mktemp("clips")
    for split in ("train", "validation"):
        (folder / split).mkdir()
        for file in find_clips(clips_folder, split):
            content = load_file(file.path)
            eyes = torch.tensor([[18.0, 20, 28, 26], [36, 20, 46, 26]])
            content["eyes"] = eyes.expand(len(content["frames"]), 2, 4).contiguous()
            content["blink"] = torch.zeros(len(content["frames"]))
            content["blink"][3::8] = 1
            save_file(content, folder / split / file.path.name)
    return folder


@pytest.fixture(scope="module")
def config(clips, vae_folder, tmp_path_factory):
    output = tmp_path_factory.mktemp("detail")
    return make_config(clips, vae_folder, output)


def make_config(clips, vae_folder, output, **changes):
    values = {
        "clips": str(clips),
        "vae": str(vae_folder),
        "output": str(output),
        "decoded": str(output / "decoded"),
        **changes,
    }
    return load_config(CONFIG, values)[1]


@pytest.fixture(scope="module")
def stage(config) -> DetailStage:
    return DetailStage(config)


def one_batch(stage, count=2):
    samples = [stage.dataset[index] for index in range(count)]
    return {name: torch.stack([sample[name] for sample in samples]) for name in samples[0]}


def test_without_noise_files_hold_what_the_codec_makes(clips, vae_folder, tmp_path, tiny_components):
    quiet = make_config(clips, vae_folder, tmp_path, **{"codec.noise": 0.0})
    files = find_clips(clips, "train")[:2]
    made = load_file(decode_clips(files, quiet.decoded, vae_folder, quiet.codec, torch.device("cpu"))[1])
    codec = TemporalVAE(tiny_components.vae, DecodeSettings(3, 8, 0.0, 0.0))

    def error(start, stop, result):
        small = shrunk(files[1].read(start, stop)[0], 2)
        return (result.float() / 255 - codec.decode(codec.encode(small[None]))[0]).abs().max()

    start = int(made["start"])
    assert error(start, start + 9, made["decoded"]) <= 0.51 / 255
    assert made["portraits"][0] == 0
    for index, portrait in zip(made["portraits"].tolist(), made["decoded_portraits"], strict=True):
        assert error(index, index + 1, portrait[None]) <= 0.51 / 255


def test_what_another_codec_made_is_refused(stage, config, clips, vae_folder, tiny_components, tmp_path):
    files = find_clips(clips, "train")[:1]
    other = config.codec.model_copy(update={"noise": 0.5})
    with pytest.raises(ReadError, match="again"):
        decode_clips(files, config.decoded, vae_folder, other, torch.device("cpu"))
    state = {name: value.clone() for name, value in tiny_components.vae.state_dict().items()}
    changed = type(tiny_components.vae).from_config(tiny_components.vae.config)
    changed.load_state_dict(state)
    with torch.no_grad():
        changed.decoder.conv_out.conv.bias.add_(1)
    changed.save_pretrained(tmp_path)
    with pytest.raises(ReadError, match="again"):
        decode_clips(files, config.decoded, tmp_path, config.codec, torch.device("cpu"))


def test_a_sample_is_two_frames_and_a_portrait_of_one_video(stage):
    videos = [file.read() for file in stage.dataset.files]
    seen = set()
    for index in range(24):
        sample, again = stage.dataset[index], stage.dataset[index]
        assert all(torch.equal(sample[name], again[name]) for name in sample)
        matches = []
        for mirror, candidate in ((False, sample), (True, mirrored(sample))):
            for frames, boxes in videos:
                for first in range(len(frames) - 1):
                    if torch.equal(frames[first : first + 2], candidate["frames"]):
                        assert torch.allclose(boxes[first : first + 2], candidate["boxes"], atol=1e-4)
                        assert any(torch.equal(frame, candidate["portrait"]) for frame in frames)
                        matches.append(mirror)
        assert matches
        seen.add(matches[0])
    assert seen == {False, True}


def test_blinks_are_drawn_more_often(stage):
    files, decoded = stage.dataset.files, stage.dataset.decoded
    shares = []
    for share in (0.0, 1.0):
        dataset = DetailDataset(files, decoded, 0, share)
        shut = 0
        for index in range(40):
            frame = dataset[index]["frames"][0]
            for file in files:
                frames = file.read()[0]
                blinking = frames[file.blinks()]
                shut += bool(((blinking == frame) | (blinking == frame.flip(1))).flatten(1).all(1).any())
        shares.append(shut)
    assert shares[1] > 2 * shares[0]


def test_mirroring_twice_changes_nothing_and_boxes_follow_the_pixels(stage):
    sample = stage.dataset[0]
    other = mirrored(sample)
    for name, value in mirrored(other).items():
        torch.testing.assert_close(value, sample[name])
    for name in ("boxes", "eyes"):
        boxes = sample[name].reshape(1, -1, 4)
        mirrored_boxes = other[name].reshape(1, -1, 4)
        inside, flipped = (box_weights(b, (64, 64), 1.0) for b in (boxes, mirrored_boxes))
        assert torch.equal(inside.flip(-1), flipped)


def test_shrinking_keeps_the_mean():
    frames = torch.randint(0, 256, (2, 16, 24, 3), generator=torch.Generator().manual_seed(0)).to(torch.uint8)
    small = shrunk(frames, 2)
    assert small.shape == (2, 8, 12, 3)
    assert small.mean().item() == pytest.approx(frames.float().mean().item() / 255, abs=0.01)


def test_a_perfect_result_costs_nothing_and_a_constant_error_its_size(stage):
    batch = one_batch(stage)
    true = to_planes(batch["frames"])
    assert stage.loss(lambda *_: true, batch, SampleNoise(0, []))[0].item() == pytest.approx(0, abs=1e-6)
    loss, figures = stage.loss(lambda *_: true + 0.05, batch, SampleNoise(0, []))
    assert loss.item() == pytest.approx(math.sqrt(0.1**2 + 0.05**2) - 0.05, rel=1e-4)
    assert figures["db"] == pytest.approx(-20 * math.log10(0.05), rel=1e-4)


@pytest.mark.parametrize("name", ["boxes", "eyes"])
def test_errors_at_mouth_and_eyes_cost_more(stage, name):
    batch = one_batch(stage)
    true = to_planes(batch["frames"])
    boxes = batch["boxes"] if name == "boxes" else batch["eyes"][:, :, 0]
    inside = (box_weights(boxes, (64, 64), 1.0) > 1)[:, 0].flatten(0, 1)[:, None]
    elsewhere = torch.zeros_like(inside)
    elsewhere[..., -12:, :] = True
    costs = [
        stage.loss(lambda *_, m=mask: true + 0.2 * m, batch, SampleNoise(0, []))[0].item() / mask.sum().item()
        for mask in (inside, elsewhere)
    ]
    assert costs[0] > 2 * costs[1]


def test_flicker_counts_where_nothing_moves_only(stage):
    batch = one_batch(stage)
    batch["frames"][:, 1] = batch["frames"][:, 0]
    batch["frames"][:, 1, :32] = 255 - batch["frames"][:, 0, :32]
    true = to_planes(batch["frames"])
    moving, still = true.clone(), true.clone()
    moving[1::2, :, :28] += 0.1
    still[1::2, :, 36:] += 0.1
    flickers = [
        stage.loss(lambda *_, o=o: o, batch, SampleNoise(0, []))[1]["flicker"] for o in (moving, still)
    ]
    assert flickers[0] < 0.1 * flickers[1]


def test_figures_compare_the_forms(stage):
    figures = stage.measure(stage.model.eval())
    names = {
        f"{form}_{place}"
        for form in ("cubic", "unlearned", "learned")
        for place in ("whole", "mouth", "eyes")
    }
    assert set(figures) == names
    # Untrained, the network is nearly the training-free form.
    assert figures["learned_whole"] == pytest.approx(figures["unlearned_whole"], abs=0.5)


@pytest.mark.slow
def test_a_run_that_was_stopped_ends_with_the_same_weights(clips, vae_folder, tmp_path):
    weights = []
    for name, stops in (("whole", ()), ("parts", (2,))):
        few = {"loop.steps": 4, "loop.sheet_every": 2, "videos": 3}
        changed = make_config(clips, vae_folder, tmp_path / name, **few)
        for stop in stops:
            assert train(DetailStage(changed), changed.loop, changed.output, stop_after=stop) == {}
        figures = train(DetailStage(changed), changed.loop, changed.output)
        assert figures == json.loads((changed.output / "figures.json").read_text())
        assert (changed.output / "sheets" / "0000002.png").is_file()
        weights.append(DetailNetwork.from_pretrained(changed.output / "export").state_dict())
    for name, value in weights[0].items():
        assert torch.equal(value, weights[1][name]), name


def test_training_helps(clips, vae_folder, tmp_path):
    changed = make_config(clips, vae_folder, tmp_path, **{"loop.steps": 30, "loop.sheet_every": 0})
    figures = train(DetailStage(changed), changed.loop, changed.output)
    assert figures["learned_whole"] > figures["unlearned_whole"]


def test_missing_parts_are_named(clips, tmp_path):
    with pytest.raises(ConfigError, match="train stage vae first"):
        DetailStage(make_config(clips, tmp_path / "nothing", tmp_path))


def test_the_script_prints_both_tables(clips, vae_folder, tmp_path, capsys):
    from measure_detail import main

    threads = str(torch.get_num_threads())
    arguments = ["--clips", str(clips), "--vae", str(vae_folder), "--frames", "9", "--threads", threads]
    network = tmp_path / "network"
    DetailNetwork(widths=(8, 12, 16), features=4, refine_width=8).save_pretrained(network)
    assert main([*arguments, "--count", "1", "--network", str(network), "--out", str(tmp_path)]) == 0
    printed = capsys.readouterr().out
    for row in ("| cubic |", "| network |", "128 to 512"):
        assert row in printed
    assert (tmp_path / "detail.json").is_file()
    assert main([*arguments, "--split", "test"]) == 2
    assert "read-core corpus" in capsys.readouterr().err


@pytest.mark.parametrize("size", ["tiny", "full"])
def test_shipped_configurations_describe_a_network_of_at_most_four_megabytes(size):
    shipped = load_config(CONFIG.parents[1] / size / "detail.yaml")[1]
    network = DetailNetwork(**shipped.model)
    assert 2 * sum(p.numel() for p in network.parameters()) <= 4e6
