"""Queue a workflow on a running ComfyUI with another portrait, recording or seed, and download the results.

    python scripts/queue_workflow.py workflows/api/READ_talking_head.json --portrait me.png --speech talk.wav

    python scripts/queue_workflow.py workflows/api/READ_long_audio.json --table jobs.csv --hosts a:8188,b:8188

Without a portrait or recording it uses the pack's examples. A table has a line for each video, with the
columns portrait, speech, out and, if you like, seed. The hosts share its lines. What is there already is left
out.

It needs aiohttp: run it with ComfyUI's own Python, or after ``pip install aiohttp``. It prints the running
node and its steps to standard error, and the names of the downloaded files to standard output. Ctrl-C also
stops the work in the host. Exit status: 0 done, 1 the host refused or failed, 2 wrong arguments, 130 Ctrl-C.
"""

from __future__ import annotations

import argparse
import asyncio
import csv
import json
import sys
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

try:
    import aiohttp
except ImportError:
    sys.exit("error: aiohttp is missing; run this with ComfyUI's own Python, or: pip install aiohttp")

ASSETS = Path(__file__).resolve().parents[1] / "assets"
UPLOADED = {"LoadImage": "image", "LoadAudio": "audio"}
EXAMPLES = "READ_ExampleInputs"  # its outputs replace what those two load
PAUSE = 1.0  # seconds until a host without work looks again
QUIET = 30.0  # seconds without a message before the host's history is checked
Prompt = dict[str, Any]


class HostError(Exception):
    """The host refused, failed or cannot be reached; the text says what to do, in one line."""


class Host:
    """A connection to a running ComfyUI; see :func:`connected`."""

    def __init__(self, session: aiohttp.ClientSession, client: str) -> None:
        self.session = session
        self.client = client
        self.quiet = False  # whether progress is not shown

    async def upload(self, path: Path) -> str:
        """Upload a file to the host's input folder; return its name there, a new one if that is taken."""
        with path.open("rb") as file:
            form = aiohttp.FormData()
            form.add_field("image", file, filename=path.name)
            return str((await self._call("POST", "/upload/image", data=form))["name"])

    async def queue(self, prompt: Prompt) -> str:
        """Queue a prompt; return its id."""
        body = {"prompt": prompt, "client_id": self.client}
        return str((await self._call("POST", "/prompt", json=body))["prompt_id"])

    async def cancel(self, prompt_id: str) -> None:
        """Remove a prompt from the queue, or stop it if it runs."""
        await self._call("POST", "/queue", json={"delete": [prompt_id]})
        await self._call("POST", "/interrupt", json={"prompt_id": prompt_id})

    async def run(self, prompt: Prompt) -> Prompt:
        """Queue a prompt, show its progress to the end, and return its outputs by node."""
        async with self.session.ws_connect(f"/ws?clientId={self.client}", max_msg_size=0) as socket:
            prompt_id = await self.queue(prompt)
            work = Work(prompt_id, prompt)
            try:
                while not work.ended:
                    await self._listen(socket, work)
            except asyncio.CancelledError:
                await self.cancel(prompt_id)
                raise
            finally:
                tell("\n" if sys.stderr.isatty() and not self.quiet else "")
        return finished((await self._call("GET", f"/history/{prompt_id}"))[prompt_id])

    async def results(self, prompt: Prompt, outputs: Prompt) -> list[dict[str, str]]:
        """The files of a prompt's output nodes, without previews of other nodes."""
        kept: Prompt = {}
        for number, output in outputs.items():
            kind = prompt[number]["class_type"] if number in prompt else ""
            about = (await self._call("GET", f"/object_info/{kind}")).get(kind, {}) if kind else {}
            if about.get("output_node", True):
                kept[number] = output
        return list(results(kept))

    async def fetch(self, item: dict[str, str], folder: Path) -> Path:
        """Download an output into ``folder``; the file gets its name when it is complete."""
        folder.mkdir(parents=True, exist_ok=True)
        target = folder / Path(item["filename"]).name
        temporary = target.with_name(f".{target.name}.part")
        wanted = {key: item.get(key, "") for key in ("filename", "subfolder", "type")}
        try:
            async with self.session.get("/view", params=wanted) as answer:
                if answer.status != 200:
                    raise HostError(f"the host does not send {item['filename']}: HTTP {answer.status}")
                with temporary.open("wb") as file:
                    async for chunk in answer.content.iter_chunked(1 << 20):
                        file.write(chunk)
            temporary.replace(target)
        finally:
            temporary.unlink(missing_ok=True)
        return target

    async def _listen(self, socket: aiohttp.ClientWebSocketResponse, work: Work) -> None:
        try:
            message = await socket.receive(timeout=QUIET)
        except asyncio.TimeoutError:
            work.ended = work.prompt_id in await self._call("GET", f"/history/{work.prompt_id}")
            return
        if message.type == aiohttp.WSMsgType.TEXT:
            line = work.hear(json.loads(message.data))
            if line is not None and not self.quiet:
                tell(f"\r{line:<78}" if sys.stderr.isatty() else f"{line}\n")
        elif message.type != aiohttp.WSMsgType.BINARY:
            raise HostError("the host has closed the connection; look at its log")

    async def _call(self, method: str, path: str, **content: Any) -> Any:
        async with self.session.request(method, path, **content) as answer:
            body = await answer.read()
            if answer.status != 200:
                raise HostError(refusal(body))
            return json.loads(body) if body else None


