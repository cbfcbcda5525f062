"""Print what Load READ Models says where a package of the pack is not installed."""

import importlib
import sys

from outside import NAME, import_pack

sys.modules["diffusers"] = None  # importing it raises ModuleNotFoundError
import_pack()
loaders = importlib.import_module(f"{NAME}.nodes.loaders")
own = "checkpoint's own"
try:
    loaders.LoadModels.execute("read-tiny", "auto", "auto", own, own, "none", 1.0)
except Exception as error:
    print(f"{type(error).__name__}: {error}")
