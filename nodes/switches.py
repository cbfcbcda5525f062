"""Widgets with the choices auto, on and off."""

from __future__ import annotations

from comfy_api.latest import io

AUTO = "auto"
CHOICES = {AUTO: None, "on": True, "off": False}
BLINKS = "Closes the eyelids now and then. auto: with fit face, if the checkpoint has an eyelid network."

HEAD_MOTION = "Moves the head a little. auto: with fit face, if the checkpoint's own heads keep still."


def switch_input(name: str, tooltip: str) -> io.Combo.Input:
    """A widget that older prompts and graphs may lack: then it is ``auto``."""
    return io.Combo.Input(name, options=list(CHOICES), default=AUTO, optional=True, tooltip=tooltip)
