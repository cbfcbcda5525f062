"""Cached latents against the pipeline's own encoders, and the windows that are cut from them."""

from __future__ import annotations

import os
import shutil
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from read_core import ReadPipeline
from read_core.corpus.video_file import ClipFile, find_clips
from read_core.errors import ReadError
from read_core.training.config import ConfigError
from read_core.training.data.latents import Encoders, WindowDataset, covered, encode_clips

LATENTS = 9


def encoders_of(folder) -> Encoders:
    return Encoders(folder / "vae", folder / "whisper", folder / "speech_ae")


@pytest.fixture(scope="module")
def encoders(tiny_checkpoint) -> Encoders:
    return encoders_of(tiny_checkpoint)


@pytest.fixture
def short_clip(clips_folder, tmp_path) -> ClipFile:
    """19 frames of a video: 17 of them are whole latents."""
    content = load_file(find_clips(clips_folder, "train")[0].path)
    lengths = {"frames": 19, "boxes": 19, "mouth": 19, "waveform": 19 * 640}
    path = tmp_path / "train" / "short.safetensors"
    path.parent.mkdir()
    save_file({name: content[name][:length].contiguous() for name, length in lengths.items()}, path)
    return ClipFile(path)


def test_latents_references_and_codes_are_the_pipelines(short_clip, tiny_checkpoint, encoders, tmp_path):
    (path,) = encode_clips([short_clip], tmp_path / "latents", encoders, torch.device("cpu"))
    item = load_file(path)
    assert path.parent.name == "train"
    assert {value.dtype for value in item.values()} == {torch.float16}
    pipe = ReadPipeline.from_pretrained(tiny_checkpoint, "cpu", torch.float32)
    frames = short_clip.read()[0].float() / 255
    close: dict[str, Any] = {"atol": 5e-3, "rtol": 5e-3}
    torch.testing.assert_close(item["latents"].float(), pipe.vae.encode(frames[None, :17])[0], **close)
    for index, frame in ((0, 0), (1, 5), (3, 16)):
        reference = pipe.encode_reference(frames[frame], (64, 64)).latent[0, :, 0]
        torch.testing.assert_close(item["references"][index].float(), reference, **close)
    codes = pipe.encode_speech(short_clip.waveform(), 16_000).codes[0]
    assert item["codes"].shape[0] == item["latents"].shape[1] == 3
    torch.testing.assert_close(item["codes"][1:].float(), codes[:2], **close)


def test_covered_is_the_share_of_each_cell_that_the_boxes_hold():
    """Against counting small squares."""
    boxes = torch.tensor(
        [[[1.0, 2.0, 5.0, 6.0], [6.0, 1.0, 9.0, 3.5]], [[-2.0, 0.0, 1.5, 4.0], [0, 0, 0, 0]]]
    )
    found = covered(boxes, (8, 12), (2, 3))
    fine = (torch.arange(8 * 20)[:, None] + 0.5) / 20, (torch.arange(12 * 20)[None] + 0.5) / 20
    shares = torch.zeros(2, 8 * 20, 12 * 20)
    for frame in range(2):
        for x0, y0, x1, y1 in boxes[frame].tolist():
            shares[frame] += (fine[0] > y0) & (fine[0] < y1) & (fine[1] > x0) & (fine[1] < x1)
    counted = shares.mean(0).view(2, 80, 3, 80).mean((1, 3))
    torch.testing.assert_close(found, counted, atol=1e-4, rtol=0)


def test_what_is_there_is_kept_and_latents_of_other_encoders_are_refused(
    short_clip, tiny_checkpoint, encoders, tmp_path
):
    folder, cpu = tmp_path / "latents", torch.device("cpu")
    (path,) = encode_clips([short_clip], folder, encoders, cpu)
    written = path.stat().st_mtime_ns
    assert encode_clips([short_clip], folder, encoders, cpu) == [path]
    assert path.stat().st_mtime_ns == written

    other = shutil.copytree(tiny_checkpoint, tmp_path / "other")
    change(other / "vae", "decoder.")
    assert encode_clips([short_clip], folder, encoders_of(other), cpu) == [path]
    change(other / "speech_ae", "encoder_")
    with pytest.raises(ReadError, match="other encoders"):
        encode_clips([short_clip], folder, encoders_of(other), cpu)
    assert path.stat().st_mtime_ns == written


