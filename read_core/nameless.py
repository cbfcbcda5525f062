"""Users without a name, as containers have them (``docker run --user``)."""

from __future__ import annotations

import getpass
import os
import tempfile
from pathlib import Path

_VARIABLE = "TORCHINDUCTOR_CACHE_DIR"


def name_cache() -> None:
    """Name the cache of torch's compiler where torch cannot: it asks for the user's name when it is imported.

    The variable is the one that torch itself sets, and the folder is of the same kind.
    """
    try:
        getpass.getuser()
    except (ImportError, KeyError, OSError):
        number = os.getuid() if hasattr(os, "getuid") else 0
        os.environ.setdefault(_VARIABLE, str(Path(tempfile.gettempdir()) / f"torchinductor_{number}"))
