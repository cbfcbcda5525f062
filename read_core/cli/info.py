"""``read-core info``: describe a checkpoint from only its JSON files and safetensors headers."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from ..limits import GUIDANCE_END

if TYPE_CHECKING:
    from ..ans import Guidance, Shift
    from ..checkpoint import Card
    from ..face.alignment import FaceLayout


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``read-core info``."""
    from ..bundled import BUNDLED

    parser.add_argument(
        "checkpoint",
        type=Path,
        nargs="?",
        default=BUNDLED,
        help="folder of the checkpoint, or one that read-core init wrote",
    )


def _demonstration(card: Card) -> str:
    if not card.demonstration:
        return ""
    return " (a demonstration)" if card.face else " (a demonstration, not for real portraits)"


def _face(layout: FaceLayout | None) -> str:
    if layout is None:
        return "not aligned: the middle of the portrait"
    return (
        f"aligned: eye distance {layout.eye_distance:g}, eyes at {layout.eyes:g}, mouth at {layout.mouth:g} "
        "of the side"
    )


def run(args: argparse.Namespace) -> int:
    """Print parts with their sizes, defaults, the training material, and the origin of others' weights."""
    from ..checkpoint import describe
    from ..geometry import FPS, frames_of_latents
    from ..weights.origin import read_origin

    if not (args.checkpoint / "model_index.json").is_file() and _print_origins(args.checkpoint):
        return 0
    info = describe(args.checkpoint)
    card, defaults = info.card, info.defaults
    height, width = card.resolution
    frames = frames_of_latents(defaults.window)
    lines = {
        "name": card.name + _demonstration(card),
        "folder": str(info.folder),
        "trained on": card.trained_on,
        "resolution": f"{width} x {height} pixels (width x height)",
        "face": _face(card.face),
        "window": f"{defaults.window} latents, {frames} frames, {frames / FPS:.2f} s",
        "steps": f"{defaults.steps}, time shift {_shift(defaults.shift)}",
        "guidance": _guidance(defaults.guidance) + _until(defaults.guidance_end),
        "decoding": f"{defaults.decode.chunk} latents at a time, {defaults.decode.halo} more on each side",
        "prompt": info.prompt_text or "(none)",
    }
    if defaults.distilled is not None:
        lines["student"] = f"{defaults.distilled.steps} steps, {_guidance(defaults.distilled.guidance)}"
    for name, value in lines.items():
        print(f"{name:<12}{value}")
    print(f"\n{'part':<14}{'class':<26}{'parameters':>14}{'size':>12}  type")
    for part in info.parts:
        size = f"{part.nbytes / 1e6:.2f} MB"
        print(
            f"{part.name:<14}{part.class_name:<26}{part.parameters:>14,}{size:>12}  {' '.join(part.dtypes)}"
        )
    parameters, total = sum(p.parameters for p in info.parts), sum(p.nbytes for p in info.parts)
    print(f"{'total':<40}{parameters:>14,}{f'{total / 1e6:.2f} MB':>12}")
    if any(read_origin(info.folder / part.name) for part in info.parts):
        print()
        _print_origins(info.folder)
    return 0


def _guidance(guidance: Guidance) -> str:
    scales = [f"{name} {value}" for name, value in guidance.to_dict().items() if name != "kind"]
    return guidance.kind + (f": {', '.join(scales)}" if scales else "")


def _until(end: float) -> str:
    return f", until {end:g} of the way from noise" if end < GUIDANCE_END.largest else ""


def _shift(shift: Shift) -> str:
    return "by the number of tokens" if shift == "tokens" else f"{shift:g}"


def _print_origins(folder: Path) -> bool:
    """Print where each part in a folder comes from; False: none of them tells."""
    from ..weights.origin import read_origin

    parts = sorted(path for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []
    found = {part.name: origin for part in parts if (origin := read_origin(part)) is not None}
    for name, origin in found.items():
        print(f"{name:<14}{origin.line()}; sha256 {origin.sha256[:12]}")
    return bool(found)
