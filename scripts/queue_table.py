"""Make the videos of a table on several running ComfyUI; ``queue_workflow.py --table`` calls this."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from api_prompts import Prompt
from comfy_host import Host, HostError, connected, one_line, tell
from queue_results import DONE, FAILED, FOUND, STARTED, Results, checksum
from queue_rows import Row

PAUSE = 1.0  # seconds until a host without work looks again
FOREIGN = "exists and is no result of this table; move it away"
AGAIN = 10.0  # seconds until a host that did not answer is asked again


async def share(
    rows: list[Row],
    addresses: list[str],
    prompt: Prompt,
    on_end: Callable[[Row, float, str], None],
    on_made: Callable[[Row, str], None],
    headers: Mapping[str, str] | None = None,
) -> list[Row]:
    """Run the rows on several hosts, each one row after the other; return the rows that are left.

    A row that fails on one host goes to another; if no other host answers, the same one tries it again. The
    second failure is final, and so is an error of a local file. A host that does not answer between two rows
    is left out until it answers. If none answers, the work ends.

    Args:
        rows, addresses, prompt: the work.
        on_end: called with a row, its seconds, and why it failed, "" if it did not.
        on_made: called with a row and its video's checksum, before the video gets its name.
        headers: of every request.
    """
    waiting, under_way = list(rows), set[int]()
    silent: dict[str, float] = {}  # hosts that do not answer -> when they are asked again

    def choose(address: str) -> Row | None:
        others = set(addresses) - set(silent) - {address}
        return next(
            (row for row in waiting if address not in row.failures or others <= {*row.failures}), None
        )

    async def serve(address: str) -> None:
        while (waiting or under_way) and len(silent) < len(addresses):
            if time.monotonic() < silent.get(address, 0):
                await asyncio.sleep(PAUSE)
                continue
            trouble = await _trouble(address, headers)
            if trouble:
                if address not in silent:
                    tell(f"{address} is left out until it answers: {trouble}\n")
                silent[address] = time.monotonic() + AGAIN
                continue
            silent.pop(address, None)
            row = choose(address)
            if row is None:  # a row under way may still fail on its host
                await asyncio.sleep(PAUSE)
                continue
            waiting.remove(row)
            under_way.add(id(row))
            begun, trouble, final = time.perf_counter(), "", True
            try:
                async with connected(address, headers) as host:
                    host.quiet = True
                    await make(host, row, prompt, on_made)
            except HostError as error:
                row.failures.append(address)
                trouble, final = str(error), len(row.failures) > 1
            except OSError as error:
                row.failures.append(address)
                trouble = one_line(str(error))
            tell(f"{row.out} ({address}){': ' if trouble else ''}{trouble}\n")
            if final:
                on_end(row, time.perf_counter() - begun, trouble)
            else:
                waiting.append(row)
            under_way.remove(id(row))

    await asyncio.gather(*map(serve, addresses))
    return waiting


async def _trouble(address: str, headers: Mapping[str, str] | None) -> str:
    """Why a host cannot take work, or ""."""
    try:
        async with connected(address, headers) as host:
            await host.queued()
    except HostError as error:
        return str(error)
    return ""


async def make(host: Host, row: Row, prompt: Prompt, on_made: Callable[[Row, str], None]) -> None:
    """One row on one host: the last result of its kind gets the row's name.

    Raises:
        HostError: the host failed.
        OSError: a local file cannot be read or written.
    """
    paths = {"LoadImage": row.portrait, "LoadAudio": row.speech}
    files = {kind: await host.upload(path) for kind, path in paths.items()}
    prompt = row.prompt(prompt, files)
    found = await host.results(prompt, await host.run(prompt))
    kinds = [item for item in found if Path(item["filename"]).suffix == row.out.suffix]
    if not kinds:
        raise HostError(f"the workflow made no {row.out.suffix} file")
    async with host.downloaded(kinds[-1], row.out) as made:
        on_made(row, checksum(made))
        made.replace(row.out)


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
        trouble = f"{row.out} {FOREIGN}"
        tell(f"{trouble}\n")
        results.add(row.name, FAILED, message=trouble)

    def made(row: Row, sha256: str) -> None:
        if row.out.exists() and not results.made_here(row.name, row.out):
            raise FileExistsError(f"{row.out} {FOREIGN}")
        results.add(row.name, STARTED, sha256=sha256, fingerprint=prints[row.name])

    def ended(row: Row, seconds: float, trouble: str) -> None:
        told = {"seconds": round(seconds, 2), "attempts": len(row.failures) + (not trouble)}
        state = FAILED if trouble else DONE
        sha256 = "" if trouble else checksum(row.out)
        results.add(row.name, state, sha256=sha256, fingerprint=prints[row.name], message=trouble, **told)

    wanted = [row for row in missing if row not in foreign]
    left = await share(wanted, addresses, prompt, ended, made, headers)
    failed = [row for row in wanted if row not in left and results.last[row.name]["state"] == FAILED]
    tell(f"{len(wanted) - len(failed) - len(left)} made, {len(failed) + len(foreign)} failed\n")
    if left:
        tell(f"no host answers: {len(left)} left; start a ComfyUI and run the same command again\n")
    return 1 if failed or foreign or left else 0
