"""Write ``locales/en/nodeDefs.json``, the texts of the nodes in ComfyUI's page, from their declarations.

The other languages are written by hand, with the same keys. After a change of a name, a tooltip or a
description, run ``python scripts/make_locales.py`` and update the other languages. It lists the keys that
each language lacks. With ``--check`` it writes nothing and fails if the English file differs or a key is
missing or superfluous.

The page looks up a text under ``nodeDefs.NODE.inputs.INPUT.tooltip``; without one it shows the node's
declaration. Dots in an input's name become underscores; outputs have their number as key. Options of a choice
cannot be translated, because prompts contain them.
"""

from __future__ import annotations

import argparse
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
    """A node's texts by the page's keys; an input of a choice is named without the choice."""
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
    """The contents of the English file."""
    return {schema.node_id: texts_of(schema) for schema in read_schemas()}


def keys(texts: dict[str, Any], before: str = "") -> Iterator[str]:
    """The key of every text, for example ``READ_Check.inputs.window.name``."""
    for key, value in texts.items():
        if isinstance(value, dict):
            yield from keys(value, f"{before}{key}.")
        else:
            yield f"{before}{key}"


def differences(source: dict[str, Any], language: str) -> list[str]:
    """Missing and superfluous keys of a language."""
    name = f"{FOLDER.name}/{language}/{FILE}"
    wanted, found = set(keys(source)), set(keys(_read(language)))
    return [
        *(f"{name} lacks {key}" for key in sorted(wanted - found)),
        *(f"{name} has {key}, which is no text of the nodes" for key in sorted(found - wanted)),
    ]


def main(arguments: list[str] | None = None) -> int:
    """Write the English file, or with ``--check`` compare it; and compare the others' keys with it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail if a file differs")
    check: bool = parser.parse_args(arguments).check
    source, path = english(), FOLDER / SOURCE / FILE
    wrong = []
    if not check:
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
