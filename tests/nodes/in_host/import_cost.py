"""What importing the pack costs after the host has imported its own; prints it as JSON."""

from __future__ import annotations

import asyncio
import json
import sys
import time

from outside import import_pack

import nodes  # noqa: F401  the host's own, and with it what every host has loaded
from comfy_api.latest import io, ui  # noqa: F401


async def main() -> None:
    before = set(sys.modules)
    started = time.process_time()
    extension = await import_pack().comfy_entrypoint()
    await extension.get_node_list()
    seconds = time.process_time() - started
    added = sorted({name.split(".")[0] for name in set(sys.modules) - before})
    print(json.dumps({"processor_seconds": seconds, "modules": added}))


asyncio.run(main())
