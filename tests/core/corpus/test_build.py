"""Corpus folders: what is written, resuming, and refusing foreign folders; the command on top."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from read_core.cli import main
from read_core.corpus.build import build_corpus, load_item, read_index
from read_core.corpus.item import item_seed, loudness
from read_core.corpus.synthesis import SynthesiserError, require_synthesiser
from read_core.corpus.utterance import sample_utterance
from read_core.errors import InputError, MediaError


def missing() -> str:
    try:
        require_synthesiser("espeak")
    except SynthesiserError as error:
        return str(error)
    return ""


needs_espeak = pytest.mark.skipif(bool(missing()), reason=missing() or "present")


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.corpus
@needs_espeak
def test_items_hold_what_was_sampled(tmp_path: Path) -> None:
    folder = build_corpus(tmp_path, "test", 3, 1.5, seed=4)
    index = read_index(folder)
    assert [info.id for info in index] == [0, 1, 2]
    for info in index:
        item, truth = load_item(folder, info.id), sample_utterance(item_seed(4, info.id), 1.5, "test")
        assert item.info == info
        assert (info.text, info.voice, info.seconds) == (truth.text, truth.voice, truth.seconds)
        assert torch.equal(item.waveform, truth.waveform)
        assert torch.allclose(item.mouth, truth.mouth, atol=1e-3)
        assert torch.equal(item.phonemes, truth.phonemes)


@pytest.mark.corpus
@needs_espeak
def test_frames_are_drawn_from_seeds(tmp_path: Path) -> None:
    item = load_item(build_corpus(tmp_path, "train", 1, 1.0), 0)
    frames = item.frames(32)
    assert frames.shape == (25, 32, 32, 3)
    assert 0 <= frames.min() < frames.max() <= 1
    assert torch.equal(item.frames(32), frames)
    assert torch.allclose(item.frames(32, 5, 9), frames[5:9], atol=1e-5)


@pytest.mark.corpus
@needs_espeak
def test_an_interrupted_build_goes_on_to_the_same_result(tmp_path: Path) -> None:
    whole = build_corpus(tmp_path / "whole", "train", 4, 0.5)
    part = build_corpus(tmp_path / "part", "train", 2, 0.5)
    kept = part / "000000.safetensors"
    before = kept.stat().st_mtime_ns
    (part / "000001.safetensors").write_bytes(b"torn")
    build_corpus(tmp_path / "part", "train", 4, 0.5)
    assert contents(part) == contents(whole)
    assert kept.stat().st_mtime_ns == before


@pytest.mark.corpus
@pytest.mark.slow
@needs_espeak
def test_workers_change_nothing(tmp_path: Path) -> None:
    one = build_corpus(tmp_path / "one", "validation", 4, 0.5, seed=9)
    two = build_corpus(tmp_path / "two", "validation", 4, 0.5, seed=9, workers=2)
    assert contents(one) == contents(two)


@pytest.mark.corpus
@needs_espeak
@pytest.mark.parametrize("change", [{"seed": 1}, {"seconds": 0.7}])
def test_a_folder_made_otherwise_is_refused(tmp_path: Path, change: dict[str, float]) -> None:
    build_corpus(tmp_path, "train", 1, 0.5)
    with pytest.raises(InputError, match="another seed, synthesiser or duration"):
        build_corpus(**{"out": tmp_path, "split": "train", "count": 2, "seconds": 0.5, **change})


@pytest.mark.parametrize(
    "arguments", [{"count": 0}, {"workers": 0}, {"seconds": -1.0}, {"split": "dev"}, {"synthesiser": "sam"}]
)
def test_impossible_arguments_are_refused(tmp_path: Path, arguments: dict[str, object]) -> None:
    with pytest.raises(InputError):
        build_corpus(tmp_path / "corpus", **arguments)
    assert not (tmp_path / "corpus").exists()


def test_a_folder_that_is_no_corpus_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match=r"index\.jsonl"):
        read_index(tmp_path)
    with pytest.raises(MediaError, match="000003"):
        load_item(tmp_path, 3)
    (tmp_path / "index.jsonl").write_text('{"id": 0}\n')
    with pytest.raises(MediaError, match="not the index"):
        read_index(tmp_path)


@pytest.mark.corpus
@needs_espeak
def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(MediaError, match="cannot be made"):
        build_corpus(tmp_path / "file", "train", 1, 0.5)


def test_loudness_follows_the_sound() -> None:
    waveform = torch.cat([torch.zeros(6400), 0.2 * torch.ones(6400), torch.zeros(100)])
    assert loudness(waveform, 21).tolist() == pytest.approx([0.0] * 10 + [1.0] * 10 + [0.0])


@pytest.mark.corpus
@needs_espeak
def test_the_command_builds_and_previews(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--out", str(tmp_path), "--split", "test", "--count", "2", "--seconds", "0.4"]
    assert main(["corpus", *arguments, "--preview", "1", "--preview-size", "64"]) == 0
    assert (tmp_path / "test" / "preview" / "000000.mp4").stat().st_size > 1000
    assert "2 items" in capsys.readouterr().out


def test_the_command_refuses_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["corpus", "--out", str(tmp_path), "--count", "0"]) == 2
    assert "count is 0" in capsys.readouterr().err
