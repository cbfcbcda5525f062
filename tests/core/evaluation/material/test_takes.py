"""Takes are cut from recordings at known frames and samples."""

from __future__ import annotations

import shutil
import wave

import numpy as np
import pytest
import torch
from PIL import Image

from read_core.errors import InputError, MediaError
from read_core.evaluation.material.made import check_made
from read_core.evaluation.material.takes import Recording, real_recordings, write_takes
from read_core.evaluation.material.video_files import find_real, find_videos, held_out_split, read_frames
from read_core.evaluation.metrics.seams import whole_clips
from read_core.media import VideoWriter, waveform_track

from ...footage_videos import with_splits

WINDOW = 4


def numbered(frames):
    """A recording whose frame k has the gray value 4 k, and whose samples the value k / 1000."""
    pixels = (4 * torch.arange(frames)).to(torch.uint8)[:, None, None, None].expand(-1, 32, 48, 3)
    waveform = torch.arange(frames).repeat_interleave(640) / 1000
    return Recording("a", frames, waveform, lambda start, stop: iter(pixels[start:stop]))


def grays(path):
    return [round(float(frame.float().mean())) for frame in read_frames(path)]


def samples(path):
    with wave.open(str(path)) as file:
        assert (file.getframerate(), file.getnchannels()) == (16_000, 1)
        return np.frombuffer(file.readframes(file.getnframes()), "<i2") / 32767


def test_takes_of_each_length_cover_the_recording_and_begin_with_its_portrait(tmp_path):
    total = whole_clips(3, WINDOW)
    assert total == 57
    written = write_takes([numbered(total)], tmp_path, (1, 2, 3), WINDOW)
    starts = [[0, 16, 32], [0, 16], [0]]  # the second of two clips ends with the recording
    for clips, takes, firsts in zip((1, 2, 3), written, starts, strict=True):
        frames = whole_clips(clips, WINDOW)
        for take, first in zip(takes, firsts, strict=True):
            expected = list(range(first, first + frames))
            assert grays(take.video) == pytest.approx([4 * k for k in expected], abs=2)
            assert samples(take.speech)[::640] == pytest.approx(np.array(expected) / 1000, abs=1e-4)
            assert np.asarray(Image.open(take.portrait)).max() == 0
    assert [take.name for take in written[0]] == ["a/1", "a/2", "a/3"]
    assert {take.recording for takes in written for take in takes} == {"a"}
    assert written[2][0].name == "a"
    assert set(find_videos(tmp_path / "real-25")) == {"a/1", "a/2", "a/3"}


def test_what_is_written_is_kept(tmp_path):
    (take,) = write_takes([numbered(25)], tmp_path, (1,), WINDOW)[0]
    before = take.video.stat().st_mtime_ns
    write_takes([numbered(25)], tmp_path, (1,), WINDOW)
    assert take.video.stat().st_mtime_ns == before


def test_real_videos_without_sound_or_too_short_are_left_out(tmp_path):
    track = waveform_track(torch.full((40 * 640,), 0.1), 16_000)
    for name, frames, sound in (("long", 40, track), ("short", 20, track), ("mute", 40, None)):
        with VideoWriter(tmp_path / f"{name}.mp4", (32, 48), sound) as video:
            video.write(torch.rand(frames, 32, 48, 3))
    told: list[str] = []
    (found,) = real_recordings(tmp_path, 25, on_warning=told.append)
    assert (found.name, len(found.waveform)) == ("long", 25 * 640)
    assert len(told) == 2
    everything = list(read_frames(tmp_path / "long.mp4"))
    assert all(torch.equal(a, b) for a, b in zip(found.read(3, 9), everything[3:9], strict=True))
    with pytest.raises(MediaError, match="no video of 50 frames"):
        list(real_recordings(tmp_path, 50, on_warning=told.append))


@pytest.mark.parametrize("held_out", [1, 3])
def test_of_prepared_footage_only_people_held_out_are_taken(tmp_path, footage, held_out):
    folder, names = with_splits(footage, tmp_path / "footage", held_out)
    (found,) = real_recordings(folder / "sources", 25, count=3)
    assert [found.name] == names["validation"]
    assert held_out_split(folder / "sources") == "validation"
    copied = tmp_path / "copied"
    copied.mkdir()
    shutil.copy(folder / "sources" / f"{names['train'][0]}.mp4", copied / "a.mp4")
    assert list(find_real(copied, ["a"])) == ["a"]  # what is copied is a folder like any other
    assert held_out_split(copied) == ""
    with pytest.raises(MediaError, match=r"in its split validation; .*--seconds"):
        list(real_recordings(folder / "sources", 1017, on_warning=lambda _: None))
    with pytest.raises(MediaError, match="no item of the split validation"):
        find_real((folder / "sources" / names["train"][0]).parent)


def test_generated_videos_named_as_footage_for_training_are_refused(tmp_path, footage):
    folder, names = with_splits(footage, tmp_path / "footage", 2)
    assert list(find_real(folder / "sources", [*names["validation"], "of another"])) == names["validation"]
    with pytest.raises(InputError, match=f"1 generated videos .* such as {names['train'][1]}"):
        find_real(folder / "sources", [*names["validation"], names["train"][1]])


def test_a_folder_of_other_videos_is_refused(tmp_path):
    check_made(tmp_path / "a", {"seed": 0, "size": (1, 2)})
    check_made(tmp_path / "a", {"seed": 0, "size": (1, 2)})
    with pytest.raises(InputError, match="choose another --out"):
        check_made(tmp_path / "a", {"seed": 1, "size": (1, 2)})
