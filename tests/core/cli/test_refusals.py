"""Bad input of ``read-core generate`` is one line and status 2; files are never lost."""

from __future__ import annotations

import pytest

from read_core.cli.main import main

from .arguments import command, names, status_of


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"portrait": "no.png"}, "no.png: no such file"),
        ({"speech": "no.wav"}, "no.wav: no such file"),
        ({"portrait": "text.png"}, "expected an image"),
        ({"portrait": "good.wav"}, "contains no picture"),
        ({"portrait": "dot.png"}, "1 x 1 pixels"),
        ({"portrait": "."}, "is a folder"),
        ({"portrait": "p" * 300}, "no such file"),
        ({"speech": "pipe"}, "is a pipe or a device"),
        ({"speech": "text.wav"}, "expected a recording"),
        ({"speech": "good.png"}, "no audio stream"),
        ({"speech": "empty.wav"}, "without any samples"),
        ({"speech": "nan.wav"}, "NaN or infinite"),
        ({"speech": "infinite.wav"}, "NaN or infinite"),
        ({"steps": 0}, "steps is 0; expected"),
        ({"steps": "many"}, "invalid int value: 'many'"),
        ({"window": 2}, "window is 2; expected 3 to 64"),
        ({"seed": -1}, "seed is -1"),
        ({"size": "100x64"}, "96 x 64"),
        ({"size": "4096"}, "2048"),
        ({"size": "big"}, "'big' is no size"),
        ({"size": "²"}, "'²' is no size"),
        ({"output-size": 63}, "output size is 63; expected a whole number from 64 to 4096"),
        ({"face": "0.5,0.4"}, "'0.5,0.4' is no place"),
        ({"face": "0.5,0.4,0"}, "size is 0; expected more"),
        ({"face": "0.5,0.4,nan"}, "with size nan"),
        ({"face": "0.5,0.9,0.3", "fit": "face"}, "outside the picture of 100 x 80"),
        ({"face-index": -1}, "index is -1"),
        ({"fit": "zoom"}, "invalid choice"),
        ({"paste-back": True, "crop-only": True}, "not allowed with"),
        ({"alpha": 21}, "alpha is 21"),
        ({"alpha": -11}, "alpha is -11"),
        ({"beta": -1}, "beta is -1"),
        ({"guidance": "joint", "beta": 1}, "joint guidance has no beta"),
        ({"guidance": "none", "alpha": 1}, "none guidance has no alpha"),
        ({"guidance": "both"}, "invalid choice"),
        ({"device": "abacus"}, "device 'abacus' cannot be used"),
        ({"device": "meta"}, "device 'meta' cannot be used"),
        ({"out": "a.avi"}, "ends in '.avi'"),
        ({"out": "a"}, "has no suffix"),
        ({"out": f"{'a' * 300}.mp4"}, "name too long"),
        ({"out": "nowhere/a.mp4"}, "does not exist"),
        ({"out": "there.mp4"}, "--overwrite"),
        ({"sheet": "sheet.jpg"}, "ends in '.jpg'"),
        ({"track": 2}, "1 audio track; there is no track 2"),
        ({"out": f"{'a' * 245}.mp4"}, "name too long"),
        ({"portrait": None}, "arguments are required: --portrait"),
        ({"checkpoint": "nowhere"}, "nowhere is not a folder"),
    ],
)
def test_bad_input_is_one_line_and_status_2(inputs, tmp_path, tiny_checkpoint, capsys, changes, words):
    (tmp_path / "there.mp4").write_bytes(b"mine")
    for name in ("portrait", "speech"):
        if changes.get(name):
            changes = {**changes, name: inputs / changes[name]}
    for name in ("out", "sheet", "checkpoint"):
        if name in changes:
            changes = {**changes, name: tmp_path / changes[name]}
    out = changes.pop("out", tmp_path / "a.mp4")
    assert status_of(command(inputs, out, changes.pop("checkpoint", tiny_checkpoint), **changes)) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert words in error
    assert names(tmp_path) == ["there.mp4"]
    assert (tmp_path / "there.mp4").read_bytes() == b"mine"


def test_compiling_needs_a_compiler(inputs, tmp_path, tiny_checkpoint, capsys, monkeypatch):
    monkeypatch.setattr("shutil.which", lambda _: None)
    assert status_of(command(inputs, tmp_path / "a.mp4", tiny_checkpoint, compile=True)) == 2
    assert "needs a C++ compiler" in capsys.readouterr().err
    assert names(tmp_path) == []


def test_overwriting_must_be_allowed(inputs, tmp_path, tiny_checkpoint):
    (tmp_path / "a.mp4").write_bytes(b"old")
    assert main(command(inputs, tmp_path / "a.mp4", tiny_checkpoint, overwrite=True)) == 0
    assert (tmp_path / "a.mp4").stat().st_size > 1000
    assert names(tmp_path) == ["a.mp4"]


@pytest.mark.parametrize(
    ("option", "output", "name"),
    [
        ("portrait", "sheet", "mine.png"),
        ("portrait", "out", "mine.mp4"),
        ("speech", "out", "mine.mp4"),
    ],
)
def test_what_is_read_is_never_overwritten(tmp_path, inputs, tiny_checkpoint, capsys, option, output, name):
    mine = tmp_path / name
    mine.write_bytes(b"mine")
    outputs = {"out": tmp_path / "mine.mp4", **({"sheet": mine} if output == "sheet" else {})}
    words = command(inputs, checkpoint=tiny_checkpoint, overwrite=True, **{option: mine, **outputs})
    assert status_of(words) == 2
    assert f"{mine} is also an input and would be overwritten" in capsys.readouterr().err
    assert mine.read_bytes() == b"mine"
    assert names(tmp_path) == [name]
