"""Labels of portraits, set by hand, and groups by label."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from ...errors import InputError

FILE = "labels.json"
LEAST = 12
"""Smallest size of a reported group."""

Labels = dict[str, dict[str, str]]


def read_labels(folder: Path) -> Labels:
    """Labels in ``folder/labels.json`` by file name of the picture; empty if there is no such file.

    The file has an object with an object per picture: names of labels with a text, true or false, for example
    ``{"face-00001.jpg": {"skin": "dark", "beard": false, "glasses": true}}``.

    Raises:
        InputError: the file has another form.
    """
    path = folder / FILE
    if not path.is_file():
        return {}
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read: {error}") from error
    if not isinstance(values, dict) or not all(isinstance(own, dict) for own in values.values()):
        raise InputError(f"{path}: expected an object that holds an object of labels for each file name")
    for file, own in values.items():
        wrong = [name for name, value in own.items() if not isinstance(value, bool | str)]
        if wrong:
            raise InputError(
                f"{path}: {wrong[0]} of {file} is {own[wrong[0]]!r}; expected a text, true or false"
            )
    return {file: {name: _shown(value) for name, value in own.items()} for file, own in values.items()}


def groups_of(labels: Sequence[dict[str, str]], least: int = LEAST) -> dict[str, list[int]]:
    """Indices of the faces in each group of at least ``least``, by "label: value"; in alphabetical order."""
    found: dict[str, list[int]] = {}
    for index, own in enumerate(labels):
        for name, value in own.items():
            found.setdefault(f"{name}: {value}", []).append(index)
    return {name: members for name, members in sorted(found.items()) if len(members) >= least}


def _shown(value: bool | str) -> str:
    return value if isinstance(value, str) else "yes" if value else "no"
