"""Which way imports go in ``read_core``, those in functions and those for types alone included.

A part is a module or a folder. What it must not reach, it does not reach through others either.
"""

from __future__ import annotations

import ast
from collections import deque
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2] / "read_core"

# Part -> what it must not reach.
CLI = ("cli",)
APPLICATIONS = ("pipeline", "nodes", "generate", *CLI, "training", "evaluation", "corpus")
FORBIDDEN = {
    "media": APPLICATIONS,
    "speech": APPLICATIONS,
    "video": APPLICATIONS,
    "transformer": (*APPLICATIONS, "weights", "checkpoint"),
    "ans": (*APPLICATIONS, "weights", "checkpoint", "speech", "video", "transformer"),
    "weights": (*APPLICATIONS, "checkpoint"),
    "detail": APPLICATIONS,
    "checkpoint": APPLICATIONS,
    "finish": APPLICATIONS,
    "pipeline": ("nodes", "generate", *CLI, "training", "evaluation", "corpus"),
    "generate": ("nodes", *CLI, "training", "evaluation", "corpus"),
    "corpus": ("nodes", *CLI, "pipeline", "training", "evaluation"),
    "eyelids": ("nodes", *CLI, "pipeline", "training", "evaluation"),
    "mouth": ("nodes", *CLI, "pipeline", "training", "evaluation"),
    "face": ("nodes", *CLI, "pipeline", "training", "evaluation"),
    "footage": ("nodes", *CLI, "pipeline", "generate", "training", "evaluation", "corpus"),
    "bench": ("nodes", *CLI, "generate", "training", "corpus"),
    "training": ("nodes", *CLI, "evaluation", "bench"),
    "evaluation": ("nodes", *CLI, "training"),
}


def modules() -> dict[str, Path]:
    """Every module by its name within ``read_core``; a package goes by its own name, the root by ""."""
    found = {}
    for file in ROOT.rglob("*.py"):
        parts = file.relative_to(ROOT).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = file
    return found


MODULES = modules()


def imported(name: str) -> set[str]:
    """The modules of ``read_core`` that module ``name`` imports, wherever it does; ``nodes`` by its name."""
    folder = MODULES[name].parent.relative_to(ROOT).parts
    found = set()
    for node in ast.walk(ast.parse(MODULES[name].read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import | ast.ImportFrom) and not getattr(node, "level", 0):
            absolute = getattr(node, "module", None) or node.names[0].name
            assert absolute.split(".")[0] not in ("read_core", "nodes"), (
                f"{name} imports {absolute}: say it relatively"
            )
        elif isinstance(node, ast.ImportFrom):
            above = node.level - 1
            if above > len(folder):
                found.add("nodes")
                continue
            base = ".".join(filter(None, (*folder[: len(folder) - above], node.module)))
            inner = {f"{base}.{alias.name}".lstrip(".") for alias in node.names} & MODULES.keys()
            found |= inner or {base}
            assert inner or base in MODULES, f"{name} imports {base}, which is not there"
    return found - {name}


GRAPH = {name: imported(name) for name in MODULES}


def within(module: str, part: str) -> bool:
    return module == part or module.startswith(f"{part}.")


def way(graph: dict[str, set[str]], start: str, goals: tuple[str, ...]) -> list[str]:
    """The shortest chain of imports from a part to one of several others; none: empty."""
    chains = deque([name] for name in sorted(graph) if within(name, start))
    seen = {chain[0] for chain in chains}
    while chains:
        chain = chains.popleft()
        if any(within(chain[-1], goal) for goal in goals):
            return chain
        for following in sorted(graph.get(chain[-1], set()) - seen):
            seen.add(following)
            chains.append([*chain, following])
    return []


def circle(graph: dict[str, set[str]]) -> list[str]:
    """A chain of imports that comes back to where it began; none: empty."""
    done: set[str] = set()

    def follow(chain: list[str]) -> list[str]:
        for following in sorted(graph.get(chain[-1], ())):
            if following in chain:
                return [*chain[chain.index(following) :], following]
            if following not in done and (found := follow([*chain, following])):
                return found
        done.add(chain[-1])
        return []

    return next((found for name in sorted(graph) if name not in done and (found := follow([name]))), [])


@pytest.mark.parametrize("part", FORBIDDEN)
def test_imports_go_one_way(part):
    for named in {part, *FORBIDDEN[part]} - {"nodes"}:
        assert any(within(name, named) for name in GRAPH), f"{named} is not there; update this list"
    chain = way(GRAPH, part, FORBIDDEN[part])
    assert not chain, " -> ".join(chain)


def test_no_module_imports_itself_through_others():
    chain = circle(GRAPH)
    assert not chain, " -> ".join(chain)


@pytest.mark.parametrize("name", sorted(MODULES))
def test_nothing_is_imported_by_string(name):
    """Such an import is seen by no check."""
    text = MODULES[name].read_text(encoding="utf-8")
    assert "importlib" not in text
    assert "__import__" not in text


def test_the_checks_find_what_is_forbidden():
    graph = {"ans.noise": {"geometry"}, "geometry": {"corpus.scene"}, "corpus.scene": set()}
    assert way(graph, "ans", ("training", "corpus")) == ["ans.noise", "geometry", "corpus.scene"]
    assert way(graph, "ans", ("training",)) == []
    assert circle(graph) == []
    assert circle(graph | {"corpus.scene": {"geometry"}}) == ["geometry", "corpus.scene", "geometry"]
    assert "pipeline" in GRAPH["cli.generate"]  # said in a function
    assert "speech" in GRAPH["checkpoint.records"]  # said for types alone
