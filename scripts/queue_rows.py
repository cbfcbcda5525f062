"""Read a table of videos for ``queue_workflow.py --table``: what its columns change in a prompt."""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from api_prompts import Prompt, filled
from queue_results import checksum

FILES = ("portrait", "speech", "out")
SCALES = ("alpha", "beta")  # they belong to the widget guidance, see set_guidance
SCALED = {"split": SCALES, "joint": SCALES[:1], "distilled": SCALES}  # kind of guidance -> its scales
CHECKPOINTS = " (checkpoint's)"  # ending of the kinds that take the checkpoint's scales
SIDES = ("width", "height")  # what the column size sets
SWITCH = {"yes": "on", "no": "off", "auto": "auto", "on": "on", "off": "off"}
BOOLS = {"yes": True, "no": False, "true": True, "false": False}


@dataclass
class Row:
    """A line of a table.

    Attributes:
        portrait, speech: input files.
        out: the video to make.
        name: ``out`` as the table says it.
        seed: of all nodes, see ``api_prompts.filled``; None: the workflow's.
        widgets: values of widgets, by class of the node and name; scales of guidance by their own names.
        failures: hosts that have failed with it.
    """

    portrait: Path
    speech: Path
    out: Path
    name: str
    seed: int | None = None
    widgets: dict[tuple[str, str], Any] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)

    def prompt(self, prompt: Prompt, files: dict[str, str]) -> Prompt:
        """The prompt of this video; ``files`` by class of the loading node.

        Raises:
            ValueError: see :func:`set_guidance`.
        """
        prompt = filled(prompt, files, self.seed)
        for node in prompt.values():
            mine = {name: value for (kind, name), value in self.widgets.items() if kind == node["class_type"]}
            scales = {name: mine.pop(name) for name in SCALES if name in mine}
            if scales or isinstance(mine.get("guidance"), str):  # other packs have numbers of that name
                set_guidance(node["inputs"], mine.pop("guidance", None), scales)
            node["inputs"].update(mine)
        return prompt

    def fingerprint(self, prompt: Prompt) -> str:
        """A hash of the prompt and both input files: another one means another video."""
        said = [self.prompt(prompt, {}), checksum(self.portrait), checksum(self.speech)]
        return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()


def set_guidance(inputs: dict[str, Any], asked: str | None, scales: Mapping[str, float]) -> None:
    """Set a node's guidance as ``read-core batch`` means it, as far as a prompt can say it.

    A kind without scales means the checkpoint's. A prompt holds either all scales of a kind or none of them.
    Those that a line leaves out are the workflow's, if it has the same kind.

    Args:
        inputs: of the node; changed in place.
        asked: kind of guidance; None: the workflow's.
        scales: ``alpha`` and ``beta``, as far as a line says them.

    Raises:
        ValueError: the kind has no such scale, or needs one more.
    """
    before = str(inputs.get("guidance"))
    kind = before if asked is None else asked
    plain = kind.removesuffix(CHECKPOINTS)
    if not scales:
        inputs["guidance"] = f"{plain}{CHECKPOINTS}" if plain in SCALED else kind
        return
    needed = SCALED.get(plain, ())
    for name, value in scales.items():
        if name not in needed:
            fitting = [each for each, its in SCALED.items() if name in its]
            raise ValueError(
                f"{name} is {value:g}, but guidance is {kind!r}; leave {name} out, or fill the column "
                f"guidance with {' or '.join(fitting)}"
            )
    values = {name: scales[name] for name in needed if name in scales}
    for name in needed if before == plain else ():
        values.setdefault(name, inputs[f"guidance.{name}"])
    for name in needed:
        if name not in values:
            given = next(iter(scales))
            raise ValueError(
                f"guidance {plain} with {given} needs {name} too, since a prompt takes all scales or none "
                f"from the checkpoint; fill the column {name}"
            )
    inputs["guidance"] = plain
    inputs.update({f"guidance.{name}": value for name, value in values.items()})


