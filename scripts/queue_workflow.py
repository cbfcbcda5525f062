"""Queue a workflow on a running ComfyUI with another portrait, recording or seed, and download the results.

    python scripts/queue_workflow.py workflows/api/READ_talking_head.json --portrait me.png --speech talk.wav

    python scripts/queue_workflow.py workflows/api/READ_long_audio.json --table jobs.csv --hosts a:8188,b:8188

Without a portrait or recording it uses the pack's examples. A table has a line for each video, with the
columns portrait, speech, out and, if you like, seed and widgets of the workflow, such as steps or fit. The
hosts share its lines (docs/scaling.md). Results and checksums go to a CSV file next to the table. A second
run makes only what is missing or changed.

It needs aiohttp: run it with ComfyUI's own Python, or after ``pip install aiohttp``. It prints the running
node and its steps to standard error, and the names of the downloaded files to standard output. Ctrl-C also
stops the work in the host. Exit status: 0 done, 1 the host refused or failed, 2 wrong arguments, 130 Ctrl-C.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path

if str(Path(__file__).resolve().parent) not in sys.path:  # portable Python leaves the script's folder out
    sys.path.insert(0, str(Path(__file__).resolve().parent))

from api_prompts import Prompt, chosen, filled, read_prompt
from comfy_host import HostError, connected, one_line, tell
from queue_results import Results
from queue_rows import read_table
from queue_table import work_table


async def work(args: argparse.Namespace, prompt: Prompt) -> None:
    """Upload, run, download."""
    async with connected(args.host, headers(args.header)) as host:
        paths = chosen(prompt, args.portrait, args.speech)
        files = {kind: await host.upload(path) for kind, path in paths.items()}
        prompt = filled(prompt, files, args.seed)
        for item in await host.results(prompt, await host.run(prompt)):
            sys.stdout.write(f"{await host.fetch(item, args.out or Path('output'))}\n")


def headers(lines: list[str]) -> dict[str, str]:
    """Headers by name, from ``NAME: VALUE`` lines.

    Raises:
        ValueError: a line has another form.
    """
    found = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if not (name.strip() and colon and value.strip()):
            raise ValueError(
                f"--header is {line!r}; expected NAME: VALUE, such as Authorization: Bearer TOKEN"
            )
        found[name.strip()] = value.strip()
    return found


def main() -> int:
    """Run the command line; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("workflow", type=Path, help="an API prompt, for example from workflows/api")
    parser.add_argument("--portrait", type=Path, help="image to animate (default: an example)")
    parser.add_argument("--speech", type=Path, help="recording to speak (default: an example)")
    parser.add_argument(
        "--seed", type=int, help="of samplers, blinks and head motion (default: the workflow's)"
    )
    parser.add_argument("--host", default="http://127.0.0.1:8188", help="address of ComfyUI")
    parser.add_argument(
        "--header",
        action="append",
        default=[],
        metavar="NAME: VALUE",
        help="header of every request, such as 'Authorization: Bearer TOKEN'; may be repeated",
    )
    parser.add_argument("--out", type=Path, help="folder for the results (default: output)")
    parser.add_argument(
        "--table", type=Path, help="CSV file of many videos: portrait, speech, out, seed, widgets"
    )
    parser.add_argument(
        "--results", type=Path, help="with --table: CSV file of the results (default: TABLE.results.csv)"
    )
    parser.add_argument("--hosts", help="with --table: addresses that share the work, separated by commas")
    args = parser.parse_args()
    for name in ("hosts", "results") if args.table is None else ("portrait", "speech", "seed", "out"):
        if getattr(args, name) is not None:
            need = "needs --table" if args.table is None else "does not go with --table, whose columns say it"
            parser.error(f"--{name} {need}")
    # A host that is named twice gets one video at a time, too.
    addresses = list(dict.fromkeys(filter(None, map(str.strip, (args.hosts or args.host).split(",")))))
    if not addresses:
        parser.error("--hosts names no host; expected addresses such as 10.0.0.1:8188,10.0.0.2:8188")
    for path in filter(None, (args.workflow, args.portrait, args.speech, args.table)):
        if not path.is_file():
            parser.error(f"{path}: no such file")
    try:
        headers(args.header)
        prompt = read_prompt(args.workflow)
        rows = None if args.table is None else read_table(args.table, prompt)
        results = (
            None if args.table is None else Results(args.results or args.table.with_suffix(".results.csv"))
        )
    except ValueError as error:
        parser.error(str(error))
    try:
        if rows is not None and results is not None:
            return asyncio.run(work_table(rows, addresses, prompt, results, headers(args.header)))
        asyncio.run(work(args, prompt))
    except (HostError, OSError) as error:
        tell(f"error: {one_line(str(error))}\n")
        return 1
    except KeyboardInterrupt:
        tell("stopped\n")
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
