"""Units of work that any process can do: scan one video, or make one item of it.

Both depend on records only, so a pool of processes and Ray run the same functions. An error in a video or an
item is returned as an outcome and recorded. Only what cannot be written ends a run.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import MediaError
from ..media.files import DISK_FULL, write_error
from .locks import claimed
from .records import (
    LOCKS,
    TEXTS,
    CannotWriteError,
    Plan,
    folder_of,
    is_complete,
    item_path,
    license_of,
    read_plan,
    read_record,
    remove_made,
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
        fatal: whether to stop: a file cannot be written.
        busy: another process is doing it.
        remarks: what is not as it should be in a video that was scanned.
    """

    unit: Unit
    refused: str = ""
    fatal: bool = False
    busy: bool = False
    remarks: Sequence[str] = ()


class UnreadableError(MediaError):
    """A video cannot be read now, whatever its content. Nothing is recorded, so the next run tries again."""

    def __init__(self, source: Source, reason: str) -> None:
        super().__init__(f"{source.path} cannot be read now ({reason}); the next run tries it again")


def work(out: Path, settings: Settings, unit: Unit, worker: int = 0) -> Outcome:
    """Do one unit, unless another process has it or it is done.

    Args:
        worker: number of this process among those of this machine, which share its GPUs.
    """
    name = unit.source.key if unit.item is None else f"{unit.source.key}-{unit.item:04d}"
    try:
        with claimed(out / LOCKS / name) as ours:
            if not ours:
                return Outcome(unit, busy=True)
            if unit.item is None:
                plan = _scan(out, settings, unit.source)
                return Outcome(unit, refused=plan.refused, remarks=plan.remarks)
            return Outcome(unit, refused=_item(out, settings, unit.source, unit.item, worker))
    except UnreadableError as error:
        return Outcome(unit, refused=str(error))
    except CannotWriteError as error:
        return Outcome(unit, refused=str(error), fatal=True)
    except OSError as error:
        full = error.errno in DISK_FULL
        told = write_error(folder_of(out, unit.source) / name, error) if full else f"{out}: {error}"
        return Outcome(unit, refused=f"{told}; what is finished is kept", fatal=True)


def current_plan(out: Path, source: Source) -> Plan | None:
    """The plan of a video, unless its file has been replaced since.

    A file of another time of change, such as a copy, is the same if its content is; its time is then written
    down.
    """
    folder = folder_of(out, source)
    plan = read_plan(folder)
    state = source.state()
    if plan is None or plan.state == state:
        return plan
    if plan.state[0] != state[0] or (plan.refused and not plan.sha256):
        return None
    sha256 = source.sha256()
    if plan.sha256 not in ("", sha256):  # an earlier version stored none: then the size alone decides
        return None
    plan = replace(plan, state=state, sha256=sha256)
    write_plan(folder, plan)
    return plan


def is_done(out: Path, source: Source, number: int) -> bool:
    """Whether an item is finished, with all its files, or known to be impossible."""
    folder = folder_of(out, source)
    record = read_record(folder, number)
    return record is not None and is_complete(folder, record)


def _scan(out: Path, settings: Settings, source: Source) -> Plan:
    from .looks import LOOKS, kept_looks
    from .scan import scan

    plan = current_plan(out, source)
    if plan is not None:
        return plan
    folder = folder_of(out, source)
    folder.mkdir(parents=True, exist_ok=True)
    remarks = _left_texts(folder, source)
    remove_made(folder)  # of an older file of that name
    try:
        state, sha256 = source.state(), source.sha256()
    except OSError as error:
        raise UnreadableError(source, str(error.strerror)) from error
    try:
        detect, voiced = _watchers(settings)
        with kept_looks(folder / LOOKS, sha256) as see:
            scanned = scan(source.path, folder, settings, detect, voiced, see)
        scanned.remarks.extend(remarks)
        plan = Plan.of(source, state, sha256, scanned)
    except CannotWriteError:
        raise
    except MediaError as error:
        _check_unchanged(source, sha256, str(error))
        plan = Plan.refusing(source, state, sha256, str(error))
    write_plan(folder, plan)
    (folder / LOOKS).unlink(missing_ok=True)
    return plan


def _check_unchanged(source: Source, sha256: str, reason: str) -> None:
    """Check that a video that was refused still reads as before, so that the reason is its content.

    Raises:
        UnreadableError: it cannot be read, or has other content by now: a share that is away, or a download
            under way.
    """
    try:
        found = source.sha256()
    except OSError as error:
        raise UnreadableError(source, str(error.strerror)) from error
    if sha256 not in ("", found):
        raise UnreadableError(source, reason)


def _left_texts(folder: Path, source: Source) -> list[str]:
    """A remark on texts and prompts that were written for an older file of a video, if there are any."""
    texts = sorted(path.name for pattern in TEXTS for path in folder.glob(pattern))
    if not texts or read_plan(folder) is None:
        return []
    return [
        f"{source.path} has been replaced, so its items are made again; {folder} keeps {', '.join(texts)}: "
        "check that they fit the new items"
    ]


def _item(out: Path, settings: Settings, source: Source, number: int, worker: int) -> str:
    from .item import make_item

    plan, folder = current_plan(out, source), folder_of(out, source)
    if plan is None or is_done(out, source, number):
        return ""
    models = models_of(settings, worker)
    lost = read_record(folder, number)
    if lost is not None:  # made again under the license that it had
        settings = replace(settings, license=license_of(out, lost))
    try:
        make_item(source.path, folder, plan, number, settings, models)
    except CannotWriteError:
        raise
    except MediaError as error:
        _check_unchanged(source, plan.sha256, str(error))
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
def models_of(settings: Settings, worker: int = 0) -> Models:
    """What items need, made once per process; each worker takes another GPU, if no device is named."""
    import torch

    from ..checkpoint import load_model
    from ..device import device_of_worker
    from ..speech import WhisperFeatures, load_whisper_encoder
    from ..video import TemporalVAE
    from .item import Models

    usual = "cuda" if torch.cuda.is_available() else "cpu"
    device = torch.device(settings.device or device_of_worker(worker) or usual)
    vae = TemporalVAE(load_model("vae", settings.vae, device))
    return Models(vae, WhisperFeatures(load_whisper_encoder(settings.whisper).float()).to(device))
