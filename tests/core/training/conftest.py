from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture
def crash(monkeypatch):
    """Make the next renaming of a state fail, as a kill between writing and renaming would."""

    def arm() -> None:
        rename = Path.rename

        def fail(path: Path, target: Path) -> Path:
            if path.parent.name == "state":
                monkeypatch.setattr(Path, "rename", rename)
                raise KeyboardInterrupt
            return rename(path, target)

        monkeypatch.setattr(Path, "rename", fail)

    return arm
