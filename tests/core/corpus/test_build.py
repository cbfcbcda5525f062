"""Corpus folders: what is written, resuming, and refusing foreign folders; the command on top."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from read_core.cli.main import main
from read_core.corpus.build import build_corpus
from read_core.corpus.command import configure
from read_core.corpus.drawing.presenter import sample_presenter
from read_core.corpus.drawing.render import mouth_box
from read_core.corpus.motion import sample_motion
from read_core.corpus.scene import Scene, loudness
from read_core.errors import InputError, MediaError

SMALL = Scene(0, "train", 0.4, 64, "babble")


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_files_hold_what_was_drawn(tmp_path: Path) -> None:
    files = build_corpus(tmp_path, replace(SMALL, split="test", seed=4), 2)
    assert [file.relative_to(tmp_path).as_posix() for file in files] == [
        "test/babble-000004.safetensors",
        "test/babble-000005.safetensors",
    ]
    for seed, file in zip((4, 5), files, strict=True):
        truth, found = Scene(seed, "test", 9 / 25, 64, "babble").draw(), load_file(file)
        assert found.keys() == truth.keys()
        assert all(torch.equal(found[name], value) for name, value in truth.items())


def test_every_split_moves_in_its_own_way() -> None:
    """The boxes of the mouth tell how the head moves."""
    for split in ("train", "validation", "test"):
        made = replace(SMALL, split=split, seed=4, seconds=1.0).draw()
        energy = loudness(made["waveform"] / 32767, 25)
        motion = sample_motion(4, 25, energy, split)
        assert torch.allclose(made["boxes"], mouth_box(sample_presenter(4, split), motion, 64), atol=1e-3)


@pytest.mark.corpus
def test_espeak_speaks_by_default(tmp_path: Path, need: Callable[[str], str]) -> None:
    need("espeak")
    (file,) = build_corpus(tmp_path, Scene(0, "validation", 0.4, 64), 1)
    assert file.name == "espeak-000000.safetensors"
    assert load_file(file)["waveform"].abs().max() > 0


def test_an_interrupted_build_goes_on_to_the_same_result(tmp_path: Path) -> None:
    whole = build_corpus(tmp_path / "whole", SMALL, 3)[0].parent
    (kept,) = build_corpus(tmp_path / "part", SMALL, 1)
    before = kept.stat().st_mtime_ns
    build_corpus(tmp_path / "part", SMALL, 3)
    assert contents(kept.parent) == contents(whole)
    assert kept.stat().st_mtime_ns == before


@pytest.mark.slow
def test_workers_change_nothing(tmp_path: Path) -> None:
    one = build_corpus(tmp_path / "one", replace(SMALL, split="validation"), 4)[0].parent
    two = build_corpus(tmp_path / "two", replace(SMALL, split="validation"), 4, workers=2)[0].parent
    assert contents(one) == contents(two)


@pytest.mark.parametrize("change", [{"size": 96}, {"seconds": 0.7}])
def test_a_folder_made_otherwise_is_refused(tmp_path: Path, change: dict[str, Any]) -> None:
    build_corpus(tmp_path, SMALL, 1)
    with pytest.raises(InputError, match="9 frames of 64 x 64"):
        build_corpus(tmp_path, replace(SMALL, **change), 2)
    assert len(list((tmp_path / "train").iterdir())) == 1


@pytest.mark.parametrize(
    "change",
    [
        {"seed": -1},
        {"seconds": -1.0},
        {"seconds": 0.3},
        {"size": 60},
        {"split": "dev"},
        {"synthesizer": "sam"},
        {"framing": 1.5},
    ],
)
def test_an_impossible_video_is_refused(tmp_path: Path, change: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        build_corpus(tmp_path / "corpus", replace(SMALL, **change))
    assert not (tmp_path / "corpus").exists()


@pytest.mark.parametrize("arguments", [{"count": 0}, {"workers": 0}])
def test_impossible_counts_are_refused(tmp_path: Path, arguments: dict[str, int]) -> None:
    with pytest.raises(InputError, match="expected at least 1, 1 and 0"):
        build_corpus(tmp_path / "corpus", SMALL, **arguments)


def test_a_place_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(MediaError, match="cannot be made"):
        build_corpus(tmp_path / "file", SMALL, 1)
    torn = tmp_path / "train" / "babble-000000.safetensors"
    torn.parent.mkdir()
    torn.write_bytes(b"torn")
    with pytest.raises(MediaError, match="babble-000000"):
        build_corpus(tmp_path, SMALL, 1)


def test_loudness_follows_the_sound() -> None:
    waveform = torch.cat([torch.zeros(6400), 0.2 * torch.ones(6400), torch.zeros(100)])
    assert loudness(waveform, 21).tolist() == pytest.approx([0.0] * 10 + [1.0] * 10 + [0.0])


def test_the_command_builds_and_previews(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--split", "test", "--count", "2", "--seconds", "0.4", "--size", "64"]
    arguments += ["--out", str(tmp_path), "--synthesizer", "babble", "--preview", "1"]
    assert main(["corpus", *arguments]) == 0
    assert (tmp_path / "test" / "preview" / "babble-000000.mp4").stat().st_size > 1000
    assert "2 videos" in capsys.readouterr().out


def test_the_earlier_spelling_of_an_option_is_read_but_not_shown(capsys: pytest.CaptureFixture[str]) -> None:
    parser = argparse.ArgumentParser()
    configure(parser)
    assert parser.parse_args(["--out", "x", "--synthesiser", "babble"]).synthesizer == "babble"
    assert parser.parse_args(["--out", "x"]).synthesizer == "espeak"
    parser.print_help()
    shown = capsys.readouterr().out
    assert "--synthesizer" in shown
    assert "--synthesiser" not in shown


def test_the_command_refuses_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["corpus", "--out", str(tmp_path), "--count", "0"]) == 2
    assert "count is 0" in capsys.readouterr().err


def test_a_folder_drawn_with_another_framing_is_refused(tmp_path: Path) -> None:
    build_corpus(tmp_path, SMALL, 1)
    with pytest.raises(InputError, match=r"was drawn with framing 0\.0; expected framing 0\.5"):
        build_corpus(tmp_path, replace(SMALL, framing=0.5), 2)


def test_files_with_earlier_names_of_settings_are_known(tmp_path: Path) -> None:
    (file,) = build_corpus(tmp_path, SMALL, 1)
    with safe_open(file, "pt") as content:
        metadata = {
            key: text.replace("synthesizer", "synthesiser") for key, text in content.metadata().items()
        }
    assert "synthesiser" in str(metadata)
    save_file(load_file(file), file, metadata)
    before = file.read_bytes()
    assert build_corpus(tmp_path, SMALL, 1) == [file]
    assert file.read_bytes() == before


def test_files_that_do_not_say_what_they_were_drawn_with_are_kept(tmp_path: Path) -> None:
    """As corpora of earlier versions do."""
    (file,) = build_corpus(tmp_path, SMALL, 1)
    save_file(load_file(file), file)
    before = file.read_bytes()
    assert build_corpus(tmp_path, replace(SMALL, framing=0.5), 1) == [file]
    assert file.read_bytes() == before
