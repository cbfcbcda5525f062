"""Units of work that any process can do: scan one video, or make one item of it.

Both depend on records only, so a pool of processes and Ray run the same functions. An error in a video or an
item is returned as an outcome and recorded. Only a full disk ends a run.
"""

from __future__ import annotations

import functools
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import MediaError
from ..media.files import DISK_FULL, write_error
from .locks import claimed
from .records import (
    LOCKS,
    CannotWriteError,
    Plan,
    folder_of,
    item_path,
    read_plan,
    write_json,
    write_plan,
)
from .settings import Settings
from .sources import Source

if TYPE_CHECKING:
    from .detectors import Detect
    from .item import Models
    from .voice import Voiced


@dataclass(frozen=True)
class Unit:
    """One piece of work on a video: its scan, or one of its items.

    Attributes:
        seconds: what it counts in the progress.
        item: None: the scan.
    """

    source: Source
    seconds: float
    item: int | None = None


@dataclass(frozen=True)
class Outcome:
    """The outcome of a unit.

    Attributes:
        refused: why it gave nothing; "": it gave something.
        fatal: whether to stop: the disk is full.
        busy: another process is doing it.
    """

    unit: Unit
    refused: str = ""
    fatal: bool = False
    busy: bool = False


def work(out: Path, settings: Settings, unit: Unit) -> Outcome:
    """Do one unit, unless another process has it or it is done."""
    name = unit.source.key if unit.item is None else f"{unit.source.key}-{unit.item:04d}"
    try:
        with claimed(out / LOCKS / name) as ours:
            if not ours:
                return Outcome(unit, busy=True)
            if unit.item is None:
                return Outcome(unit, refused=_scan(out, settings, unit.source))
            return Outcome(unit, refused=_item(out, settings, unit.source, unit.item))
    except CannotWriteError as error:
        return Outcome(unit, refused=str(error), fatal=True)
    except OSError as error:
        full = error.errno in DISK_FULL
        told = write_error(folder_of(out, unit.source) / name, error) if full else f"{out}: {error}"
        return Outcome(unit, refused=f"{told}; what is finished is kept", fatal=True)


def current_plan(out: Path, source: Source) -> Plan | None:
    """The plan of a video, unless its file has been replaced since."""
    plan = read_plan(folder_of(out, source))
    return plan if plan is not None and plan.state == source.state() else None


def is_done(out: Path, source: Source, number: int) -> bool:
    """Whether an item is finished, or known to be impossible."""
    return item_path(folder_of(out, source), number, ".json").is_file()


def _scan(out: Path, settings: Settings, source: Source) -> str:
    from .scan import scan

    plan = current_plan(out, source)
    if plan is not None:
        return plan.refused
    folder = folder_of(out, source)
    shutil.rmtree(folder, ignore_errors=True)  # of an older file of that name
    folder.mkdir(parents=True)
    state = source.state()
    try:
        detect, voiced = _watchers(settings)
        plan = Plan.of(source, state, scan(source.path, folder, settings, detect, voiced))
    except CannotWriteError:
        raise
    except MediaError as error:
        plan = Plan.refusing(source, state, str(error))
    write_plan(folder, plan)
    return plan.refused


def _item(out: Path, settings: Settings, source: Source, number: int) -> str:
    from .item import make_item

    plan, folder = current_plan(out, source), folder_of(out, source)
    if plan is None or is_done(out, source, number):
        return ""
    try:
        make_item(source.path, folder, plan, number, settings, _models(settings))
    except CannotWriteError:
        raise
    except MediaError as error:
        write_json(item_path(folder, number, ".json"), {"refused": str(error)})
        return str(error)
    return ""


@functools.lru_cache(maxsize=1)
def _watchers(settings: Settings) -> tuple[Detect, Voiced | None]:
    """What scans need, made once per process."""
    from .detectors import make_detector
    from .voice import make_voice

    return make_detector(settings.detector, settings.detector_file, settings.device), make_voice(
        settings.voice
    )


@functools.lru_cache(maxsize=1)
def _models(settings: Settings) -> Models:
    """What items need, made once per process."""
    import torch

    from ..checkpoint import load_model
    from ..speech import WhisperFeatures, load_whisper_encoder
    from ..video import TemporalVAE
    from .item import Models

    device = torch.device(settings.device or ("cuda" if torch.cuda.is_available() else "cpu"))
    vae = TemporalVAE(load_model("vae", settings.vae, device))
    return Models(vae, WhisperFeatures(load_whisper_encoder(settings.whisper).float()).to(device))
