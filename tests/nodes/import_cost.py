"""Run by the host's interpreter: what importing the pack costs after the host has imported its own."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path.cwd()))

import comfy.cli_args

comfy.cli_args.args.cpu = True

import nodes  # noqa: F401  the host's own, and with it what every host has loaded
from comfy_api.latest import io, ui  # noqa: F401

ROOT = Path(__file__).parents[2]


async def main():
    before = set(sys.modules)
    started = time.process_time()
    spec = importlib.util.spec_from_file_location(
        "read_pack", ROOT / "__init__.py", submodule_search_locations=[str(ROOT)]
    )
    module = importlib.util.module_from_spec(spec)
    sys.modules["read_pack"] = module
    spec.loader.exec_module(module)
    await (await module.comfy_entrypoint()).get_node_list()
    seconds = time.process_time() - started
    added = sorted({name.split(".")[0] for name in set(sys.modules) - before})
    print(json.dumps({"processor_seconds": seconds, "modules": added}))


asyncio.run(main())
