"""Folders that are there whole or not at all."""

from __future__ import annotations

import shutil
from pathlib import Path


def replace_folder(made: Path, target: Path) -> None:
    """Give a finished folder the name of another, which is removed only when that is done.

    Whatever goes wrong half way, the older one is there: under its name, or, after a kill, as ``<name>.old``.
    """
    old = target.with_name(f"{target.name}.old")
    if target.exists():
        shutil.rmtree(old, ignore_errors=True)
        target.rename(old)
    try:
        made.rename(target)
    except BaseException:
        if old.exists():
            old.rename(target)
        raise
    shutil.rmtree(old, ignore_errors=True)
