"""Writes ``locales/en/nodeDefs.json``, what ComfyUI's page says of the nodes, from what they declare.

The other languages are written by hand, with the same keys. Run it after a change of a name, a tooltip or a
description, then bring the others in line: ``python scripts/make_locales.py``. It tells what each language
lacks. With ``--check`` it writes nothing. It fails where a file differs or a key lacks or is too many.

The page looks a text up under ``nodeDefs.NODE.inputs.INPUT.tooltip`` and shows the node's own where there is
none; dots in an input's name become underscores, and outputs go by their number. Options of a choice cannot
be translated: prompts hold them.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from schemas import ROOT, Schema, every_input, read_schemas

FOLDER = ROOT / "locales"
FILE = "nodeDefs.json"
SOURCE = "en"
LANGUAGES = ("fr", "ja", "ko", "ru", "zh")


def texts_of(schema: Schema) -> dict[str, Any]:
    """A node's texts under the page's keys; an input that a choice brings is named without the choice."""
    return {
        "display_name": schema.display_name,
        "description": schema.description,
        "inputs": {
            found.id.replace(".", "_"): _texts(
                found.options.get("display_name") or found.id.split(".")[-1], found.options
            )
            for found in every_input(schema)
        },
        "outputs": {
            str(index): _texts(found.name, found.options) for index, found in enumerate(schema.outputs)
        },
    }


def english() -> dict[str, Any]:
    """What belongs into the English file."""
    return {schema.node_id: texts_of(schema) for schema in read_schemas()}


def keys(texts: dict[str, Any], before: str = "") -> Iterator[str]:
    """Every text's key, as ``READ_Check.inputs.window.name``."""
    for key, value in texts.items():
        if isinstance(value, dict):
            yield from keys(value, f"{before}{key}.")
        else:
            yield f"{before}{key}"


def differences(source: dict[str, Any], language: str) -> list[str]:
    """What a language lacks, and what it has too many."""
    name = f"{FOLDER.name}/{language}/{FILE}"
    wanted, found = set(keys(source)), set(keys(_read(language)))
    return [
        *(f"{name} lacks {key}" for key in sorted(wanted - found)),
        *(f"{name} has {key}, which is no text of the nodes" for key in sorted(found - wanted)),
    ]


def main() -> int:
    """Write the English file, or with ``--check`` compare it; and compare the others' keys with it."""
    source, path = english(), FOLDER / SOURCE / FILE
    wrong = []
    if "--check" not in sys.argv[1:]:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(source, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    elif _read(SOURCE) != source:
        wrong.append(f"{path} is not what scripts/make_locales.py makes")
    for language in LANGUAGES:
        wrong += differences(source, language)
    sys.stderr.writelines(f"{line}\n" for line in wrong)
    return 1 if wrong else 0


def _texts(name: str, options: dict[str, Any]) -> dict[str, str]:
    tooltip = options.get("tooltip")
    return {"name": name} | ({"tooltip": tooltip} if tooltip else {})


def _read(language: str) -> dict[str, Any]:
    path: Path = FOLDER / language / FILE
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return found


if __name__ == "__main__":
    sys.exit(main())
