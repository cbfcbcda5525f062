"""The commands that the documents show: the command line takes them, and the files that they name exist."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from read_core.cli.main import _parser

ROOT = Path(__file__).parents[3]
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
CALL = re.compile(r"(?:^|\s)(?:\S*/)?read-core (?P<a>.+)|-m read_core\.cli (?P<b>.+)")
SCRIPT = re.compile(r"\b((?:scripts|configs)/[\w/.-]+\.(?:py|sh|yaml))")


def shown(document: Path) -> list[str]:
    """The lines in a document's code blocks, continued ones joined, without comments."""
    blocks = re.findall(r"```\w*\n(.*?)```", document.read_text(encoding="utf-8"), re.S)
    lines = "\n".join(blocks).replace("\\\n", " ").splitlines()
    return [line.split(" #")[0].strip() for line in lines]


def calls() -> list[tuple[str, list[str]]]:
    """Every command with the name of its document, but for those in a loop of the shell."""
    found = []
    for document in DOCUMENTS:
        for line in shown(document):
            if (
                (call := CALL.search(line))
                and "$" not in line
                and "COMMAND" not in line
                and "--help" not in line
            ):
                found.append((document.name, shlex.split(call["a"] or call["b"])))
    return found


def test_there_are_some_of_the_training():
    names = {words[0] for document, words in calls() if document in ("training.md", "full-size.md")}
    assert {"init", "prepare", "train", "checkpoint", "generate", "evaluate", "corpus"} <= names


@pytest.mark.parametrize(("document", "words"), calls())
def test_the_command_line_takes_it(document, words):
    assert _parser(words).parse_args(words).command == words[0]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_scripts_and_configurations_exist(document):
    text = document.read_text(encoding="utf-8")
    assert [name for name in SCRIPT.findall(text) if "NAME" not in name and not (ROOT / name).is_file()] == []
