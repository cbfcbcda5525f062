"""What the user sees while a node works: progress, previews, messages; and how an interrupt gets in."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import comfy.model_management as mm
import comfy.utils
import torch
from comfy.cli_args import LatentPreviewMethod, args
from comfy_execution.progress import NodeState, get_progress_state
from comfy_execution.utils import get_executing_context
from PIL import Image
from torch import Tensor

from ..read_core.errors import ReadError

log = logging.getLogger("READ")
_PREVIEW_SIZE = 512
_PREVIEW_STAYS = 1.0  # seconds; the page takes one away 0.4 after it is told so


class Progress:
    """A node's progress bar. Every call is a place where the host's interrupt takes effect.

    Args:
        preview: makes a (H, W, 3) picture, 0..1, of a finished clip's latents; None, or with the host's
            previews off: no pictures.
    """

    def __init__(self, preview: Callable[[Tensor], Tensor] | None = None) -> None:
        self.bar = comfy.utils.ProgressBar(1)
        self.preview = preview if previews_wanted() else None

    def __call__(self, done: int, total: int, finished: Tensor | None = None) -> None:
        mm.throw_exception_if_processing_interrupted()
        picture = None
        if self.preview is not None and finished is not None:
            picture = ("JPEG", _image(self.preview(finished)), _PREVIEW_SIZE)
        self.bar.update_absolute(done, total, picture)


def previews_wanted() -> bool:
    """Whether the user has switched the host's previews on."""
    return bool(args.preview_method != LatentPreviewMethod.NoPreviews)


def end_previews() -> None:
    """Have the page take this node's preview away: over it, the page shows no output of the same node.

    The page does so for a node that it sees begin, so it is told that this one does not run, then that it
    does. Some pages look at what to show once, when the output comes: by then it must have happened. The
    older drawing needs ``web/previews.js`` too.
    """
    context = get_executing_context()
    if context is None or not previews_wanted():
        return
    state = get_progress_state()
    entry = state.ensure_entry(context.node_id)
    value, total = entry["value"], entry["max"]
    entry["state"] = NodeState.Pending
    for handler in state.handlers.values():
        if handler.enabled:
            handler.update_handler(context.node_id, value, total, entry, state.prompt_id)
    state.update_progress(context.node_id, value, total)
    time.sleep(_PREVIEW_STAYS)


def say(text: str, remarks: Remarks | None = None) -> None:
    """Write to the host's log and, where there is one, under the node in the graph.

    Args:
        remarks: warnings that were said before, and must stand under the node still.
    """
    log.info(text)
    _show(" ".join([text, *(remarks.texts if remarks else ())]))


def _show(text: str) -> None:
    context = get_executing_context()
    if context is None:
        return
    try:
        from server import PromptServer

        PromptServer.instance.send_progress_text(text, context.node_id)
    except (ImportError, AttributeError):  # run without the host's server, or in one that has no such text
        return


class Remarks:
    """Hands warnings of the core to the user as they come, each once: an ``on_warning``.

    Attributes:
        texts: what was said so far, for the next text of the node (a text replaces the one before).
    """

    def __init__(self) -> None:
        self.texts: list[str] = []

    def __call__(self, message: str) -> None:
        if (text := f"Warning: {message}.") not in self.texts:
            self.texts.append(text)
            log.warning(text)
            _show(text)


@contextmanager
def about(widget: str) -> Iterator[None]:
    """Say in front of the core's errors which input they are about."""
    try:
        yield
    except ReadError as error:
        raise type(error)(f"{widget}: {error}") from error


def _image(pixels: Tensor) -> Image.Image:
    return Image.fromarray(pixels.float().clamp(0, 1).mul(255).round().to(torch.uint8).cpu().numpy())
