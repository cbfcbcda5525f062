"""Feedback while a node runs: progress, previews, messages, and checks for an interrupt."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

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
_REQUIREMENTS = Path(__file__).parents[1] / "requirements.txt"
_PREVIEW_STAYS = 1.0  # seconds; the page removes a preview 0.4 s after it is told to


class Progress:
    """A node's progress bar. Every call checks for the host's interrupt.

    Args:
        preview: function from a finished clip's latents to a picture (H, W, 3), 0..1. There are no pictures
            if it is None or the host's previews are off.
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
    """Whether the host's previews are switched on."""
    return bool(args.preview_method != LatentPreviewMethod.NoPreviews)


def end_previews() -> None:
    """Make the page remove this node's preview: the page shows no output of a node under its preview.

    The page removes a preview when a node starts. So tell it that this node is pending, then running again.
    Some pages decide only once what to show, when the output arrives, so this must happen before. Older pages
    also need ``web/previews.js``.
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


def show_text(text: str, remarks: Remarks | None = None) -> None:
    """Write a text to the host's log and, if the host has a page, under the node in the graph.

    Args:
        remarks: earlier warnings that must stay under the node.
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
    except (ImportError, AttributeError):  # the host has no server, or no texts under nodes
        return


class Remarks:
    """An ``on_warning`` that shows each warning of the core once.

    Attributes:
        texts: all warnings so far, to repeat in the next text of the node (a text replaces the previous one).
    """

    def __init__(self) -> None:
        self.texts: list[str] = []

    def __call__(self, message: str) -> None:
        if (text := f"Warning: {message}.") not in self.texts:
            self.texts.append(text)
            log.warning(text)
            _show(text)


@contextmanager
def input_named(widget: str) -> Iterator[None]:
    """Prefix errors of the core with the name of the input that caused them."""
    try:
        yield
    except ReadError as error:
        raise type(error)(f"{widget}: {error}") from error


@contextmanager
def packages_installed() -> Iterator[None]:
    """Say what to do if a package that the pack needs is missing."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise ReadError(
            f"the package {error.name} is not installed; run with ComfyUI's own Python: "
            f'"{sys.executable}" -m pip install -r "{_REQUIREMENTS}", and restart ComfyUI'
        ) from error


def _image(pixels: Tensor) -> Image.Image:
    return Image.fromarray(pixels.float().clamp(0, 1).mul(255).round().to(torch.uint8).cpu().numpy())
