"""Record the seconds that a video took in a file next to it: ``talk.mp4`` has ``talk.runtime.json``."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path

from ..errors import MediaError


@dataclass(frozen=True)
class Runtime:
    """Time that a video took.

    Attributes:
        backbone_seconds: of all evaluations of the diffusion network.
        total_seconds: from reading the inputs to the finished file, without loading the models.
    """

    backbone_seconds: float
    total_seconds: float

    def save(self, video: Path) -> Path:
        """Write it next to a video; return the path of the file.

        Raises:
            MediaError: the file cannot be written.
        """
        path = runtime_path(video)
        try:
            path.write_text(json.dumps(asdict(self)) + "\n", encoding="utf-8")
        except OSError as error:
            raise MediaError(f"{path}: cannot be written: {error.strerror or error}") from error
        return path


def runtime_path(video: Path) -> Path:
    """Path of the file next to a video."""
    return video.with_suffix(".runtime.json")


def read_runtime(video: Path) -> Runtime | None:
    """Read what was written next to a video; None: nothing.

    Raises:
        MediaError: the file has other contents.
    """
    path = runtime_path(video)
    if not path.is_file():
        return None
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        found = Runtime(float(content["backbone_seconds"]), float(content["total_seconds"]))
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise MediaError(
            f'{path} is no runtime ({error!r}); expected {{"backbone_seconds": 1.5, "total_seconds": 2.5}}'
        ) from error
    if not (math.isfinite(found.total_seconds) and 0 <= found.backbone_seconds <= found.total_seconds):
        raise MediaError(f"{path} has {found}; expected 0 <= backbone_seconds <= total_seconds")
    return found
