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
        logging.getLogger("READ").exception("The READ nodes could not be loaded:")
        raise
    return ReadExtension()
