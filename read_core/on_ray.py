"""Start Ray for ``read-core prepare`` and ``read-core batch``. It is an extra."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from .errors import InputError


@contextmanager
def ray_for(workers: int) -> Iterator[tuple[Any, bool]]:
    """Use the Ray cluster that ``RAY_ADDRESS`` names, else start Ray on this machine and stop it afterwards.

    Args:
        workers: number of workers.

    Yields:
        The package ray, and whether the cluster is this machine alone, started here.

    Raises:
        InputError: ray is not installed.
    """
    try:
        import ray
    except ModuleNotFoundError as error:
        raise InputError("the engine ray needs the package ray: pip install -e '.[ray]'") from error
    ours = not ray.is_initialized()
    here = ours and not os.environ.get("RAY_ADDRESS")
    if ours:
        local: dict[str, Any] = {"address": "local", "num_cpus": workers} if here else {}
        ray.init(include_dashboard=False, log_to_driver=False, logging_level="error", **local)
    try:
        yield ray, here
    finally:
        if ours:
            ray.shutdown()


def shared_gpus(ray: Any, workers: int, device: str | None) -> float:
    """The share of a GPU of one worker, if the workers share the GPUs that the cluster has now.

    Args:
        ray: the package.
        workers: number of workers.
        device: device of the models; ``cpu``: they need no GPU.
    """
    gpus = 0 if device == "cpu" else ray.cluster_resources().get("GPU", 0)
    return int(100 * min(1, gpus / workers)) / 100
