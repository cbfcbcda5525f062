"""``read-core prepare``: make the missing plans and items, and write the manifest."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..errors import InputError, MediaError, OnWarning, warn
from ..geometry import FPS, FRAMES_PER_LATENT
from ..weights.files import read_json
from ..weights.fingerprint import fingerprint
from .engines import run_units
from .manifest import Manifest, write_manifest
from .records import SETTINGS, SOURCES, write_json
from .settings import Settings
from .sources import Source, find_sources
from .units import Outcome, Unit, current_plan, is_done

OnUnits = Callable[[str, float], None]
"""Called as (what is done, seconds of footage that it is) before the work, which may be none."""
OnDone = Callable[[Unit], None]


@dataclass(frozen=True)
class Prepared:
    """What a run did.

    Attributes:
        manifest: of all that there is.
        made: items of this run.
        busy: units that another process was doing.
    """

    manifest: Manifest
    made: int
    busy: int


def prepare(
    videos: Path,
    out: Path,
    settings: Settings,
    engine: str = "processes",
    workers: int = 1,
    on_units: OnUnits | None = None,
    on_done: OnDone | None = None,
    on_warning: OnWarning = warn,
) -> Prepared:
    """Turn videos into items. Finished items stay, and several runs may share the work.

    Args:
        videos: a folder, searched with its subfolders, or one file.
        out: folder of the result, see ``records``.
        settings: how; what ``out`` was begun with must be the same.
        engine: who works, see ``engines``.
        workers: how many processes.
        on_units: called before each of the two passes.
        on_done: called after each unit.
        on_warning: called with what is remarkable about a video, and with why one is refused.

    Raises:
        InputError: ``out`` was begun with other settings or models, or a package is missing.
        MediaError: there are no videos, the disk is full, or a process was killed; what is finished is kept.
        CheckpointError: a model is missing or damaged.
    """
    if workers < 1:
        raise InputError(f"workers is {workers}; expected 1 or more")
    sources = find_sources(videos, settings.layout)
    check_ready(settings)
    asked, settings = settings, begin(out, settings, videos)
    if settings.kept_from > asked.kept_from:
        on_warning(
            f"{out} was begun by an earlier version, which leaves out stretches below "
            f"{settings.seconds[0]:g} s; choose another folder to keep them from "
            f"{asked.kept_from / FPS:g} s on"
        )

    def run(units: Sequence[Unit]) -> list[Outcome]:
        outcomes = []
        for outcome in run_units(engine, workers, out, settings, units):
            if outcome.fatal:
                raise MediaError(outcome.refused)
            if outcome.refused:
                on_warning(outcome.refused)
            if on_done is not None:
                on_done(outcome.unit)
            outcomes.append(outcome)
        return outcomes

    try:
        scans = [
            Unit(source, _length(source.path)) for source in sources if current_plan(out, source) is None
        ]
        _announce(on_units, "scanning", scans)
        outcomes = run(scans)
        items = [unit for source in sources for unit in _missing(out, source)]
        _announce(on_units, "encoding", items)
        outcomes += run(items)
    finally:
        manifest = write_manifest(out)
    _measure_seam(out, settings, manifest)
    made = sum(one.unit.item is not None and not one.refused and not one.busy for one in outcomes)
    return Prepared(write_manifest(out), made, sum(one.busy for one in outcomes))


def check_ready(settings: Settings) -> None:
    """Check packages, files and models before any work.

    Raises:
        InputError, CheckpointError: one is not.
    """
    from .detectors import make_detector
    from .voice import make_voice

    make_detector(settings.detector, settings.detector_file)
    make_voice(settings.voice)
    for folder in (settings.vae, settings.whisper):
        if not (folder / "config.json").is_file():
            raise InputError(
                f"{folder} holds no model; make it of the published files with 'read-core init', or "
                "take one that 'read-core train' has made"
            )


def begin(out: Path, settings: Settings, videos: Path) -> Settings:
    """Write down how ``out`` is made, or check that it was begun in the same way; the license may change.

    Only the name of the folder of the footage counts: it may be moved. Another one might have videos of the
    same names, which would take the place of those that are there.

    Returns:
        The settings to go on with: a folder that an earlier version began keeps no stretch below an item's
        least.

    Raises:
        InputError: it was begun otherwise.
    """
    path = out / SETTINGS
    found = read_json(path) if path.is_file() else {}
    there = found.get("settings", {})
    if there and "shortest" not in there and settings.shortest is None:
        settings = replace(settings, shortest=settings.seconds[0])
        there = there | {"shortest": settings.stamp()["shortest"]}
    content: dict[str, Any] = {
        "license": settings.license,
        "footage": videos.resolve().name,
        "settings": settings.stamp(),
        "vae": fingerprint([settings.vae]),
        "whisper": fingerprint([settings.whisper]),
    }
    if found:
        differing = [name for name in ("footage", "vae", "whisper") if found.get(name) != content[name]]
        differing += [n for n, value in content["settings"].items() if there.get(n) != value]
        if differing:
            raise InputError(
                f"{out} was prepared with another {' and another '.join(differing)}; choose another folder, "
                "or the same settings and models as before"
            )
        content = found | {"license": settings.license}
        if content == found:
            return settings
    try:
        (out / SOURCES).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise MediaError(f"{out}: cannot be made: {error.strerror or error}") from error
    write_json(path, content)
    return settings


def _length(path: Path) -> float:
    """Seconds of a video for the progress bar; the scan refuses a video that cannot be opened."""
    from ..media.frames import FrameReader

    try:
        return FrameReader(path).declared or 1.0
    except MediaError:
        return 1.0


def _missing(out: Path, source: Source) -> list[Unit]:
    plan = current_plan(out, source)
    if plan is None or plan.refused:
        return []
    return [
        Unit(source, (plan.spans[number].stop - plan.spans[number].start) / FPS, number)
        for number in plan.items
        if not is_done(out, source, number)
    ]


def _announce(on_units: OnUnits | None, what: str, units: Sequence[Unit]) -> None:
    if on_units is not None:
        on_units(what, sum(unit.seconds for unit in units))


def _measure_seam(out: Path, settings: Settings, manifest: Manifest) -> None:
    """Measure on an item, once, how near encoding in spans is to encoding all at once; write it down."""
    content = read_json(out / SETTINGS)
    long = [item for item in manifest.content["items"] if item["latents"] > settings.span]
    if "seam" in content or not long:
        return
    import torch

    from ..checkpoint import load_model
    from ..media.frames import FrameReader
    from ..video import TemporalVAE
    from .encode import receptive_latents, seam_db

    model = load_model("vae", settings.vae, settings.device or "cpu")
    needed = receptive_latents(model)
    seam: dict[str, Any] = {"span": settings.span, "context": settings.context, "exact_from": needed}
    if settings.context < needed:
        count = FRAMES_PER_LATENT * (min(2 * settings.span, long[0]["latents"]) - 1) + 1
        shown = FrameReader((out / long[0]["file"]).with_suffix(".mp4")).read(0, count)
        frames = torch.stack([torch.from_numpy(one.pixels()) for one in shown]).to(model.device).float() / 255
        with torch.no_grad():
            seam["decibels"] = round(seam_db(TemporalVAE(model), frames, settings.span, settings.context), 1)
    write_json(out / SETTINGS, content | {"seam": seam})
