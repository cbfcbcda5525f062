"""A client of ComfyUI's API: queues prompts over HTTP and follows them over the websocket."""

from __future__ import annotations

import asyncio
import json
import struct
import threading
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import aiohttp

PATIENCE = 600.0  # seconds; the machine may be busy
BINARY = {1: "preview", 3: "text", 4: "preview"}


class RefusedError(Exception):
    """The host did not accept a prompt; ``errors`` holds what it says of each node."""

    def __init__(self, answer: dict[str, Any]) -> None:
        super().__init__(json.dumps(answer))
        self.errors = answer.get("node_errors") or {}


@dataclass
class Run:
    """What came of one prompt: the messages that arrived while it ran, and its entry in the history."""

    prompt_id: str
    messages: list[tuple[str, Any]] = field(default_factory=list)
    history: dict[str, Any] = field(default_factory=dict)

    def data(self, kind: str) -> list[Any]:
        return [data for found, data in self.messages if found == kind]

    @property
    def executed(self) -> set[str]:
        return {data["node"] for data in self.data("executing") if data["node"] is not None}

    @property
    def cached(self) -> set[str]:
        return {node for data in self.data("execution_cached") for node in data["nodes"]}

    @property
    def texts(self) -> list[str]:
        return self.data("text")

    @property
    def status(self) -> str:
        """``success``, ``error`` or ``interrupted``."""
        kinds = {kind for kind, _ in self.history["status"]["messages"]}
        if "execution_interrupted" in kinds:
            return "interrupted"
        return "error" if "execution_error" in kinds else "success"

    @property
    def error(self) -> dict[str, Any]:
        """Of a prompt that failed: exception_message, node_id, node_type, exception_type ..."""
        found = [data for kind, data in self.history["status"]["messages"] if kind == "execution_error"]
        assert len(found) == 1, f"{len(found)} errors; expected one"
        return found[0]

    def progress(self, node: str) -> list[tuple[int, int]]:
        return [(data["value"], data["max"]) for data in self.data("progress") if data["node"] == node]

    def files(self, node: str) -> list[dict[str, str]]:
        """What an output node says it has written."""
        output = self.history["outputs"][node]
        return [
            item
            for items in output.values()
            for item in items
            if isinstance(item, dict) and "filename" in item
        ]

    def ui(self, node: str, key: str) -> Any:
        return self.history["outputs"][node][key][0]


class Client:
    """One websocket connection, and the HTTP calls that go with it.

    Args:
        address: ``127.0.0.1:8310``.
    """

    def __init__(self, address: str) -> None:
        self.address = address
        self.id = uuid.uuid4().hex
        self.messages: list[tuple[str, Any]] = []
        self._news = threading.Condition()
        self._connected = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._listening: asyncio.Task[None] | None = None
        self._thread = threading.Thread(target=self._run_loop, daemon=True)
        self._thread.start()
        assert self._connected.wait(PATIENCE), f"no websocket at {address}"

    def close(self) -> None:
        assert self._listening is not None
        self._loop.call_soon_threadsafe(self._listening.cancel)
        self._thread.join(30)

    def get(self, path: str) -> Any:
        with urllib.request.urlopen(f"http://{self.address}{path}", timeout=PATIENCE) as answer:
            return json.load(answer)

    def post(self, path: str, data: dict[str, Any] | None = None) -> Any:
        request = urllib.request.Request(
            f"http://{self.address}{path}",
            json.dumps(data or {}).encode(),
            {"Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
                body = answer.read()
        except urllib.error.HTTPError as error:
            raise RefusedError(json.loads(error.read())) from error
        return json.loads(body) if body else None

    def queue(self, prompt: dict[str, Any], **extra: Any) -> str:
        """Queue a prompt; ``extra`` goes to its extra_data. Its id."""
        data = {"prompt": prompt, "client_id": self.id, "extra_data": extra}
        return self.post("/prompt", data)["prompt_id"]

    def wait(self, prompt_id: str, watch: Callable[[str, Any], None] | None = None) -> Run:
        """Follow a prompt to its end.

        Args:
            watch: called with the kind and the data of each message of this prompt as it comes.
        """
        run, seen, deadline = Run(prompt_id), 0, time.monotonic() + PATIENCE
        started = False
        while time.monotonic() < deadline:

            def came(count: int = seen) -> bool:
                return len(self.messages) > count

            with self._news:
                self._news.wait_for(came, timeout=5)
                fresh, seen = self.messages[seen:], len(self.messages)
            for kind, data in fresh:
                mine = isinstance(data, dict) and data.get("prompt_id") == prompt_id
                started = started or (mine and kind == "execution_start")
                if not started:
                    continue
                run.messages.append((kind, data))
                if watch is not None:
                    watch(kind, data)
                if mine and kind == "executing" and data["node"] is None:
                    run.history = self.get(f"/history/{prompt_id}")[prompt_id]
                    return run
        raise TimeoutError(f"prompt {prompt_id} has not ended in {PATIENCE} s")

    def run(
        self, prompt: dict[str, Any], watch: Callable[[str, Any], None] | None = None, **extra: Any
    ) -> Run:
        return self.wait(self.queue(prompt, **extra), watch)

    def interrupt(self) -> None:
        self.post("/interrupt")

    def free(self, prompt: dict[str, Any] | None = None, **what: bool) -> None:
        """Have the host unload its models (``unload_models``) or drop what it keeps too (``free_memory``).

        It does so after the next prompt at the latest, so one is run before this returns: ``prompt``, where
        the host is to keep what it has of that one, or one that needs nothing.
        """
        self.post("/free", what)
        self.run(prompt or {"1": {"class_type": "ReadTest_Loaded", "inputs": {"nonce": 0}}})

    def _run_loop(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._listening = self._loop.create_task(self._listen())
        try:
            self._loop.run_until_complete(self._listening)
        except asyncio.CancelledError:
            pass
        finally:
            self._loop.close()

    async def _listen(self) -> None:
        async with (
            aiohttp.ClientSession() as session,
            session.ws_connect(f"http://{self.address}/ws?clientId={self.id}", max_msg_size=0) as socket,
        ):
            await socket.send_json({"type": "feature_flags", "data": {"supports_preview_metadata": True}})
            self._connected.set()
            async for message in socket:
                with self._news:
                    if message.type == aiohttp.WSMsgType.TEXT:
                        found = json.loads(message.data)
                        self.messages.append((found["type"], found["data"]))
                    elif message.type == aiohttp.WSMsgType.BINARY:
                        self.messages.append(_binary(message.data))
                    self._news.notify_all()


def _binary(data: bytes) -> tuple[str, Any]:
    """A preview as its JPEG bytes, or the text under a node."""
    (number,) = struct.unpack(">I", data[:4])
    kind = BINARY.get(number, f"binary {number}")
    if kind == "text":
        (length,) = struct.unpack(">I", data[4:8])
        return kind, data[8 + length :].decode()
    if number == 4:
        (length,) = struct.unpack(">I", data[4:8])
        return kind, data[8 + length :]
    return kind, data[8:]
