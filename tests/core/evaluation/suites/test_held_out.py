"""Generated videos against people that footage holds out."""

from __future__ import annotations

import shutil

import pytest
import torch

from read_core.errors import InputError
from read_core.evaluation.comparison import Tools
from read_core.evaluation.suites.videos import run_videos

from ...footage_videos import with_splits


def test_real_videos_of_prepared_footage_are_those_held_out(tmp_path, footage):
    folder, names = with_splits(footage, tmp_path / "footage", 1)
    (name,), trained = names["validation"], names["train"][0]
    for each in (name, "another"):
        (tmp_path / "made" / each).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(folder / "sources" / f"{name}.mp4", tmp_path / "made" / f"{each}.mp4")
    tools = Tools(None, torch.device("cpu"), lambda _: None)
    report = run_videos(tmp_path / "made", folder / "sources", ["color"], tools, tmp_path / "out")
    assert report.metadata["real"] == f"1 videos in {folder / 'sources'}, split validation"
    assert report.metadata["of the same name"] == 1
    (tmp_path / "made" / trained).parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(folder / "sources" / f"{trained}.mp4", tmp_path / "made" / f"{trained}.mp4")
    with pytest.raises(InputError, match="names of items for training"):
        run_videos(tmp_path / "made", folder / "sources", ["color"], tools, tmp_path / "out")
