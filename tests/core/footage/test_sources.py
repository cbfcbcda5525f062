"""Which files are footage, and who is in them."""

import pytest

from read_core.errors import MediaError
from read_core.footage.sources import find_sources


def touch(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"")


@pytest.mark.parametrize(
    ("layout", "names", "people"),
    [
        (
            "hdtf",
            ["RD_Radio1_000.mp4", "RD_Radio1_012.mp4", "WDA_Obama_1.mp4"],
            ["RD_Radio1"] * 2 + ["WDA_Obama"],
        ),
        ("mead", ["M003/video/front/001.mp4", "W011/video/front/001.mp4"], ["M003", "W011"]),
        ("plain", ["RD_Radio1_000.mp4", "b/M003.mov"], ["", ""]),
    ],
)
def test_the_layout_tells_who_is_in_a_video(tmp_path, layout, names, people):
    touch(tmp_path, *names)
    found = find_sources(tmp_path, layout)
    assert [(source.name, source.identity) for source in found] == list(zip(names, people, strict=True))


def test_other_files_and_hidden_ones_are_left_out(tmp_path):
    touch(tmp_path, "a.MP4", "a.txt", ".b.mp4", ".trash/c.mp4")
    assert [source.name for source in find_sources(tmp_path, "plain")] == ["a.MP4"]


def test_videos_of_one_name_in_several_folders_have_folders_of_their_own(tmp_path):
    touch(tmp_path, "M003/001.mp4", "M005/001.mp4")
    assert len({source.key for source in find_sources(tmp_path, "mead")}) == 2


def test_a_folder_that_is_named_otherwise_is_refused(tmp_path):
    touch(tmp_path, "RD_Radio1_000.mp4", "holiday.mp4")
    with pytest.raises(MediaError, match=r"1 of 2 videos.*holiday\.mp4.*plain"):
        find_sources(tmp_path, "hdtf")


def test_a_folder_without_videos_is_refused(tmp_path):
    with pytest.raises(MediaError, match="holds no videos"):
        find_sources(tmp_path, "plain")
    with pytest.raises(MediaError, match="no such folder"):
        find_sources(tmp_path / "nowhere", "plain")
