"""Make the videos of a table on several running ComfyUI; ``queue_workflow.py --table`` calls this."""

from __future__ import annotations

import asyncio
import csv
import hashlib
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from api_prompts import Prompt, filled
from comfy_host import Host, HostError, connected, tell
from queue_results import DONE, FAILED, FOUND, Results, checksum

PAUSE = 1.0  # seconds until a host without work looks again
FILES = ("portrait", "speech", "out")
SCALES = {"alpha": "guidance.alpha", "beta": "guidance.beta"}  # they belong to the widget guidance
SWITCH = {"yes": "on", "no": "off", "auto": "auto", "on": "on", "off": "off"}
BOOLS = {"yes": True, "no": False, "true": True, "false": False}


@dataclass
class Row:
    """A line of a table.

    Attributes:
        portrait, speech: input files.
        out: the video to make.
        name: ``out`` as the table says it.
        seed: of all samplers; None: the workflow's.
        widgets: values of widgets, by class of the node and name.
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
        """The prompt of this video; ``files`` by class of the loading node."""
        prompt = filled(prompt, files, self.seed)
        for node in prompt.values():
            for (kind, name), value in self.widgets.items():
                if node["class_type"] == kind:
                    node["inputs"][name] = value
        return prompt

    def fingerprint(self, prompt: Prompt) -> str:
        """A hash of the prompt and both input files: another one means another video."""
        said = [self.prompt(prompt, {}), checksum(self.portrait), checksum(self.speech)]
        return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()


def read_table(path: Path, prompt: Prompt) -> list[Row]:
    """The lines of a CSV file; paths are relative to it, an empty cell leaves the workflow's value.

    Columns besides portrait, speech, out and seed are widgets of ``prompt``.

    Raises:
        ValueError: a column or a value is wrong, or a file is missing.
    """
    lines = csv.DictReader(path.read_text(encoding="utf-8-sig").splitlines())
    columns = [name.strip() for name in lines.fieldnames or ()]
    missing = [name for name in FILES if name not in columns]
    if missing:
        raise ValueError(f"{path} lacks the column {missing[0]}; expected {', '.join(FILES)}")
    places = {name: _place(path, name, prompt) for name in columns if name not in (*FILES, "seed")}
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
            for name, (place, before) in places.items()
            if cell[name]
        }
        _add_checkpoints_scales(widgets)
        rows.append(Row(portrait, speech, out, cell["out"], int(seed) if seed else None, widgets))
    return rows


def _place(path: Path, column: str, prompt: Prompt) -> tuple[tuple[str, str], Any]:
    """Class of the node and name of the widget that a column means, and its value in the workflow."""
    found = _widgets(prompt)
    kinds = found.get("guidance" if column in SCALES else column, {})
    if len(kinds) == 1:
        ((kind, value),) = kinds.items()
        name = SCALES.get(column, column)
        return (kind, name), found.get(name, {}).get(kind, 0.0) if column in SCALES else value
    if kinds:
        several = " or ".join(sorted(kinds))
        raise ValueError(f"{path}: column {column!r} may mean a widget of {several}; set it in the workflow")
    unique = sorted(name for name, kinds in found.items() if len(kinds) == 1)
    raise ValueError(
        f"{path} has an unknown column {column!r}; expected {', '.join(FILES)}, seed, or a widget of the "
        f"workflow: {', '.join(unique) or 'it has none'}"
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


def _add_checkpoints_scales(widgets: dict[tuple[str, str], Any]) -> None:
    """A kind of guidance without scales means the checkpoint's, as in ``read-core batch``."""
    for (kind, name), value in list(widgets.items()):
        scaled = any((kind, scale) in widgets for scale in SCALES.values())
        if name == "guidance" and value in ("split", "joint", "distilled") and not scaled:
            widgets[kind, name] = f"{value} (checkpoint's)"


