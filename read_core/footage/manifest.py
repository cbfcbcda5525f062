"""The manifest of prepared footage: every item with its source, span, crop, checksums, license and split."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from ..errors import InputError
from ..weights.files import read_json
from .records import (
    MANIFEST,
    SETTINGS,
    SOURCES,
    Plan,
    is_complete,
    item_path,
    license_of,
    read_plan,
    read_record,
    write_json,
)
from .scan import SOUND

FORMAT = 1
HELD_OUT = 0.05
SPLITS = ("train", "validation")


@dataclass(frozen=True)
class Item:
    """One item, as training sees it.

    Attributes:
        path: its safetensors file.
        latents: how many it has.
    """

    path: Path
    latents: int


@dataclass(frozen=True)
class Manifest:
    """The contents of ``manifest.json``."""

    folder: Path
    content: dict[str, Any]

    def items(self, split: str) -> list[Item]:
        """The items of a split, in the order of their names.

        Raises:
            InputError: there are none, or their files are not there.
        """
        found = [item for item in self.content["items"] if item["split"] == split]
        if not found:
            raise InputError(
                f"{self.folder / MANIFEST} has no items for {split}; prepare footage of at least two people "
                "or videos, or one that gives two items"
            )
        items = [Item(self.folder / item["file"], item["latents"]) for item in found]
        lost = [item.path for item in items if not item.path.is_file()]
        if lost:
            raise InputError(
                f"{lost[0]} is missing, and {len(lost) - 1} other items; run read-core prepare again with "
                "the same videos, which makes them again"
            )
        return items

    def videos(self, split: str) -> list[Path]:
        """The crops of the items of a split, with sound.

        Raises:
            InputError: as :meth:`items`.
        """
        return [item.path.with_suffix(".mp4") for item in self.items(split)]


def manifest_of(folder: Path) -> Manifest | None:
    """The manifest of the footage that a folder belongs to; None: it belongs to none.

    The folder is one that ``read-core prepare`` has made, its ``sources``, or the folder of a video in there.

    Raises:
        InputError: the footage has no manifest yet, or one of another format.
    """
    place = folder.resolve()
    above = [place] + [p.parent for p in (place, place.parent) if p.name == SOURCES]
    for out in above:
        made = any((out / name).is_file() for name in (MANIFEST, SETTINGS))
        if made and (out / SOURCES).is_dir():
            return read_manifest(out)
    return None


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a folder that ``read-core prepare`` has made.

    Raises:
        InputError: there is none, or it is of another format.
    """
    if not (folder / MANIFEST).is_file():
        raise InputError(f"{folder} has no {MANIFEST}; make it with 'read-core prepare VIDEOS {folder}'")
    content = read_json(folder / MANIFEST)
    if content.get("format") != FORMAT:
        raise InputError(
            f"{folder / MANIFEST} has format {content.get('format')!r}; this version reads {FORMAT}: "
            "update the package"
        )
    return Manifest(folder, content)


def write_manifest(out: Path) -> Manifest:
    """Collect finished items, and left-out spans with their reasons.

    Groups that the folder's earlier manifest has keep their split. A finished video's sound, which nothing
    needs any more, is removed.
    """
    items: list[dict[str, Any]] = []
    skipped: list[dict[str, Any]] = []
    settings = read_json(out / SETTINGS)
    for folder in sorted((out / SOURCES).glob("*")):
        plan = read_plan(folder)
        if plan is None:
            continue
        made, not_made, finished = _of_source(out, folder, plan)
        items += made
        skipped += not_made
        if finished:
            (folder / SOUND).unlink(missing_ok=True)
    by, groups = grouping(items)
    held_out = validation_groups(groups, _split_before(out, by))
    for item, group in zip(items, groups, strict=True):
        item["split"] = SPLITS[group in held_out]
    content = {
        "format": FORMAT,
        **settings,
        "license": "; ".join(dict.fromkeys(item["license"] for item in items)) or settings["license"],
        "split_by": by,
        "groups": {
            split: len({g for g in groups if (g in held_out) == bool(i)}) for i, split in enumerate(SPLITS)
        },
        "seconds": round(sum(item["stop"] - item["start"] for item in items) / 25, 1),
        "items": items,
        "skipped": skipped,
    }
    write_json(out / MANIFEST, content)
    return Manifest(out, content)


def _of_source(
    out: Path, folder: Path, plan: Plan
) -> tuple[list[dict[str, Any]], list[dict[str, Any]], bool]:
    """Items, what became none, and whether nothing is left to be made."""
    if plan.refused:
        return [], [{"source": plan.source, "start": 0, "stop": 0, "reason": plan.refused}], True
    items, skipped, finished = [], [], True
    for number, span in enumerate(plan.spans):
        told = {"source": plan.source, "start": span.start, "stop": span.stop}
        record = read_record(folder, number)
        if span.crop is None:
            skipped.append(told | {"reason": span.reason})
        elif record is None:
            finished = False
        elif reason := record.get("refused"):
            skipped.append(told | {"reason": reason})
        else:
            path = item_path(folder, number, ".safetensors").relative_to(out).as_posix()
            items.append({"file": path, **record, "license": license_of(out, record)})
            finished = finished and is_complete(folder, record)
    return items, skipped, finished


def grouping(items: Sequence[Mapping[str, Any]]) -> tuple[str, list[str]]:
    """By what the split is made, and each item's group: people, else videos, else (of one video) items."""
    for by in ("identity", "source"):
        groups = _groups(items, by)
        if all(groups) and len(set(groups)) > 1:
            return by, groups
    return "item", _groups(items, "item")


def _groups(items: Sequence[Mapping[str, Any]], by: str) -> list[str]:
    return [str(item["file" if by == "item" else by]) for item in items]


def _split_before(out: Path, by: str) -> dict[str, str]:
    """Split of each group in the manifest that is there, if it is split in the same way."""
    content = read_json(out / MANIFEST) if (out / MANIFEST).is_file() else {}
    if content.get("split_by") != by:
        return {}
    items = content["items"]
    return dict(zip(_groups(items, by), (item["split"] for item in items), strict=True))


def validation_groups(groups: Sequence[str], before: Mapping[str, str] = MappingProxyType({})) -> set[str]:
    """About one group of twenty, by a hash of its name; at least one if there are two, but not all.

    Args:
        groups: names.
        before: splits of groups that have one already; they keep it.
    """
    ranks = {group: int(hashlib.sha256(group.encode()).hexdigest()[:8], 16) / 2**32 for group in set(groups)}
    new = ranks.keys() - before.keys()
    chosen = {group for group in new if ranks[group] < HELD_OUT}
    chosen |= {group for group in ranks.keys() - new if before[group] == SPLITS[1]}
    if len(ranks) > 1 and not chosen:
        chosen = {min(new or ranks, key=ranks.__getitem__)}
    if len(chosen) == len(ranks):
        chosen -= {max(chosen & new or chosen, key=ranks.__getitem__, default="")}
    return chosen


def reasons(manifest: Manifest) -> list[tuple[str, int]]:
    """Why spans became no items, and how often; without names and numbers; the commonest first."""
    words = Counter(
        _without_particulars(span["reason"], span["source"]) for span in manifest.content["skipped"]
    )
    return words.most_common()


def _without_particulars(reason: str, source: str) -> str:
    unnamed = re.sub(rf"\S*{re.escape(source)}", "the video", reason)
    return " ".join("..." if any(c.isdigit() for c in word) else word for word in unnamed.split())
