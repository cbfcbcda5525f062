"""The command line as a whole: help, commands, info, an interrupt."""

from __future__ import annotations

import inspect
import subprocess
import sys
from pathlib import Path

from read_core.cli.main import COMMANDS, main

from .arguments import status_of


def test_help_needs_nothing_heavy():
    code = """
import sys
from read_core.cli.main import main
for words in (["--help"], ["generate", "--help"], ["info", "--help"], ["--version"]):
    try:
        main(words)
    except SystemExit as stop:
        assert stop.code == 0
assert not {"torch", "av", "diffusers", "transformers"} & set(sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    for name in COMMANDS:
        assert f"    {name}" in done.stdout
    for option in (
        "--alpha",
        "-10 to 20",
        "--beta",
        "0 to 20",
        "--window",
        "3 to 64",
        "--order",
        "wavefront",
    ):
        assert option in done.stdout
    assert "None" not in done.stdout
    assert "same video (default: 0)" in " ".join(done.stdout.split())


def test_no_command_and_an_unknown_one_are_refused(capsys):
    for words in ([], ["dance"]):
        assert status_of(words) == 2
        assert capsys.readouterr().err.count("\n") == 1


def test_info_tells_parts_and_defaults(tiny_checkpoint, capsys):
    assert main(["info", str(tiny_checkpoint)]) == 0
    printed = capsys.readouterr().out
    for words in (
        "96 x 64",
        "not aligned",
        "4 latents, 25 frames",
        "alpha 0.5, beta 1.5",
        "random",
        "transformer",
        "A2VTransformer",
    ):
        assert words in printed


def test_an_interrupt_before_anything_is_made_says_only_that(monkeypatch, capsys):
    def interrupt(args):
        raise KeyboardInterrupt

    monkeypatch.setattr("read_core.cli.info.run", interrupt)
    assert main(["info"]) == 130
    assert capsys.readouterr().err == "read-core: interrupted\n"


def test_the_bundled_checkpoint_is_the_default():
    from read_core.bundled import BUNDLED

    package = Path(inspect.getfile(sys.modules["read_core.cli.main"])).parents[1]
    assert package / "checkpoints" / "read-tiny" == BUNDLED