@asynccontextmanager
async def connected(address: str) -> AsyncIterator[Host]:
    """A connection to a ComfyUI, for example at ``http://127.0.0.1:8188``.

    Raises:
        HostError: the host does not answer, or stops answering.
    """
    address = address if "://" in address else f"http://{address}"
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=30)
    try:
        async with aiohttp.ClientSession(address, timeout=timeout) as session:
            yield Host(session, uuid.uuid4().hex)
    except (aiohttp.ClientError, OSError) as error:
        reason = one_line(str(error))
        raise HostError(
            f"no ComfyUI answers at {address} ({reason}); start it, or give its address with --host"
        ) from error


@dataclass
class Work:
    """Progress of a prompt, from the host's messages.

    Attributes:
        prompt_id: id of the prompt; messages of others are ignored.
        prompt: nodes of the prompt.
        node: the running node.
        begun: nodes that are running, finished, or cached by the host.
        ended: whether the prompt has ended, with or without success, and is in the host's history: only then
            ``executing`` names no node.
    """

    prompt_id: str
    prompt: Prompt
    node: str = ""
    begun: set[str] = field(default_factory=set)
    ended: bool = False

    def hear(self, message: Prompt) -> str | None:
        """Process a message; return a line to show if something changed."""
        kind, data = message["type"], message["data"]
        if kind == "status":
            left = data.get("status", {}).get("exec_info", {}).get("queue_remaining", 1)
            return None if self.begun or left < 2 else f"waiting: {left} in the queue"
        if data.get("prompt_id") != self.prompt_id:
            return None
        if kind == "execution_cached":
            self.begun |= set(data["nodes"])
        elif kind == "executing":
            return self._at(data["node"])
        elif kind == "progress" and data.get("node") == self.node and data["max"] > 1:
            return f"{self._at(self.node)}: {data['value']} of {data['max']}"
        return None

    def _at(self, node: str | None) -> str | None:
        if node is None:
            self.ended = True
            return None
        self.node = node
        self.begun.add(node)
        known = self.prompt.get(node, {})
        name = known.get("_meta", {}).get("title") or known.get("class_type", node)
        return f"[{len(self.begun)}/{len(self.prompt)}] {name}"


def one_line(text: str) -> str:
    """Text without line breaks."""
    return " ".join(text.split())


def refusal(answer: bytes) -> str:
    """The host's reason for refusing a request, in one line."""
    try:
        found = json.loads(answer)
        said = [str(found["error"]["message"])]
        for number, node in (found.get("node_errors") or {}).items():
            for error in node["errors"]:
                said.append(f"node {number} ({node['class_type']}): {error['message']}: {error['details']}")
    except (ValueError, KeyError, TypeError):
        said = [answer.decode(errors="replace")[:500] or "no reason given"]
    return one_line("the host refused: " + "; ".join(said))


def finished(entry: Prompt) -> Prompt:
    """The outputs of a prompt in the history, by node.

    Raises:
        HostError: a node failed, or the work was stopped.
    """
    for kind, message in entry["status"]["messages"]:
        if kind == "execution_error":
            raise HostError(one_line(f"{message['node_type']}: {message['exception_message']}"))
        if kind == "execution_interrupted":
            raise HostError("interrupted by the host")
    outputs: Prompt = entry["outputs"]
    return outputs


def results(outputs: Prompt) -> Iterator[dict[str, str]]:
    """The files among the outputs of a prompt."""
    for output in outputs.values():
        for items in output.values():
            for item in items if isinstance(items, list) else ():
                if isinstance(item, dict) and "filename" in item:
                    yield item


