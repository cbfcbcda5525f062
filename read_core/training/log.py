"""The log of a run, ``log.jsonl``, and its progress bar."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import IO

from torch import Tensor
from tqdm import tqdm


class Log:
    """Continues the log in ``output`` after step ``first`` of ``steps``."""

    def __init__(self, output: Path, first: int, steps: int) -> None:
        self.file = _open_log(output / "log.jsonl", first)
        self.bar = tqdm(total=steps, initial=first, desc=output.name)
        self.started = time.monotonic()

    def step(self, step: int, values: Mapping[str, Tensor] | None) -> None:
        """Note that a step is done; write its row of scalars, which are read from the device only here."""
        self.bar.update()
        if values is None:
            return
        row = {"step": step, **{name: value.item() for name, value in values.items()}}
        row["seconds"] = round(time.monotonic() - self.started, 1)
        self.file.write(json.dumps(row) + "\n")
        self.file.flush()
        shown = {k: f"{v:.4g}" for k, v in row.items() if k not in ("step", "seconds", "norm")}
        self.bar.set_postfix(shown)

    def close(self) -> None:
        """Close the file and the bar."""
        self.bar.close()
        self.file.close()


def _open_log(path: Path, step: int) -> IO[str]:
    """Open the log to continue after ``step``: remove rows of later steps and broken rows."""
    rows = path.read_text().splitlines() if path.exists() else []
    kept = [row for row in rows if row.endswith("}") and json.loads(row)["step"] <= step]
    if kept != rows:
        temporary = path.with_suffix(".tmp")
        temporary.write_text("".join(f"{row}\n" for row in kept))
        temporary.replace(path)
    return path.open("a")
