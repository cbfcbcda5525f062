"""Start Ray for ``read-core prepare`` and ``read-core batch``. It is an extra."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from .errors import InputError


@contextmanager
def ray_for(workers: int, device: str | None) -> Iterator[tuple[Any, float]]:
    """Use the Ray cluster that ``RAY_ADDRESS`` names, else start Ray on this machine and stop it afterwards.

    Args:
        workers: number of workers that share the GPUs.
        device: device of the models; ``cpu``: they need no GPU.

    Yields:
        The package ray, and the share of a GPU of one worker.

    Raises:
        InputError: ray is not installed.
    """
    try:
        import ray
    except ModuleNotFoundError as error:
        raise InputError(
            "the engine ray needs the package ray: pip install 'read-talking-head[ray]'"
        ) from error
    ours = not ray.is_initialized()
    if ours:
        local: dict[str, Any] = {} if os.environ.get("RAY_ADDRESS") else {"num_cpus": workers}
        ray.init(include_dashboard=False, log_to_driver=False, logging_level="error", **local)
    try:
        gpus = 0 if device == "cpu" else ray.cluster_resources().get("GPU", 0)
        yield ray, int(100 * min(1, gpus / workers)) / 100
    finally:
        if ours:
            ray.shutdown()
