"""READ: real-time, audio-driven talking heads with a diffusion transformer.

Heavy libraries are imported when a name is first used, so ``import read_core`` costs next to nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .errors import CheckpointError, InputError, MediaError, ReadError, ReadWarning
from .nameless import name_cache
from .records import FaceChoice, Reference, SpeechCodes
from .version import __version__

if TYPE_CHECKING:
    from .ans import JointCFG, NoCFG, SplitCFG
    from .finish import Finishing
    from .pipeline import ReadPipeline

__all__ = [
    "CheckpointError",
    "FaceChoice",
    "Finishing",
    "InputError",
    "JointCFG",
    "MediaError",
    "NoCFG",
    "ReadError",
    "ReadPipeline",
    "ReadWarning",
    "Reference",
    "SpeechCodes",
    "SplitCFG",
    "__version__",
]

name_cache()

_LAZY = {
    "ReadPipeline": ".pipeline",
    "Finishing": ".finish",
    "NoCFG": ".ans",
    "JointCFG": ".ans",
    "SplitCFG": ".ans",
}


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        from importlib import import_module

        return getattr(import_module(_LAZY[name], __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