async def share(
    rows: list[Row],
    addresses: list[str],
    prompt: Prompt,
    on_end: Callable[[Row, float, str], None],
    headers: Mapping[str, str] | None = None,
) -> list[Row]:
    """Run the rows on several hosts, each one row after the other; return the rows that failed twice.

    A row that fails on one host, or whose host does not answer, goes to another. A single host tries it
    again.

    Args:
        rows, addresses, prompt: the work.
        on_end: called with a row, its seconds, and why it failed, "" if it did not.
        headers: of every request.
    """
    waiting, failed, under_way = list(rows), list[Row](), set[int]()

    async def serve(address: str) -> None:
        while waiting or under_way:
            alone = len(addresses) == 1
            row = next((row for row in waiting if alone or address not in row.failures), None)
            if row is None:  # a row under way may still fail on its host
                await asyncio.sleep(PAUSE)
                continue
            waiting.remove(row)
            under_way.add(id(row))
            begun = time.perf_counter()
            try:
                async with connected(address, headers) as host:
                    host.quiet = True
                    await make(host, row, prompt)
                tell(f"{row.out} ({address})\n")
                on_end(row, time.perf_counter() - begun, "")
            except HostError as error:
                row.failures.append(address)
                tell(f"{row.out} ({address}): {error}\n")
                (failed if len(row.failures) > 1 else waiting).append(row)
                if len(row.failures) > 1:
                    on_end(row, time.perf_counter() - begun, str(error))
            under_way.remove(id(row))

    await asyncio.gather(*map(serve, addresses))
    return failed


async def make(host: Host, row: Row, prompt: Prompt) -> None:
    """One row on one host: the last result of its kind gets the row's name."""
    paths = {"LoadImage": row.portrait, "LoadAudio": row.speech}
    files = {kind: await host.upload(path) for kind, path in paths.items()}
    prompt = row.prompt(prompt, files)
    found = await host.results(prompt, await host.run(prompt))
    kinds = [item for item in found if Path(item["filename"]).suffix == row.out.suffix]
    if not kinds:
        raise HostError(f"the workflow made no {row.out.suffix} file")
    made = await host.fetch(kinds[-1], row.out.parent / f".{row.out.stem}")
    made.replace(row.out)
    made.parent.rmdir()


async def work_table(
    rows: list[Row],
    addresses: list[str],
    prompt: Prompt,
    results: Results,
    headers: Mapping[str, str] | None = None,
) -> int:
    """Make the videos of a table that are missing or changed; return the exit status."""
    prints = {row.name: row.fingerprint(prompt) for row in rows}
    there = [row for row in rows if row.out.exists()]
    first = results.new  # videos of a version without results count as done
    results.prepare()
    for row in there if first else ():
        values = {"sha256": checksum(row.out), "fingerprint": prints[row.name], "message": FOUND}
        results.add(row.name, DONE, **values)
    missing = [row for row in rows if not results.finished(row.name, row.out, prints[row.name])]
    tell(f"{len(rows)} videos, {len(rows) - len(missing)} of them done before; results: {results.path}\n")
    foreign = [row for row in missing if row in there and not results.made_here(row.name, row.out)]
    for row in foreign:
        trouble = f"{row.out} exists and is no result of this table; move it away"
        tell(f"{trouble}\n")
        results.add(row.name, FAILED, message=trouble)

    def ended(row: Row, seconds: float, trouble: str) -> None:
        told = {"seconds": round(seconds, 2), "attempts": len(row.failures) + (not trouble)}
        state = FAILED if trouble else DONE
        made = "" if trouble else checksum(row.out)
        results.add(row.name, state, sha256=made, fingerprint=prints[row.name], message=trouble, **told)

    wanted = [row for row in missing if row not in foreign]
    failed = await share(wanted, addresses, prompt, ended, headers)
    tell(f"{len(wanted) - len(failed)} made, {len(failed) + len(foreign)} failed\n")
    return 1 if failed or foreign else 0
