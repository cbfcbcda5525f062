"""For scripts that the host's interpreter runs in its folder: its modules, on the CPU, and the pack."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

sys.path.insert(0, str(Path.cwd()))

import comfy.cli_args

comfy.cli_args.args.cpu = True

NAME = "read_pack"
ROOT = Path(__file__).parents[3]


def import_pack() -> ModuleType:
    """The pack, by its place as the host imports it; its parts are ``read_pack.nodes`` and so on."""
    spec = importlib.util.spec_from_file_location(
        NAME, ROOT / "__init__.py", submodule_search_locations=[str(ROOT)]
    )
    module = importlib.util.module_from_spec(spec)
    sys.modules[NAME] = module
    spec.loader.exec_module(module)
    return module
