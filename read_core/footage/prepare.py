"""``read-core prepare``: make the missing plans and items, and write the manifest."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..errors import InputError, MediaError, OnWarning, warn
from ..geometry import FPS
from ..usage import out_of_memory
from ..weights.files import read_json
from ..weights.fingerprint import fingerprint
from .engines import run_units
from .finished import relicense, remove_damaged
from .manifest import Manifest, write_manifest
from .records import SETTINGS, SOURCES, write_json
from .seam import measure_seam
from .settings import NOT_STATED, Settings
from .sources import Source, find_sources
from .units import Outcome, Unit, current_plan, is_done

OnUnits = Callable[[str, float], None]
"""Called as (what is done, seconds of footage that it is) before the work, which may be none."""
OnDone = Callable[[Unit], None]


@dataclass(frozen=True)
class Requests:
    """What to do with finished items.

    Attributes:
        check: compare their files with the checksums in their records; damaged ones are made again.
        relicense: give all of them the license of the settings.
    """

    check: bool = False
    relicense: bool = False


NO_REQUESTS = Requests()


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


def prepare(  # noqa: PLR0913
    videos: Path,
    out: Path,
    settings: Settings,
    engine: str = "processes",
    workers: int = 1,
    on_units: OnUnits | None = None,
    on_done: OnDone | None = None,
    on_warning: OnWarning = warn,
    requests: Requests = NO_REQUESTS,
) -> Prepared:
    """Turn videos into items. Finished items stay, and several runs may share the work.

    Args:
        videos: a folder, searched with its subfolders, or one file.
        out: folder of the result, see ``records``.
        settings: how; what ``out`` was begun with must be the same.
        engine: who works, see ``engines``.
        workers: how many processes.
        on_units: called before each pass: scanning, encoding, and others where they have something to do.
        on_done: called after each unit.
        on_warning: called with what is remarkable about a video, and with why one is refused.
        requests: what to do with finished items.

    Raises:
        InputError: ``out`` was begun with other settings or models, a package is missing, or a new license is
            requested and not given.
        MediaError: there are no videos, the disk is full, a process was killed, or memory ran out; what is
            finished is kept.
        CheckpointError: a model is missing or damaged.
    """
    if workers < 1:
        raise InputError(f"workers is {workers}; expected 1 or more")
    if requests.relicense and settings.license is None:
        raise InputError("--relicense gives finished items the license of --license, which is missing")
    sources = find_sources(videos, settings.layout)
    check_ready(settings)
    asked, settings = settings, begin(out, settings, videos)
    if settings.kept_from > asked.kept_from:
        on_warning(
            f"{out} was begun by an earlier version, which leaves out stretches below "
            f"{settings.seconds[0]:g} s; choose another folder to keep them from "
            f"{asked.kept_from / FPS:g} s on"
        )

    def run(what: str, units: Sequence[Unit]) -> list[Outcome]:
        _announce(on_units, what, units)
        outcomes = []
        for outcome in _in_memory(out, run_units(engine, workers, out, settings, units)):
            if outcome.fatal:
                raise MediaError(outcome.refused)
            for told in (*outcome.remarks, *filter(None, [outcome.refused])):
                on_warning(told)
            if on_done is not None:
                on_done(outcome.unit)
            outcomes.append(outcome)
        return outcomes

    try:
        scans = [
            Unit(source, _length(source.path)) for source in sources if current_plan(out, source) is None
        ]
        outcomes = run("scanning", scans)
        items = [unit for source in sources for unit in _items(out, source)]
        if requests.check:
            _announce(on_units, "checking", items)
            for unit in items:
                remove_damaged(out, unit, on_warning)
                if on_done is not None:
                    on_done(unit)
        outcomes += run("encoding", _unfinished(out, items))
        if requests.relicense:
            relicense(out, settings.license or "")
    finally:
        manifest = write_manifest(out)
    _tell_licenses(manifest, asked.license, on_warning)
    measure_seam(
        out,
        settings,
        manifest,
        lambda seconds: None if on_units is None else on_units("comparing spans", seconds),
        on_warning,
    )
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
    """Write down how ``out`` is made, or check that it was begun in the same way; the license may be another.

    Only the name of the folder of the footage counts: it may be moved. Another one might have videos of the
    same names, which would take the place of those that are there.

    Returns:
        The settings to go on with. A folder that an earlier version began keeps no stretch below an item's
        least. Without a license, that which ``out`` was begun with.

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
        "license": settings.license or NOT_STATED,
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
        return replace(settings, license=settings.license or found["license"])
    try:
        (out / SOURCES).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise MediaError(f"{out}: cannot be made: {error.strerror or error}") from error
    write_json(path, content)
    return replace(settings, license=content["license"])


def _length(path: Path) -> float:
    """Seconds of a video for the progress bar; the scan refuses a video that cannot be opened."""
    from ..media.frames import FrameReader

    try:
        return FrameReader(path).declared or 1.0
    except MediaError:
        return 1.0


def _items(out: Path, source: Source) -> list[Unit]:
    """All items of a video, finished or not."""
    plan = current_plan(out, source)
    if plan is None or plan.refused:
        return []
    return [
        Unit(source, (plan.spans[number].stop - plan.spans[number].start) / FPS, number)
        for number in plan.items
    ]


def _unfinished(out: Path, items: Sequence[Unit]) -> list[Unit]:
    return [unit for unit in items if unit.item is not None and not is_done(out, unit.source, unit.item)]


def _in_memory(out: Path, outcomes: Iterator[Outcome]) -> Iterator[Outcome]:
    """The same; if memory runs out, the error names the options that need less."""
    try:
        yield from outcomes
    except Exception as error:
        if (trouble := out_of_memory(error)) is None:
            raise
        raise MediaError(
            f"{out}: {trouble}; what is finished is kept. Run the same command again with fewer --workers, "
            "or in another folder with a smaller --span"
        ) from error


def _tell_licenses(manifest: Manifest, asked: str | None, on_warning: OnWarning) -> None:
    """Warn if finished items have another license than the one that was given."""
    others = [item["license"] for item in manifest.content["items"] if asked not in (None, item["license"])]
    if others:
        on_warning(
            f"{len(others)} finished items keep their license ({', '.join(dict.fromkeys(others))}); "
            f"--relicense gives them {asked!r} too"
        )


def _announce(on_units: OnUnits | None, what: str, units: Sequence[Unit]) -> None:
    if on_units is not None:
        on_units(what, sum(unit.seconds for unit in units))
