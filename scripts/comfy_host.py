"""Talk to a running ComfyUI: upload files, queue a prompt, follow its progress, download the results.

It needs aiohttp, which ComfyUI's own Python has.
"""

from __future__ import annotations

import asyncio
import json
import sys
import uuid
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from api_prompts import Prompt

try:
    import aiohttp
except ImportError:
    sys.exit("error: aiohttp is missing; run this with ComfyUI's own Python, or: pip install aiohttp")

QUIET = 30.0  # seconds without a message before the host's queue and history are checked
STUCK = 300.0  # seconds without a byte of an answer before the host is given up
_CONNECT = 30.0  # seconds until a host takes the connection

REMOVED = (
    "the prompt is neither in the host's queue nor in its history: somebody has removed it, for example with "
    "Clear queue; queue it again"
)
STRANGER = "the answer is not ComfyUI's; give the address of a ComfyUI with --host"


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
            return str(_named("name", await self._call("POST", "/upload/image", data=form)))

    async def queue(self, prompt: Prompt) -> str:
        """Queue a prompt; return its id."""
        body = {"prompt": prompt, "client_id": self.client}
        return str(_named("prompt_id", await self._call("POST", "/prompt", json=body)))

    async def queued(self) -> set[str]:
        """The ids of all prompts that run or wait on the host."""
        queue = await self._call("GET", "/queue")
        return {str(item[1]) for part in ("queue_running", "queue_pending") for item in _named(part, queue)}

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
        history = await self._call("GET", f"/history/{prompt_id}")
        if prompt_id not in history:
            raise HostError(REMOVED)
        return finished(history[prompt_id])

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
        target = folder / Path(item["filename"]).name
        async with self.downloaded(item, target) as file:
            file.replace(target)
        return target

    @asynccontextmanager
    async def downloaded(self, item: dict[str, str], target: Path) -> AsyncIterator[Path]:
        """A complete download of an output next to ``target``, to be renamed; else it is removed.

        Raises:
            HostError: the host does not send it.
            OSError: it cannot be written.
        """
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = target.with_name(f".{target.name}.part")
        wanted = {key: item.get(key, "") for key in ("filename", "subfolder", "type")}
        try:
            async with self.session.get("/view", params=wanted, timeout=_patience()) as answer:
                if answer.status != 200:
                    raise HostError(f"the host does not send {item['filename']}: HTTP {answer.status}")
                with temporary.open("wb") as file:
                    async for chunk in answer.content.iter_chunked(1 << 20):
                        file.write(chunk)
            yield temporary
        finally:
            temporary.unlink(missing_ok=True)

    async def _listen(self, socket: aiohttp.ClientWebSocketResponse, work: Work) -> None:
        try:
            message = await socket.receive(timeout=QUIET)
        except asyncio.TimeoutError:
            await self._check(work)
            return
        if message.type == aiohttp.WSMsgType.TEXT:
            heard = json.loads(message.data)
            line = work.hear(heard)
            if line is not None and not self.quiet:
                tell(f"\r{line:<78}" if sys.stderr.isatty() else f"{line}\n")
            if heard["type"] == "status" and not work.begun:  # the queue has changed
                await self._check(work)
        elif message.type != aiohttp.WSMsgType.BINARY:
            raise HostError("the host has closed the connection; look at its log")

    async def _check(self, work: Work) -> None:
        """Whether work has ended. When waiting work is removed, the host sends no message about it."""
        waits = work.prompt_id in await self.queued()  # asked first: it may end between both questions
        work.ended = work.prompt_id in await self._call("GET", f"/history/{work.prompt_id}")
        if not waits and not work.ended:
            raise HostError(REMOVED)

    async def _call(self, method: str, path: str, **content: Any) -> Any:
        async with self.session.request(method, path, timeout=_patience(), **content) as answer:
            body = await answer.read()
            if answer.status in (401, 403):
                raise HostError(
                    f"the host asks for credentials (HTTP {answer.status}); give them with --header, such as "
                    "--header 'Authorization: Bearer TOKEN'"
                )
            if answer.status != 200:
                raise HostError(refusal(body))
            try:
                return json.loads(body) if body else None
            except ValueError as error:
                raise HostError(f"{STRANGER} (no JSON at {path})") from error


def _patience() -> aiohttp.ClientTimeout:
    """Limit the silence of a request, not its length. A websocket may be silent: the session has no limit."""
    return aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT, sock_read=STUCK)


@asynccontextmanager
async def connected(address: str, headers: Mapping[str, str] | None = None) -> AsyncIterator[Host]:
    """A connection to a ComfyUI, for example at ``http://127.0.0.1:8188``.

    Args:
        address: of the host.
        headers: of every request, for hosts that ask for a token.

    Raises:
        HostError: the host does not answer, or stops answering. Errors of local files stay ``OSError``.
    """
    address = address if "://" in address else f"http://{address}"
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT)
    try:
        session = aiohttp.ClientSession(address, timeout=timeout, headers=headers)
    except ValueError as error:
        raise HostError(f"{address} is no address ({error}); expected one such as 127.0.0.1:8188") from error
    try:
        async with session:
            yield Host(session, uuid.uuid4().hex)
    except (aiohttp.ClientError, ConnectionError) as error:
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


def _named(name: str, answer: Any) -> Any:
    """A part of an answer of the host."""
    if not isinstance(answer, dict) or name not in answer:
        raise HostError(f"{STRANGER} (it has no {name})")
    return answer[name]


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


def tell(text: str) -> None:
    """Print progress to standard error, so that the results can be piped."""
    sys.stderr.write(text)
    sys.stderr.flush()
