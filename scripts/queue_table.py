"""Make the videos of a table on several running ComfyUI; ``queue_workflow.py --table`` calls this."""

from __future__ import annotations

import asyncio
import csv
from dataclasses import dataclass, field
from pathlib import Path

from api_prompts import Prompt, filled
from comfy_host import Host, HostError, connected, tell

PAUSE = 1.0  # seconds until a host without work looks again


@dataclass
class Row:
    """A line of a table: input files, the video to make, and which hosts have failed with it."""

    portrait: Path
    speech: Path
    out: Path
    seed: int | None = None
    failures: list[str] = field(default_factory=list)


def read_table(path: Path) -> list[Row]:
    """The lines of a CSV file; paths are relative to it.

    Raises:
        ValueError: a column or a value is wrong, or a file is missing.
    """
    lines = csv.DictReader(path.read_text(encoding="utf-8-sig").splitlines())
    columns = {name.strip() for name in lines.fieldnames or ()}
    if not {"portrait", "speech", "out"} <= columns <= {"portrait", "speech", "out", "seed"}:
        raise ValueError(
            f"{path} has the columns {', '.join(sorted(columns))}; expected portrait, speech, out and "
            "perhaps seed: the rest is the workflow's"
        )
    rows = []
    for cells in lines:
        cell = {name.strip(): (text or "").strip() for name, text in cells.items() if name}
        seed = cell.get("seed", "")
        if seed and not seed.isdecimal():
            raise ValueError(f"{path}, line {lines.line_num}: seed is {seed!r}; expected a whole number")
        portrait, speech, out = (path.parent / cell[name] for name in ("portrait", "speech", "out"))
        for file in (portrait, speech):
            if not file.is_file():
                raise ValueError(f"{path}, line {lines.line_num}: {file}: no such file")
        rows.append(Row(portrait, speech, out, int(seed) if seed else None))
    return rows


async def share(rows: list[Row], addresses: list[str], prompt: Prompt) -> list[Row]:
    """Run the rows on several hosts, each one row after the other; return the rows that failed twice.

    A row that fails on one host, or whose host does not answer, goes to another. A single host tries it
    again.
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
            try:
                async with connected(address) as host:
                    host.quiet = True
                    await make(host, row, prompt)
                tell(f"{row.out} ({address})\n")
            except HostError as error:
                row.failures.append(address)
                tell(f"{row.out} ({address}): {error}\n")
                (failed if len(row.failures) > 1 else waiting).append(row)
            under_way.remove(id(row))

    await asyncio.gather(*map(serve, addresses))
    return failed


async def make(host: Host, row: Row, prompt: Prompt) -> None:
    """One row on one host: the last result of its kind gets the row's name."""
    paths = {"LoadImage": row.portrait, "LoadAudio": row.speech}
    files = {kind: await host.upload(path) for kind, path in paths.items()}
    prompt = filled(prompt, files, row.seed)
    found = await host.results(prompt, await host.run(prompt))
    kinds = [item for item in found if Path(item["filename"]).suffix == row.out.suffix]
    if not kinds:
        raise HostError(f"the workflow made no {row.out.suffix} file")
    made = await host.fetch(kinds[-1], row.out.parent / f".{row.out.stem}")
    made.replace(row.out)
    made.parent.rmdir()


async def work_table(rows: list[Row], addresses: list[str], prompt: Prompt) -> int:
    """Make the videos of a table that are missing; return the exit status."""
    missing = [row for row in rows if not row.out.exists()]
    tell(f"{len(rows)} videos, {len(rows) - len(missing)} of them there already\n")
    failed = await share(missing, addresses, prompt)
    tell(f"{len(missing) - len(failed)} made, {len(failed)} failed\n")
    return 1 if failed else 0
