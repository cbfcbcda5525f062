"""Replace a folder atomically."""

from __future__ import annotations

import shutil
from pathlib import Path


def replace_folder(made: Path, target: Path) -> None:
    """Rename a finished folder to ``target``. Remove an existing ``target`` only after that.

    If this fails half way, the old folder is kept: under its name or, after a kill, as ``<name>.old``.
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
