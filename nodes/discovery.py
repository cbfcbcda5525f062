"""Words under which users look for the nodes, for the hosts that take them."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from comfy_api.latest import io

LIP_SYNC = ("lip sync", "lipsync", "talking head", "audio to video", "speech to video")
AVATAR = ("avatar", "talking portrait", "talking photo")
SPEECH = (*LIP_SYNC, "audio encode", "whisper")
REFERENCE = (*AVATAR, *LIP_SYNC, "face crop", "find face")
FILE = (*LIP_SYNC, *AVATAR, "save video", "audio driven video")
ESSENTIALS = "Video Generation"

_KNOWN = {field.name for field in fields(io.Schema)}


def found_by(*words: str, essential: bool = False) -> dict[str, Any]:
    """Arguments of ``io.Schema``; a host that does not know one of them is not given it.

    Args:
        words: other names for the node in the search.
        essential: show it among the host's essentials.
    """
    wanted = {"search_aliases": list(words)} | ({"essentials_category": ESSENTIALS} if essential else {})
    return {name: value for name, value in wanted.items() if name in _KNOWN}


def folded(**options: Any) -> dict[str, Any]:
    """Options of a widget that hosts fold away where they can; others show it."""
    return {**options, "extra_dict": {"advanced": True}}
