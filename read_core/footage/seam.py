"""How near encoding in spans is to encoding all at once, measured on one item and written down."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from ..errors import OnWarning
from ..geometry import FPS, FRAMES_PER_LATENT
from ..media.frames import FrameReader
from ..usage import out_of_memory
from ..weights.files import read_json
from .encode import receptive_latents, seam_db
from .manifest import Manifest
from .records import SETTINGS, write_json
from .settings import Settings
from .units import models_of


def measure_seam(
    out: Path,
    settings: Settings,
    manifest: Manifest,
    on_start: Callable[[float], None],
    on_warning: OnWarning,
) -> None:
    """Measure it once for ``out``, on the device that encodes items; without memory for it, warn.

    Args:
        on_start: called with the seconds of video before these are encoded.
    """
    content = read_json(out / SETTINGS)
    long = [item for item in manifest.content["items"] if item["latents"] > settings.span]
    videos = [(out / item["file"]).with_suffix(".mp4") for item in long]
    if "seam" in content or not long or not videos[0].is_file():
        return
    vae = models_of(settings).vae
    needed = receptive_latents(vae.vae)
    seam: dict[str, Any] = {"span": settings.span, "context": settings.context, "exact_from": needed}
    if settings.context < needed:
        count = FRAMES_PER_LATENT * (min(2 * settings.span, long[0]["latents"]) - 1) + 1
        on_start(count / FPS)
        shown = FrameReader(videos[0]).read(0, count)
        frames = torch.stack([torch.from_numpy(one.pixels()) for one in shown]).to(vae.vae.device)
        try:
            with torch.no_grad():
                decibels = seam_db(vae, frames.float() / 255, settings.span, settings.context)
        except Exception as error:
            if (trouble := out_of_memory(error)) is None:
                raise
            on_warning(f"encoding in spans is not compared with encoding all at once: {trouble}")
            return
        seam["decibels"] = round(decibels, 1)
    write_json(out / SETTINGS, content | {"seam": seam})