def change(folder, prefix: str) -> None:
    """Add one to the weights whose names begin with ``prefix``."""
    (path,) = folder.glob("*.safetensors")
    weights = {n: v + 1 if n.startswith(prefix) else v for n, v in load_file(path).items()}
    save_file(weights, path)


@pytest.fixture
def marked(tmp_path):
    """Two videos whose latents and codes say where they come from: 100 x video + index; references 50 + r."""
    paths = []
    for video in range(2):
        index = 100.0 * video + torch.arange(LATENTS)
        reference = 100.0 * video + 50 + torch.arange(4)
        paths.append(tmp_path / f"{video}.safetensors")
        content = {
            "latents": index[None, :, None, None].expand(2, -1, 1, 1),
            "references": reference[:, None, None, None].expand(-1, 2, 1, 1),
            "codes": index[:, None, None].expand(-1, 3, 2),
        }
        save_file({name: value.half().contiguous() for name, value in content.items()}, paths[-1])
    return paths


def unpack(sample: dict[str, torch.Tensor]) -> tuple[int, list[int], list[int], bool]:
    """Mark of z_R, marks of the latents, marks of the codes, whether the window continues."""
    z_r, *latents = sample["latents"][0, :, 0, 0].int().tolist()
    return z_r, latents, sample["speech"][:, 0, 0].int().tolist(), bool(sample["continuation"])


def test_windows_lie_where_they_should(marked):
    dataset = WindowDataset(marked, (5,), step=4, start_share=0.4, seed=0)
    starts, places, references = 0, set(), set()
    for index in range(600):
        z_r, latents, codes, continues = unpack(dataset[index])
        video, first = divmod(latents[0], 100)
        assert latents == [100 * video + first + i for i in range(4)]
        assert codes == latents
        assert z_r // 100 == video
        if continues:
            places.add(first)
            references.add(z_r % 100 - 50)
        else:
            starts += 1
            assert (first, z_r) == (1, 100 * video + 50)
    assert 0.33 < starts / 600 < 0.47
    assert places == {1, 2, 3, 4, 5}
    assert references == {0, 1, 2, 3}


def test_a_batch_has_one_window_and_batches_differ(marked):
    dataset = WindowDataset(marked, (3, 5), step=4, start_share=0.5, seed=1)
    lengths = [[dataset[4 * batch + i]["latents"].shape[1] for i in range(4)] for batch in range(20)]
    assert all(len(set(batch)) == 1 for batch in lengths)
    assert {batch[0] for batch in lengths} == {3, 5}


def test_a_sample_is_a_function_of_seed_and_index(marked):
    first, again = (WindowDataset(marked, (5,), 4, 0.5, seed=2) for _ in range(2))
    other = WindowDataset(marked, (5,), 4, 0.5, seed=3)
    assert [unpack(first[i]) for i in range(20)] == [unpack(again[i]) for i in reversed(range(20))][::-1]
    assert [unpack(first[i]) for i in range(20)] != [unpack(other[i]) for i in range(20)]


def test_the_largest_window_is_the_whole_video(marked):
    dataset = WindowDataset(marked, (LATENTS,), 1, 0.0, seed=0)
    assert {unpack(dataset[i])[1][0] % 100 for i in range(10)} == {1}


@pytest.mark.parametrize("windows", [(), (2,), (5, LATENTS + 1)])
def test_impossible_windows_are_refused(marked, windows):
    with pytest.raises(ConfigError, match="windows are"):
        WindowDataset(marked, windows, 1, 0.5, 0)


def test_a_video_that_was_drawn_anew_is_encoded_anew(short_clip, encoders, tmp_path):
    folder, cpu = tmp_path / "latents", torch.device("cpu")
    (path,) = encode_clips([short_clip], folder, encoders, cpu)
    before = load_file(path)["latents"]
    content = load_file(short_clip.path)
    content["frames"] = 255 - content["frames"]
    save_file(content, short_clip.path)
    later = path.stat().st_mtime + 1  # clocks of file systems tick coarsely
    os.utime(short_clip.path, (later, later))
    encode_clips([ClipFile(short_clip.path)], folder, encoders, cpu)
    assert not torch.equal(load_file(path)["latents"], before)