def read_table(path: Path, prompt: Prompt) -> list[Row]:
    """The lines of a CSV file; paths are relative to it, an empty cell leaves the workflow's value.

    Columns besides portrait, speech, out and seed are widgets of ``prompt``; see also ``SCALES`` and
    ``SIDES``.

    Raises:
        ValueError: a column or a value is wrong, or a file is missing.
    """
    lines = csv.DictReader(path.read_text(encoding="utf-8-sig").splitlines())
    columns = [name.strip() for name in lines.fieldnames or ()]
    missing = [name for name in FILES if name not in columns]
    if missing:
        raise ValueError(f"{path} lacks the column {missing[0]}; expected {', '.join(FILES)}")
    places = {name: _places(path, name, prompt) for name in columns if name not in (*FILES, "seed")}
    _check_twice(path, places)
    rows, outputs = list[Row](), set[Path]()
    for cells in lines:
        where = f"{path}, line {lines.line_num}"
        cell = {name.strip(): (text or "").strip() for name, text in cells.items() if name}
        if not any(cell.values()):
            continue
        seed = cell.get("seed", "")
        if seed and not seed.isdecimal():
            raise ValueError(f"{where}: seed is {seed!r}; expected a whole number")
        empty = [name for name in FILES if not cell[name]]
        if empty:
            raise ValueError(f"{where}: {empty[0]} is empty; expected the name of a file")
        portrait, speech, out = (path.parent / cell[name] for name in FILES)
        for file in (portrait, speech):
            if not file.is_file():
                raise ValueError(f"{where}: {file}: no such file")
        if out.resolve() in outputs:
            raise ValueError(f"{where}: an earlier line writes {out} too; name another file")
        outputs.add(out.resolve())
        widgets = {
            place: _value(f"{where}: {name}", cell[name], before)
            for name, found in places.items()
            if cell[name]
            for place, before in found.items()
        }
        row = Row(portrait, speech, out, cell["out"], int(seed) if seed else None, widgets)
        try:
            row.prompt(prompt, {})
        except ValueError as error:
            raise ValueError(f"{where}: {error}") from None
        rows.append(row)
    return rows


def _places(path: Path, column: str, prompt: Prompt) -> dict[tuple[str, str], Any]:
    """The widgets that a column means: class of the node and name -> value in the workflow."""
    found, scale = _widgets(prompt), column.removeprefix("guidance.")
    if column == "size" and column not in found:
        kinds: dict[str, Any] = {
            kind: 0 for kind in found.get("width", {}) if kind in found.get("height", {})
        }
        names: tuple[str, ...] = SIDES
    else:
        kinds, names = found.get("guidance" if scale in SCALES else column, {}), (column,)
    if len(kinds) == 1:
        ((kind, value),) = kinds.items()
        return {(kind, scale): 0.0} if scale in SCALES else {(kind, name): value for name in names}
    if kinds:
        several = " or ".join(sorted(kinds))
        raise ValueError(f"{path}: column {column!r} may mean a widget of {several}; set it in the workflow")
    unique = sorted(name for name, kinds in found.items() if len(kinds) == 1)
    raise ValueError(
        f"{path} has an unknown column {column!r}; expected {', '.join(FILES)}, seed, or a widget of the "
        f"workflow: {', '.join(unique) or 'it has none'}"
    )


def _check_twice(path: Path, places: Mapping[str, Mapping[tuple[str, str], Any]]) -> None:
    """Refuse two columns that set one widget, such as size and width."""
    owner: dict[tuple[str, str], str] = {}
    for column, found in places.items():
        for place in found:
            if owner.setdefault(place, column) != column:
                raise ValueError(
                    f"{path}: columns {owner[place]!r} and {column!r} both set {place[1]}; leave one out"
                )


def _widgets(prompt: Prompt) -> dict[str, dict[str, Any]]:
    """Widgets of a prompt: name -> class of the node -> value."""
    found: dict[str, dict[str, Any]] = {}
    for node in prompt.values():
        for name, value in node["inputs"].items():
            if not isinstance(value, list):  # a list is a link
                found.setdefault(name, {})[node["class_type"]] = value
    return found


def _value(where: str, text: str, before: Any) -> Any:
    """A cell as the kind of value that the widget has."""
    try:
        if isinstance(before, bool):
            return BOOLS[text.lower()]
        if isinstance(before, (int, float)):
            return type(before)(text)
        return SWITCH[text.lower()] if before in SWITCH else text
    except (ValueError, KeyError):
        kinds = {bool: "yes or no", int: "a whole number", float: "a number", str: "yes, no or auto"}
        raise ValueError(f"{where} is {text!r}; expected {kinds[type(before)]}") from None
