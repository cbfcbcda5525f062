"""``read-core evaluate`` from the command line."""

from __future__ import annotations

import pytest

from read_core.cli import main as cli
from read_core.evaluation.material import conditions

SIZES = "--count 2 --independent 1 --drift-clips 1 --codec-clips 4 --talks 1 --seeds 1"


@pytest.mark.slow
@pytest.mark.corpus
def test_the_command_prints_and_writes(tiny_checkpoint, tmp_path, capsys, sample):
    out = tmp_path / "out"
    command = f"evaluate --suite tiny {SIZES} --checkpoint {tiny_checkpoint} --out {out}"
    assert cli.main(command.split()) == 0
    printed = capsys.readouterr().out
    assert "Lips" in printed
    assert all((out / name).exists() for name in printed.splitlines()[-1].partition(": ")[2].split(", "))


@pytest.mark.slow
@pytest.mark.corpus
@pytest.mark.parametrize(
    ("suite", "module", "size"),
    [
        ("robust", conditions, conditions.RobustSize(count=1, clips=1, steps=1, snrs=())),
    ],
)
def test_the_other_suites_say_what_they_wrote(
    suite, module, size, tiny_checkpoint, tmp_path, capsys, monkeypatch, sample
):
    monkeypatch.setattr(module, "QUICK", size)
    out = tmp_path / "out"
    command = f"evaluate --suite {suite} --quick --count 1 --checkpoint {tiny_checkpoint} --out {out}"
    assert cli.main(command.split()) == 0
    written = capsys.readouterr().out.splitlines()[-1].partition(": ")[2].split(", ")
    assert f"{suite}.png" in written
    assert all((out / name).exists() for name in written)


@pytest.mark.parametrize(
    "wrong",
    [
        "--count 0",
        "--clips 1",
        "--steps 0",
        "--seed -1",
        "--suite huge",
        "--photo face.png",
        "--against folder --suite table1",
        "--against folder",
        "--checkpoint one two --suite table1",
        "--variants one --suite table2",
        "--variants one=folder --suite fig2",
        "--methods one=folder one=other --suite table1",
        "--weights folder",
        "--reference folder --suite robust",
        "--drift-clips 2 --suite table3",
        "--faces folder --suite robust",
        "--faces folder",
        "--seeds 0",
        "--clips 3 --suite robust",
        "--steps 4 --suite table3",
        "--steps 4",
    ],
)
def test_wrong_arguments_are_refused(wrong, tiny_checkpoint, tmp_path, capsys):
    arguments = ["evaluate", "--checkpoint", str(tiny_checkpoint), "--out", str(tmp_path / "out")]
    status: object
    try:
        status = cli.main([*arguments, *wrong.split()])
    except SystemExit as error:
        status = error.code
    assert status == 2
    said = "portraits" if wrong == "--faces folder" else wrong.split()[0].lstrip("-")
    assert said in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
