"""Seconds that generated videos took, read from the files next to them."""

from __future__ import annotations

from dataclasses import dataclass

from ...generate.runtime import Runtime
from ..figures import column

SEEN = "no frame: NAME.runtime.json next to each generated video"
NOTE = (
    "Seconds that read-core generate --runtime measured and wrote down, on the machine that made the videos. "
    "Network: all evaluations of the diffusion network, the paper's runtime. Total: from reading the inputs "
    "to the finished file, without loading models. Another method's videos count with a file of the same "
    "form."
)


@dataclass(frozen=True)
class RuntimeFigures:
    """Time of a video.

    Attributes:
        backbone: seconds of the network.
        total: seconds in all.
        video: seconds that the video lasts.
        factor: seconds in all per second of video.
    """

    backbone: float = column("network (s)")
    total: float = column("total (s)")
    video: float = column("video (s)")
    factor: float = column("total / video")


def runtime_figures(runtime: Runtime, seconds: float) -> RuntimeFigures:
    """Figures of a video that lasts some ``seconds``, above 0."""
    return RuntimeFigures(
        runtime.backbone_seconds, runtime.total_seconds, seconds, runtime.total_seconds / seconds
    )
