"""Training on prepared footage."""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from read_core.checkpoint import load_model
from read_core.footage.manifest import read_manifest
from read_core.geometry import frames_of_latents
from read_core.media import read_image
from read_core.media.frames import FrameReader
from read_core.speech import SpeechAE
from read_core.speech.speech_ae import CONTEXT_FRAMES
from read_core.speech.steps import features_of
from read_core.training.config import ConfigError
from read_core.training.data.footage import FootageWindows, read_face
from read_core.training.loop import train
from read_core.training.noise import SampleNoise
from read_core.training.registry import load_config
from read_core.training.stages.speech_variants import encode_windows
from read_core.transformer import TINY

CONFIG = Path(__file__).parents[4] / "configs" / "smoke" / "a2v.yaml"


def config(tiny_checkpoint, footage, output, **more):
    values: dict[str, Any] = {name: str(tiny_checkpoint / name) for name in ("vae", "whisper", "speech_ae")}
    values |= {
        "clips": None,
        "latents": None,
        "footage": str(footage),
        "windows": [3, 4],
        "output": str(output),
    }
    values |= {"model": dict(TINY), "loop.steps": 2, "loop.batch_size": 2, "loop.sheet_every": 2}
    return load_config(CONFIG, values | more)


def test_windows_are_cut_out_of_items_on_disk(footage):
    items = read_manifest(footage).items("train")
    windows = FootageWindows(items, (3, 4), 2, 0.3, seed=5)
    stored = [load_file(item.path) for item in items]
    for index in range(12):
        sample = windows[index]
        f = sample["latents"].shape[1] - 1
        assert f in (2, 3)
        found = [
            (video, first)
            for video, tensors in enumerate(stored)
            for first in range(1, tensors["latents"].shape[1] - f + 1)
            if torch.equal(tensors["latents"][:, first : first + f].float(), sample["latents"][:, 1:])
        ]
        assert len(found) == 1
        video, first = found[0]
        assert bool(sample["continuation"]) or first == 1
        start, stop = frames_of_latents(1 + first) - 1 - CONTEXT_FRAMES, frames_of_latents(first + f)
        expected = features_of(stored[video]["steps"], max(0, start), stop).float()
        assert torch.equal(sample["speech"][-len(expected) :], expected)
        assert len(sample["speech"]) == stop - start


def test_codes_of_windows_are_those_of_the_whole_item(footage, tiny_checkpoint):
    """Every code, though its window is cut out: the SpeechAE looks back no further than the context."""
    (item, *_), windows = read_manifest(footage).items("train"), (3,)
    dataset = FootageWindows([item], windows, 1, 0.0, seed=0)
    speech_ae = SpeechAE.from_pretrained(tiny_checkpoint / "speech_ae").eval()
    steps, count = load_file(item.path)["steps"], item.latents
    with torch.no_grad():
        whole = speech_ae.encode(features_of(steps, 0, frames_of_latents(count))[None].float())[0]
        for first in range(1, count - 1):
            codes = encode_windows(speech_ae, dataset.speech(0, first, 2)[None])[0]
            torch.testing.assert_close(codes, whole[first : first + 2], rtol=1e-4, atol=1e-5)


def made_video(output):
    return output / "sheets" / "0000002.mp4"


@pytest.mark.parametrize("speech", ["codes", "tuned"])
def test_the_stage_trains_on_footage_and_tells_where_faces_are(tmp_path, tiny_checkpoint, footage, speech):
    stage_class, made = config(tiny_checkpoint, footage, tmp_path / "run", speech=speech)
    stage = stage_class(made)
    trained = {name for name, p in stage.model.named_parameters() if p.requires_grad}
    assert any(name.startswith("speech_ae.") for name in trained) == (speech == "tuned")
    figures = train(stage, made.loop, made.output)
    assert all(map(math.isfinite, figures.values()))
    sheet = read_image(tmp_path / "run" / "sheets" / "0000002.png")
    video = [torch.from_numpy(one.pixels()) / 255 for one in FrameReader(made_video(tmp_path / "run")).read()]
    assert (len(video), video[0].shape) == (25, (64, 128, 3))
    for row in (0, 1):  # the true one, the generated one
        cell = sheet[64 * row : 64 * (row + 1), :64]
        apart = {
            (half, index): float((video[index][:, 64 * half : 64 * (half + 1)] - cell).square().mean())
            for half in (0, 1)
            for index in (0, 10, 19, 20, 21)
        }
        assert min(apart, key=apart.__getitem__) == (row, 20)
    face = read_face(tmp_path / "run" / "export")
    assert face is not None
    assert face.eyes == 0.36
    told = json.loads((tmp_path / "run" / "export" / "footage.json").read_text())
    assert told["license"] == "test footage"


