"""Print, as JSON, the modules that importing the pack adds to those of the host."""

from __future__ import annotations

import asyncio
import json
import sys

from outside import import_pack

import nodes  # noqa: F401  the host's own, and with it what every host has loaded
from comfy_api.latest import io, ui  # noqa: F401


async def main() -> None:
    before = set(sys.modules)
    extension = await import_pack().comfy_entrypoint()
    await extension.get_node_list()
    added = sorted({name.split(".")[0] for name in set(sys.modules) - before})
    print(json.dumps(added))


asyncio.run(main())
