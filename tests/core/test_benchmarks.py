"""The benchmarks run and say what they measured; how fast is not for tests."""

from __future__ import annotations

import importlib
import runpy
import sys
from pathlib import Path

import pytest

from read_core.bundled import BUNDLED

FOLDER = Path(__file__).parents[2] / "benchmarks"
ROWS = {
    "stages": [
        "portrait (VAE encoder)",
        "sampling (A2V-DiT)",
        "decode (VAE decoder)",
        "finish (detail ... paste back)",
        "sum of the stages",
    ],
    "projections": ["once", "every step", "every step and branch"],
    "orders": ["clips", "steps", "wavefront"],
    "against_diffusers": ["ours", "diffusers, a time per token", "audio attention"],
}


@pytest.fixture
def run(tiny_checkpoint, tmp_path, monkeypatch):
    """Run a script in this process; its report by the first cell of each row."""

    def run_script(name: str, *options: str) -> dict[str, list[str]]:
        out = tmp_path / f"{name}.md"
        arguments = [f"{name}.py", "--checkpoint", str(tiny_checkpoint), "--device", "cpu", "--out", str(out)]
        monkeypatch.syspath_prepend(str(FOLDER))
        monkeypatch.setattr(sys, "argv", [*arguments, *options])
        runpy.run_path(str(FOLDER / f"{name}.py"), run_name="__main__")
        rows = [line.strip("| ").split("|") for line in out.read_text().splitlines() if line.startswith("|")]
        return {row[0].strip(): [cell.strip() for cell in row[1:]] for row in rows}

    return run_script


@pytest.mark.parametrize("name", ROWS)
def test_a_script_reports_every_row_with_its_figures(run, name):
    clips = [] if name == "against_diffusers" else ["--clips", "2"]
    found = run(name, *clips, "--repeats", "1", "--steps", "2", "--dtype", "float32")
    assert set(ROWS[name]) <= set(found)
    assert all(all(found[row]) for row in ROWS[name])
    if name in ("projections", "orders"):  # the same latents, however they are made
        assert all(float(found[row][-1]) < 1e-3 for row in ROWS[name])


def test_compiled_parts_are_compared_with_plain_ones(run):
    found = run("compiled", "--clips", "1", "--repeats", "1", "--output-size", "64", "--backend", "eager")
    assert set(found) >= {"sampling", "decoding", "finishing"}
    assert all(float(found[row][-1]) < 1e-4 for row in ("sampling", "decoding", "finishing"))


def test_estimates_are_compared_with_what_tensors_take(run):
    found = run("estimates", "--sides", "64", "--windows", "4", "5")
    assert [cell.split(", ")[0].endswith(" MB") for cell in found["64 x 64"]] == [True] * 3
    assert all(float(cell.split(", ")[1]) > 0 for cell in found["64 x 64"])


def test_the_student_is_compared_with_the_default(run):
    found = run(
        "student", "--checkpoint", str(BUNDLED), "--repeats", "1", "--steps", "1", "--dtype", "float32"
    )
    assert set(found) >= {"default", "student, 4 steps", "student, 2 steps"}
    assert found["default"][-1] == "1.00 (1.00 to 1.00)"
    assert all(float(found[f"student, {steps} steps"][-1].split()[0]) > 0 for steps in (4, 2))


def test_a_checkpoint_without_a_student_is_refused(run, capsys):
    with pytest.raises(SystemExit):
        run("student")
    assert "no student" in capsys.readouterr().err


def test_presets_are_compared(run):
    found = run("presets", "--sides", "64", "--steps", "1")
    assert set(found) >= {"64, medium", "64, veryfast"}
    assert all(float(found[row][2].removesuffix(" dB")) > 20 for row in ("64, medium", "64, veryfast"))


def test_finishing_several_frames_at_once_is_compared(run):
    found = run("finishing", "--checkpoint", str(BUNDLED), "--frames", "2", "--repeats", "1")
    assert set(found) >= {"all, pasted back", "the face at 256 pixels"}
    assert all(float(found[row][2].split()[0]) > 0 for row in ("all, pasted back", "the face at 256 pixels"))


def test_writing_in_a_thread_is_compared_with_waiting(run):
    found = run("writing", "--seconds", "0.5", "--steps", "1", "--plain", "64", "--repeats", "1")
    assert found["the model waits for the encoder"][1] == "1.00 (1.00 to 1.00)"
    assert all(found["the encoder works meanwhile"])


def test_turns_of_several_processes_are_those_of_the_document(monkeypatch):
    """ceil(k / G) n + G - 1 if every rank has as many clips; ranks beyond the steps do not help."""
    monkeypatch.syspath_prepend(str(FOLDER))
    turns = importlib.import_module("ranks").turns
    assert [turns(136, 8, ranks) for ranks in (1, 4, 8)] == [136 * 8, 34 * 8 + 3, 17 * 8 + 7]
    assert turns(136, 8, 17) == turns(136, 8, 8) == 136 + 7


@pytest.mark.slow
def test_several_processes_are_compared_with_one(run, capsys):
    found = run("ranks", "--clips", "2", "--repeats", "1", "--processes", "1", "2")
    assert [found[name][0] for name in ("a motion frame", "a clip's latents")] == ["131072", "1966080"]
    assert all(float(found[name][2]) > 0 for name in ("a motion frame", "a clip's latents"))
    assert found["1"][1:] == ["1.00", "1.00", "100.0 %"]
    assert found["2"][2] == "1.33"  # two clips of two steps each take three turns instead of four
    assert "Latents: equal to those of 1 process(es)." in capsys.readouterr().out


@pytest.mark.slow
def test_memory_is_measured_for_every_length(run):
    found = run("memory", "--seconds", "0.5", "1", "--steps", "1")
    assert [found[row][0] for row in ("0.5 s", "1 s")] == ["13", "25"]
    assert all(float(found[row][2].removesuffix(" MB")) > 100 for row in ("0.5 s", "1 s"))


def test_a_wrong_option_is_told_in_one_line(run, capsys):
    with pytest.raises(SystemExit) as caught:
        run("orders", "--clips", "0")
    assert caught.value.code == 2
    assert "clips is 0" in capsys.readouterr().err
