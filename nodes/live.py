"""Play a video in the page while it is written: the page requests the bytes written so far."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from comfy_api.latest import io
from comfy_execution.utils import get_executing_context

from .discovery import folded

EVENT = "read.live"
PIECE = 4 << 20  # most bytes in one answer
_under_way: dict[str, Path] = {}  # files that are being written now, by a word that only the page knows
_ended: deque[str] = deque(maxlen=100)  # words of the last jobs


def live_input() -> io.Input:
    """The widget; older prompts lack it."""
    return io.Boolean.Input(
        "live",
        default=True,
        optional=True,
        **folded(
            tooltip="Plays finished clips in this node, with sound, while it samples later ones. The browser "
            "must play H.264."
        ),
    )


@contextmanager
def playing(path: Path, wanted: bool) -> Iterator[None]:
    """Tell the page that the file ``path`` grows, and serve its bytes until the block ends."""
    server, context = _server(), get_executing_context()
    if not wanted or server is None or context is None:
        yield
        return
    token = secrets.token_urlsafe(16)
    _under_way[token] = path
    server.send_sync(EVENT, {"node": context.node_id, "token": token}, server.client_id)
    try:
        yield
    finally:
        del _under_way[token]
        _ended.append(token)


async def _piece(request: Any) -> Any:
    """The bytes from ``?from=`` on; 204 if the job has ended, 404 if the word is wrong."""
    from aiohttp import web

    token, start = request.match_info["token"], request.query.get("from", "0")
    path = _under_way.get(token)
    if path is None or not start.isdecimal():
        return web.Response(status=204 if token in _ended else 404)
    try:
        body = await asyncio.to_thread(_read, path, int(start))
    except OSError:  # it has just ended
        return web.Response(status=204)
    return web.Response(body=body, content_type="video/mp4", headers={"Cache-Control": "no-store"})


def _read(path: Path, start: int) -> bytes:
    with path.open("rb") as file:
        file.seek(start)
        return file.read(PIECE)


def _server() -> Any:
    """The host's server; None if there is none."""
    try:
        from server import PromptServer
    except ImportError:
        return None
    return getattr(PromptServer, "instance", None)


def add_route() -> None:
    """Add the route to the host's server; without one, videos are not played live."""
    server = _server()
    try:
        server.routes.get("/read/live/{token}")(_piece)
    except AttributeError:
        logging.getLogger("READ").info(
            "This host has no server: videos are not played while they are written."
        )
