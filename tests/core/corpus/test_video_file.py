"""Video files: what is in them, and slices of them."""

from __future__ import annotations

import pytest
import torch
from safetensors.torch import load_file

from read_core.corpus.scene import Scene, whole_latents
from read_core.corpus.video_file import ClipFile, find_clips
from read_core.errors import InputError

FRAMES = 41


@pytest.fixture
def path(clips_folder):
    return clips_folder / "train" / "babble-000001.safetensors"


def test_a_file_holds_frames_sound_boxes_and_mouth(path):
    content = load_file(path)
    shapes = {name: (tuple(value.shape), value.dtype) for name, value in content.items()}
    assert shapes == {
        "frames": ((FRAMES, 64, 64, 3), torch.uint8),
        "waveform": ((640 * FRAMES,), torch.int16),
        "boxes": ((FRAMES, 4), torch.float32),
        "eyes": ((FRAMES, 2, 4), torch.float32),
        "mouth": ((FRAMES, 3), torch.float32),
        "blink": ((FRAMES,), torch.float32),
    }
    x0, y0, x1, y1 = content["boxes"].unbind(1)
    assert ((x0 >= 0) & (x0 < x1) & (x1 <= 64) & (y0 >= 0) & (y0 < y1) & (y1 <= 64)).all()


def test_what_moves_with_the_mouth_lies_in_its_box(clips_folder):
    """Where the mouth opens, pixels inside the box change more than the picture does on the whole."""
    inside, whole = 0.0, 0.0
    for file in find_clips(clips_folder, "train"):
        frames, boxes = file.read()
        change = frames.float().diff(dim=0).abs().mean(-1)
        x0, y0, x1, y1 = boxes.mean(0).round().long().tolist()
        inside += change[:, y0:y1, x0:x1].mean().item()
        whole += change.mean().item()
    assert inside > 1.5 * whole


def test_a_scene_decides_everything():
    scene = Scene(3, "train", 9 / 25, 64, "babble")
    once, again = scene.draw(), scene.draw()
    assert all(torch.equal(once[name], again[name]) for name in once)
    for other in (Scene(4, "train", 9 / 25, 64, "babble"), Scene(3, "test", 9 / 25, 64, "babble")):
        assert not torch.equal(other.draw()["frames"], once["frames"])


def test_slices_equal_the_whole(path):
    content, clip = load_file(path), ClipFile(path)
    assert (clip.frames, clip.whole_frames) == (FRAMES, 41)
    frames, boxes = clip.read(5, 14)
    assert torch.equal(frames, content["frames"][5:14])
    assert torch.equal(boxes, content["boxes"][5:14])
    assert torch.equal(clip.read()[0], content["frames"])
    assert torch.equal(clip.mouth(), content["mouth"])
    waveform = clip.waveform()
    assert waveform.dtype == torch.float32
    assert waveform.abs().max() <= 1
    torch.testing.assert_close(waveform * 32767, content["waveform"].float())


@pytest.mark.parametrize("span", [(-1, 4), (4, 4), (5, 4), (0, FRAMES + 1)])
def test_a_slice_outside_is_refused(path, span):
    with pytest.raises(InputError, match=r"babble-000001.*41"):
        ClipFile(path).read(*span)


def test_splits_are_found_in_order_and_an_empty_one_is_named(clips_folder):
    clips = find_clips(clips_folder, "train")
    assert [clip.path.stem for clip in clips] == [f"babble-{i:06d}" for i in range(6)]
    with pytest.raises(InputError, match="read-core corpus"):
        find_clips(clips_folder, "test")


@pytest.mark.parametrize("latents", [2, 7, 8, 21])
def test_durations_become_whole_latents(latents):
    frames = 8 * (latents - 1) + 1
    for extra in (0, 3, 7):
        assert whole_latents((frames + extra) / 25) * 25 == pytest.approx(frames)


@pytest.mark.parametrize("content", [b"torn", b""])
def test_a_damaged_video_is_named(path, tmp_path, content):
    whole = path.read_bytes()
    (tmp_path / "train").mkdir()
    damaged = tmp_path / "train" / "damaged.safetensors"
    for written in (content, whole[: len(whole) // 2]):
        damaged.write_bytes(written)
        with pytest.raises(InputError, match="damaged"):
            find_clips(tmp_path, "train")
