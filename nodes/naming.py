"""Names of files in the output folder: patterns filled in as ComfyUI's page does, and a check."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from ..read_core.errors import InputError

_PATTERN = re.compile(r"%([^%]+)%")
_DATE = "date:"
_PARTS = re.compile(r"yyyy|yyy|yy|dd?|MM?|hh?|mm?|ss?")
_FORBIDDEN = re.compile(r'[/?<>\\:*|"\x00-\x1f\x7f]')
_PART_OF: dict[str, Callable[[datetime], int]] = {
    "d": lambda now: now.day,
    "M": lambda now: now.month,
    "h": lambda now: now.hour,
    "m": lambda now: now.minute,
    "s": lambda now: now.second,
}


def filled_in(prefix: str, prompt: Mapping[str, Any] | None, now: datetime | None = None) -> str:
    """Replace ``%date:yyyy-MM-dd%`` and ``%Node title.widget%`` in a file's prefix.

    The page does so only for core's nodes. Other patterns, for example ``%year%``, are left for the host.

    Args:
        prefix: the value of the widget.
        prompt: the running prompt; None: unknown.
        now: the time; None: the current time.

    Raises:
        InputError: the prefix contains control characters.
    """
    if bad := sorted(set(re.findall(r"[\x00-\x1f\x7f]", prefix))):
        raise InputError(
            f"filename_prefix holds {', '.join(map(repr, bad))}; expected text without control characters"
        )
    time = now or datetime.now().astimezone()

    def value(found: re.Match[str]) -> str:
        name = found[1]
        if name.startswith(_DATE):
            return _formatted_date(name.removeprefix(_DATE), time)
        title, dot, widget = name.partition(".")
        inputs = _inputs_of(title, prompt) if dot else {}
        known = widget in inputs and not isinstance(inputs[widget], list | dict)  # a list is a link
        return _FORBIDDEN.sub("_", str(inputs[widget])) if known else found[0]

    return _PATTERN.sub(value, prefix)


def check_within(prefix: str, folder: str) -> None:
    """Refuse, as the host does later, a file's prefix that leads out of a folder; links are not followed.

    Raises:
        InputError: it leads out. An absolute path or ``..`` that stays inside does not.
    """
    root = os.path.normpath(folder)
    if not Path(os.path.normpath(Path(root) / prefix)).parent.is_relative_to(root):
        raise InputError(
            f"filename_prefix is {prefix!r}; expected a name within the output folder, such as video/READ"
        )


def _formatted_date(form: str, time: datetime) -> str:
    def part(found: re.Match[str]) -> str:
        text = found[0]
        if text[0] == "y":
            return {"yyyy": f"{time.year:04}", "yy": f"{time.year % 100:02}"}.get(text, text)
        return f"{_PART_OF[text[0]](time):0{len(text)}}"

    return _PARTS.sub(part, form)


def _inputs_of(title: str, prompt: Mapping[str, Any] | None) -> Mapping[str, Any]:
    """Inputs of the first node with this title or class."""
    for node in (prompt or {}).values():
        if title in (node.get("_meta", {}).get("title"), node.get("class_type")):
            inputs: Mapping[str, Any] = node.get("inputs", {})
            return inputs
    return {}
