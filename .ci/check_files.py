"""Check files before a commit: size, trailing blanks, final newline, conflict marks, valid JSON and YAML.

Usage: check_files.py FILE ...; prints what is wrong and exits with 1, or prints nothing and exits with 0.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import yaml

LARGEST = 1_000_000
MAY_BE_LARGE = ("read_core/checkpoints/", "docs/", "assets/")
CONFLICT_MARKS = ("<<<<<<< ", ">>>>>>> ")


def problems(path: Path) -> Iterator[str]:
    content = path.read_bytes()
    if len(content) > LARGEST and not path.as_posix().startswith(MAY_BE_LARGE):
        yield f"{len(content):,} bytes; expected at most {LARGEST:,}"
    if b"\0" in content:
        return
    text = content.decode("utf-8", errors="replace")
    if "\ufffd" in text:
        yield "not UTF-8"
    if text and not text.endswith("\n"):
        yield "no newline at the end"
    for number, line in enumerate(text.splitlines(), start=1):
        if line.startswith(CONFLICT_MARKS):
            yield f"line {number}: a conflict mark"
        if line != line.rstrip() and path.suffix != ".md":
            yield f"line {number}: blanks at the end"
    try:
        if path.suffix == ".json":
            json.loads(text)
        elif path.suffix in (".yaml", ".yml"):
            yaml.safe_load(text)
    except (ValueError, yaml.YAMLError) as error:
        yield f"not valid {path.suffix[1:]}: {error}"


def main(names: list[str]) -> int:
    found = [f"{name}: {problem}" for name in names for problem in problems(Path(name))]
    sys.stderr.writelines(line + "\n" for line in found)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
