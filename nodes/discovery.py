"""Search words for the nodes, for hosts that support them."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from comfy_api.latest import io

LIP_SYNC = ("lip sync", "lipsync", "talking head", "audio to video", "speech to video")
AVATAR = ("avatar", "talking portrait", "talking photo")
SPEECH = (*LIP_SYNC, "audio encode", "whisper")
REFERENCE = (*AVATAR, *LIP_SYNC, "face crop", "find face")
TEXT = ("text embedding", "save conditioning", "t5", "training prompt")
FILE = (*LIP_SYNC, *AVATAR, "save video", "audio driven video")
ESSENTIALS = "Video Generation"

_KNOWN = {field.name for field in fields(io.Schema)}


def found_by(*words: str, essential: bool = False) -> dict[str, Any]:
    """Search arguments of ``io.Schema``; those that this host does not know are left out.

    Args:
        words: other names under which the search finds the node.
        essential: list the node in the host's essentials.
    """
    wanted = {"search_aliases": list(words)} | ({"essentials_category": ESSENTIALS} if essential else {})
    return {name: value for name, value in wanted.items() if name in _KNOWN}


def folded(**options: Any) -> dict[str, Any]:
    """Options of a widget that hosts hide behind *Show advanced inputs*; older hosts show it."""
    return {**options, "extra_dict": {"advanced": True}}