def chosen(prompt: Prompt, portrait: Path | None, speech: Path | None) -> dict[str, Path]:
    """Files to upload by class of the loading node: the given ones, else the needed examples."""
    given = {"LoadImage": portrait, "LoadAudio": speech}
    examples = {"LoadImage": ASSETS / "portrait.png", "LoadAudio": ASSETS / "speech.flac"}
    loads = {node["class_type"] for node in prompt.values()}
    return {kind: path or examples[kind] for kind, path in given.items() if path is not None or kind in loads}


def filled(prompt: Prompt, files: dict[str, str], seed: int | None = None) -> Prompt:
    """A copy of a prompt with changed inputs: ``files`` by class of the loading node."""
    prompt = json.loads(json.dumps(prompt))
    for number in [number for number, node in prompt.items() if node["class_type"] == EXAMPLES]:
        replace_examples(prompt, number, files)
    for node in prompt.values():
        kind, inputs = node["class_type"], node["inputs"]
        if kind in files:
            inputs[UPLOADED[kind]] = files[kind]
        if seed is not None and "seed" in inputs:
            inputs["seed"] = seed
    return prompt


def replace_examples(prompt: Prompt, number: str, files: dict[str, str]) -> None:
    """Load files in place of the outputs of a node of examples; remove that node if it is no longer used."""
    used = [node["inputs"] for node in prompt.values()]
    for slot, kind in enumerate(UPLOADED):
        if kind in files:
            new = next(free for free in map(str, count(1)) if free not in prompt)
            prompt[new] = {"class_type": kind, "inputs": {UPLOADED[kind]: files[kind]}}
            for inputs in used:
                inputs.update({name: [new, 0] for name, link in inputs.items() if link == [number, slot]})
    if not any(isinstance(link, list) and link[0] == number for inputs in used for link in inputs.values()):
        del prompt[number]


def read_prompt(path: Path) -> Prompt:
    """Read an API prompt from a file.

    Raises:
        ValueError: it is not an API prompt; the text says what it is and what to use.
    """
    try:
        prompt = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ValueError(f"{path} cannot be read as JSON: {one_line(str(error))}") from error
    if isinstance(prompt, dict) and "nodes" in prompt:
        raise ValueError(f"{path} is a graph for the page; use an API prompt, for example from workflows/api")
    if not isinstance(prompt, dict) or not all(
        isinstance(node, dict) and {"class_type", "inputs"} <= set(node) for node in prompt.values()
    ):
        raise ValueError(f"{path} is not an API prompt; expected nodes with class_type and inputs")
    return prompt


def tell(text: str) -> None:
    """Print progress to standard error, so that the results can be piped."""
    sys.stderr.write(text)
    sys.stderr.flush()


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


async def work_table(args: argparse.Namespace, prompt: Prompt, rows: list[Row]) -> int:
    """Make what is missing of a table; return the exit status."""
    missing = [row for row in rows if not row.out.exists()]
    tell(f"{len(rows)} videos, {len(rows) - len(missing)} of them there already\n")
    failed = await share(missing, [part for part in args.hosts.split(",") if part], prompt)
    tell(f"{len(missing) - len(failed)} made, {len(failed)} failed\n")
    return 1 if failed else 0


async def work(args: argparse.Namespace, prompt: Prompt) -> None:
    """Upload, run, download."""
    async with connected(args.host) as host:
        paths = chosen(prompt, args.portrait, args.speech)
        files = {kind: await host.upload(path) for kind, path in paths.items()}
        prompt = filled(prompt, files, args.seed)
        for item in await host.results(prompt, await host.run(prompt)):
            sys.stdout.write(f"{await host.fetch(item, args.out)}\n")


def main() -> int:
    """Run the command line; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("workflow", type=Path, help="an API prompt, for example from workflows/api")
    parser.add_argument("--portrait", type=Path, help="image to animate (default: an example)")
    parser.add_argument("--speech", type=Path, help="recording to speak (default: an example)")
    parser.add_argument("--seed", type=int, help="seed of all samplers (default: the workflow's)")
    parser.add_argument("--host", default="http://127.0.0.1:8188", help="address of ComfyUI")
    parser.add_argument("--out", type=Path, default=Path("output"), help="folder for the results")
    parser.add_argument("--table", type=Path, help="CSV file of many videos: portrait, speech, out, seed")
    parser.add_argument("--hosts", help="with --table: addresses that share the work, separated by commas")
    args = parser.parse_args()
    args.hosts = args.hosts or args.host
    for path in filter(None, (args.workflow, args.portrait, args.speech, args.table)):
        if not path.is_file():
            parser.error(f"{path}: no such file")
    try:
        prompt = read_prompt(args.workflow)
        rows = None if args.table is None else read_table(args.table)
    except ValueError as error:
        parser.error(str(error))
    try:
        if rows is not None:
            return asyncio.run(work_table(args, prompt, rows))
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
