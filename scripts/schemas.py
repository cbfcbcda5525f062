"""Read the nodes' declarations without ComfyUI: its modules are replaced by recording stand-ins.

Use it only in scripts with a separate process: the replacements are not undone.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from importlib.abc import Loader
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
PACK = "read_pack"
HOST = {"comfy", "comfy_api", "comfy_execution", "comfy_extras", "folder_paths", "nodes", "server"}
TYPES = {"DynamicCombo": "COMFY_DYNAMICCOMBO_V3"}
WIDGETS = {"BOOLEAN", "COMBO", "FLOAT", "INT", "STRING", *TYPES.values()}


class Input:
    """A declared input.

    Attributes:
        type: for example IMAGE or INT.
        id: its name in prompts.
        options: everything else, for example ``tooltip``, ``default`` and ``optional``.
    """

    def __init__(self, type: str, id: str, **options: Any) -> None:  # noqa: A002
        self.type, self.id, self.options = type, id, options

    @property
    def is_widget(self) -> bool:
        """Whether the page shows a widget for it."""
        return self.type in WIDGETS and not self.options.get("force_input")

    @property
    def default(self) -> Any:
        """Initial value of its widget."""
        first = next((getattr(option, "key", option) for option in self.options.get("options", [])), None)
        return self.options.get("default", first)

    @property
    def children(self) -> list[Input]:
        """Inputs of a choice's options, each once, for example ``guidance.alpha``."""
        found: dict[str, Input] = {}
        for option in self.options.get("options", []):
            for child in getattr(option, "inputs", []):
                found[child.id] = Input(child.type, f"{self.id}.{child.id}", **child.options)
        return list(found.values())


class Output:
    """A declared output."""

    def __init__(
        self,
        type: str,  # noqa: A002
        id: str | None = None,  # noqa: A002
        display_name: str | None = None,
        **options: Any,
    ) -> None:
        self.type, self.name, self.options = type, display_name or id or type, options


@dataclass(init=False)
class Schema:
    """A declared node."""

    node_id: str
    display_name: str
    description: str
    inputs: list[Input] = field(default_factory=list)
    outputs: list[Output] = field(default_factory=list)

    def __init__(self, **declared: Any) -> None:
        self.inputs, self.outputs = [], []
        self.__dict__.update(declared)


def read_schemas() -> list[Schema]:
    """Every node of the pack, in the pack's order."""
    sys.meta_path.insert(0, _Host())
    spec = importlib.util.spec_from_file_location(
        PACK, ROOT / "__init__.py", submodule_search_locations=[str(ROOT)]
    )
    if spec is None or spec.loader is None:
        raise ImportError(f"there is no pack in {ROOT}")
    sys.modules[PACK] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(sys.modules[PACK])
    nodes = importlib.import_module(f"{PACK}.nodes")
    return [node.define_schema() for node in nodes.NODES]


class _Nothing:
    """A class or function of the host; it is not called during declaration."""

    def __init__(self, *_: Any, **__: Any) -> None: ...


class _Module(ModuleType):
    """A module of the host."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return _Nothing


class _Io:
    """The host's ``io``: each type has a recording Input and Output."""

    Schema, ComfyNode, Hidden = Schema, _Nothing, _Module("Hidden")

    def __getattr__(self, name: str) -> Any:
        return self.Custom(TYPES.get(name, name.upper()))

    @staticmethod
    def Custom(type: str) -> SimpleNamespace:  # noqa: A002, N802
        """A type by its name in prompts."""
        return SimpleNamespace(Input=partial(Input, type), Output=partial(Output, type), Option=_Option)


@dataclass
class _Option:
    key: str
    inputs: list[Input]


class _Host(Loader):
    """Finder that creates stand-ins for the host's modules."""

    def find_spec(self, name: str, *_: Any) -> ModuleSpec | None:
        return ModuleSpec(name, self, is_package=True) if name.split(".")[0] in HOST else None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return _Module(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        if module.__name__ == "comfy_api.latest":
            vars(module)["io"] = _Io()
        if module.__name__ == "folder_paths":
            vars(module).update(
                models_dir="models",
                add_model_folder_path=lambda *_: None,
                get_folder_paths=lambda *_: [],
                get_filename_list=lambda *_: [],
            )


def every_input(schema: Schema) -> Iterator[Input]:
    """Inputs of a node; those of a choice follow it."""
    for declared in schema.inputs:
        yield declared
        yield from declared.children
