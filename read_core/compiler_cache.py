"""Support users without a name, for example in containers (``docker run --user``)."""

from __future__ import annotations

import getpass
import os
import tempfile
from pathlib import Path

_VARIABLE = "TORCHINDUCTOR_CACHE_DIR"


def set_compiler_cache() -> None:
    """Set the cache folder of torch's compiler if the user has no name: torch needs one on import.

    Torch itself uses the same variable and a folder of the same kind.
    """
    try:
        getpass.getuser()
    except (ImportError, KeyError, OSError):
        number = os.getuid() if hasattr(os, "getuid") else 0
        os.environ.setdefault(_VARIABLE, str(Path(tempfile.gettempdir()) / f"torchinductor_{number}"))
