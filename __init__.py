"""READ for ComfyUI. Nothing is imported until the host asks for the nodes."""

from __future__ import annotations

from typing import Any

WEB_DIRECTORY = "./web"


async def comfy_entrypoint() -> Any:
    """The host's way in (V3)."""
    import logging

    try:
        from .nodes import ReadExtension
    except Exception:
        needed = "ComfyUI 0.8.0 or later, and the packages of its requirements.txt"
        logging.getLogger("READ").exception("The READ nodes could not be loaded. They need %s:", needed)
        raise
    return ReadExtension()
