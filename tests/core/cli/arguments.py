"""Arguments of ``read-core generate`` for tests, and what a command leaves."""

from __future__ import annotations

from read_core.cli.main import main

FRAMES = 30  # of good.wav


def command(inputs, out, checkpoint, **changes):
    """The arguments of a run that works, with changes; None removes one, True makes a switch of it."""
    options = {
        "portrait": inputs / "good.png",
        "speech": inputs / "good.wav",
        "out": out,
        "checkpoint": checkpoint,
        "device": "cpu",
        **changes,
    }
    words = ["generate"]
    for name, value in options.items():
        if value is True:
            words.append(f"--{name}")
        elif value is not None:
            words.append(f"--{name}={value}")
    return words


def status_of(words):
    try:
        return main(words)
    except SystemExit as stop:
        return stop.code


def names(folder):
    return sorted(path.name for path in folder.iterdir())
