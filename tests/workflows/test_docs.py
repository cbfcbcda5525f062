"""The documents that come with the package: what they show and link to comes with it too."""

import re
import shutil
import subprocess

import pytest

from ..nodes.host import ROOT

DOCUMENTS = [
    *(ROOT / name for name in ("README.md", "CHANGELOG.md")),
    *sorted((ROOT / "docs").glob("*.md")),
    *sorted((ROOT / "web" / "docs").glob("*.md")),
]
needs_git = pytest.mark.skipif(
    shutil.which("git") is None or not (ROOT / ".git").exists(), reason="no git clone"
)


def linked(document):
    """Files of the project that a document shows or links to."""
    links = re.findall(r"\]\(([^)#\s]+)", document.read_text(encoding="utf-8"))
    return [document.parent / link for link in links if "://" not in link]


def test_links_are_found():
    assert ROOT / "docs" / "images" / "read-tiny-sheet.jpg" in linked(ROOT / "docs" / "read-tiny.md")


@needs_git
@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_what_a_document_shows_is_in_the_package(document):
    for path in linked(document):
        assert path.is_file(), f"{document.name} links to {path}"
        command = ["git", "-c", f"core.excludesFile={ROOT / '.comfyignore'}", "check-ignore", "--no-index"]
        found = subprocess.run([*command, path.resolve()], cwd=ROOT, capture_output=True, check=False)
        assert found.returncode == 1, f"{path} is left out of the package"