@pytest.fixture
def captioned(footage, tmp_path):
    """Footage of which one item and one other video have texts of their own; some tokens do not count."""
    folder = shutil.copytree(footage, tmp_path / "captioned")
    first, *others = read_manifest(folder).items("train")
    (other, *_) = [item for item in others if item.path.parent != first.path.parent]
    for number, file in enumerate(
        (first.path.with_suffix(".prompt.safetensors"), other.path.parent / "prompt.safetensors")
    ):
        tokens = torch.full((3 + number, TINY["caption_channels"]), 1.0 + number)
        save_file({"embedding": tokens, "mask": torch.arange(3 + number) < 2}, file)
    return folder


def test_items_are_trained_with_their_own_texts(tmp_path, tiny_checkpoint, captioned):
    more = {"captions": True, "prompt_tokens": 3, "dropout.caption": 0.5, "loop.batch_size": 64}
    stage_class, made = config(tiny_checkpoint, captioned, tmp_path / "run", **more)
    stage = stage_class(made)
    common = stage.prompt[0]
    samples = [stage.dataset[index] for index in range(64)]
    kinds = set()
    for sample in samples:
        tokens = sample["prompt"][sample["prompt_mask"]]
        kind = 0 if torch.equal(tokens, common) else int(tokens[0, 0])
        assert kind == 0 or torch.equal(tokens, torch.full((2, TINY["caption_channels"]), float(kind)))
        kinds.add(kind)
    assert kinds >= {1, 2}
    seen: list[torch.Tensor] = []

    def model(noisy, times, speech, prompt, masks, continuation, prompt_mask):
        seen.extend(one[counts] for one, counts in zip(prompt, prompt_mask, strict=True))
        return noisy

    batch = {name: torch.stack([s[name] for s in samples]) for name in ("prompt", "prompt_mask")}
    rest = {name: value[None].expand(64, *value.shape) for name, value in samples[0].items()}
    stage.loss(model, rest | batch, SampleNoise(0, range(64)))
    own = [sample["prompt"][sample["prompt_mask"]] for sample in samples]
    kept = [torch.equal(one, other) for one, other in zip(seen, own, strict=True)]
    assert all(torch.equal(one, common) for one, is_own in zip(seen, kept, strict=True) if not is_own)
    told = [not torch.equal(one, common) for one in own]
    share = sum(k for k, t in zip(kept, told, strict=True) if t) / sum(told)
    assert 0.2 < share < 0.8


def test_a_step_with_texts_goes_through_and_footage_without_any_is_refused(
    tmp_path, tiny_checkpoint, footage, captioned
):
    more = {"captions": True, "loop.steps": 1}
    stage_class, made = config(tiny_checkpoint, captioned, tmp_path / "run", **more)
    assert all(map(math.isfinite, train(stage_class(made), made.loop, made.output).values()))
    stage_class, made = config(tiny_checkpoint, footage, tmp_path / "none", **more)
    with pytest.raises(ConfigError, match=r"no item has one; expected .*\d\.prompt\.safetensors"):
        stage_class(made)


def test_footage_of_another_vae_is_refused(tmp_path, tiny_checkpoint, footage):
    vae = load_model("vae", tiny_checkpoint / "vae")
    vae.encoder.conv_in.conv.weight.mul_(2)
    vae.save_pretrained(tmp_path / "vae")
    stage_class, made = config(tiny_checkpoint, footage, tmp_path / "run", vae=str(tmp_path / "vae"))
    with pytest.raises(ConfigError, match="prepared with another vae"):
        stage_class(made)


def test_footage_and_clips_at_once_are_refused(tiny_checkpoint, footage, tmp_path):
    both = {"clips": "somewhere", "latents": "elsewhere"}
    with pytest.raises(ConfigError, match="either footage, or clips and latents"):
        config(tiny_checkpoint, footage, tmp_path, **both)
    values: dict[str, Any] = {name: str(tiny_checkpoint / name) for name in ("vae", "whisper", "speech_ae")}
    with pytest.raises(ConfigError, match="either footage, or clips and latents"):
        load_config(CONFIG, values | {"clips": None, "latents": None})
