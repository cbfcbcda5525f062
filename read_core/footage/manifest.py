"""The manifest of prepared footage: every item with its source, span, crop, checksums, license and split."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..weights.files import read_json
from .records import MANIFEST, SETTINGS, SOURCES, Plan, item_path, read_plan, write_json
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
                f"{lost[0]} is missing, and {len(lost) - 1} other items; run read-core prepare again"
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

    A finished video's sound, which nothing needs any more, is removed.
    """
    items: list[dict[str, Any]] = []
    skipped: list[dict[str, Any]] = []
    settings = read_json(out / SETTINGS)
    for folder in sorted((out / SOURCES).glob("*")):
        plan = read_plan(folder)
        if plan is None:
            continue
        made, not_made, finished = _of_source(out, folder, plan)
        items += [item | {"license": settings["license"]} for item in made]
        skipped += not_made
        if finished:
            (folder / SOUND).unlink(missing_ok=True)
    by, groups = grouping(items)
    held_out = validation_groups(groups)
    for item, group in zip(items, groups, strict=True):
        item["split"] = SPLITS[group in held_out]
    content = {
        "format": FORMAT,
        **settings,
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
        record = item_path(folder, number, ".json")
        if span.crop is None:
            skipped.append(told | {"reason": span.reason})
        elif not record.is_file():
            finished = False
        elif reason := (values := read_json(record)).get("refused"):
            skipped.append(told | {"reason": reason})
        else:
            path = item_path(folder, number, ".safetensors").relative_to(out).as_posix()
            items.append({"file": path, **values})
    return items, skipped, finished


def grouping(items: Sequence[Mapping[str, Any]]) -> tuple[str, list[str]]:
    """By what the split is made, and each item's group: people, else videos, else (of one video) items."""
    for by in ("identity", "source", "file"):
        groups = [str(item[by]) for item in items]
        if all(groups) and len(set(groups)) > 1:
            return {"file": "item"}.get(by, by), groups
    return "item", [str(item["file"]) for item in items]


def validation_groups(groups: Sequence[str]) -> set[str]:
    """About one group of twenty, by a hash of its name, so more footage moves none; one if there are two."""
    ranks = {group: int(hashlib.sha256(group.encode()).hexdigest()[:8], 16) / 2**32 for group in set(groups)}
    chosen = {group for group, rank in ranks.items() if rank < HELD_OUT}
    if len(ranks) > 1 and not chosen:
        chosen = {min(ranks, key=ranks.__getitem__)}
    return chosen if len(chosen) < len(ranks) else set()


def reasons(manifest: Manifest) -> list[tuple[str, int]]:
    """Why spans became no items, and how often; without names and numbers; the commonest first."""
    words = Counter(
        _without_particulars(span["reason"], span["source"]) for span in manifest.content["skipped"]
    )
    return words.most_common()


def _without_particulars(reason: str, source: str) -> str:
    unnamed = re.sub(rf"\S*{re.escape(source)}", "the video", reason)
    return " ".join("..." if any(c.isdigit() for c in word) else word for word in unnamed.split())
