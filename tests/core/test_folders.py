"""A folder put in the place of another: one of the two is always there."""

from __future__ import annotations

from pathlib import Path

import pytest

from read_core.folders import replace_folder


def folder(path, text):
    path.mkdir()
    (path / "file").write_text(text)
    return path


def names(path):
    return sorted(p.name for p in path.iterdir())


def test_the_new_one_takes_the_place_of_the_old_one(tmp_path):
    target = tmp_path / "a"
    for text in ("one", "two"):
        replace_folder(folder(tmp_path / "made", text), target)
        assert (target / "file").read_text() == text
        assert names(tmp_path) == ["a"]


def test_the_old_one_is_never_gone_before_the_new_one_is_there(tmp_path, monkeypatch):
    target, made = folder(tmp_path / "a", "one"), folder(tmp_path / "made", "two")
    rename = Path.rename

    def fail(path, to):
        if path == made:
            assert (tmp_path / "a.old" / "file").read_text() == "one"  # what a kill would leave
            raise OSError("no room")
        return rename(path, to)

    monkeypatch.setattr(Path, "rename", fail)
    with pytest.raises(OSError, match="no room"):
        replace_folder(made, target)
    assert (target / "file").read_text() == "one"
    assert names(tmp_path) == ["a", "made"]


def test_what_an_earlier_kill_left_is_no_hindrance(tmp_path):
    folder(tmp_path / "a.old", "zero")
    replace_folder(folder(tmp_path / "made", "one"), folder(tmp_path / "a", "other"))
    assert names(tmp_path) == ["a"]
