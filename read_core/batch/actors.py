"""Make the videos in actors of Ray. Each loads the checkpoint once."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..errors import OnWarning, ReadError
from ..on_ray import ray_for, shared_gpus
from . import work
from .results import FAILED, Result
from .table import Row
from .work import Attempt, Models, Outcome, Waiting, is_here, killed

if TYPE_CHECKING:
    from ..pipeline import ReadPipeline

PATIENCE = 60.0  # seconds in which nothing happens, until a warning says that workers wait for room
DEATHS = 3  # how many workers may die before they answer, one after the other, beyond the number of workers


class _Actor:
    """A worker of Ray."""

    def __init__(self, models: Models, threads: int) -> None:
        self.models, self.threads = models, threads
        self.pipe: ReadPipeline | None = None

    def ping(self) -> None:
        """Answer, which says that Ray has found a place for this worker."""

    def make(self, row: Row) -> Outcome:
        """Make one video; the first one loads the models, so that an error in loading is this call's."""
        for path in (row.job.portrait, row.job.speech):
            if not is_here(path):
                message = f"{path}: no such file on the machine {platform.node()}"
                return Outcome(Result(row.asked["out"], FAILED, message=message), unseen=path)
        if self.pipe is None:
            import torch

            torch.set_num_threads(self.threads)
            self.pipe = self.models.load()
        return work.make_video(self.pipe, row)


def on_ray(
    waiting: Waiting, models: Models, workers: int, on_warning: OnWarning
) -> Iterator[tuple[Attempt, Outcome]]:
    """Make several videos at once, each in an actor. Ray need not have room for all workers.

    Raises:
        InputError: ray is not installed.
        CheckpointError: the checkpoint cannot be loaded.
        ReadError: workers die before their first job, or none sees the input files that are here.
    """
    with ray_for(workers) as (ray, here):
        kind = ray.remote(num_cpus=1, num_gpus=_gpus(ray, here, models, workers, on_warning))(_Actor)
        workers = min(workers, len(waiting))
        threads = max(1, (os.cpu_count() or 1) // workers) if here else 1  # Ray would give each one thread
        crew, told = _Crew(ray, lambda: kind.remote(models, threads), workers), False
        while waiting or crew.busy:
            crew.deploy(waiting)
            told = told and bool(crew.coming)
            patience = PATIENCE if crew.coming and not told else None
            ready, _ = ray.wait([*crew.busy, *crew.coming], timeout=patience)
            if not ready:
                on_warning(
                    f"workers that wait until Ray has room for them: {len(crew.coming)}; at work: "
                    f"{len(crew.busy)}. `ray status` shows what Ray has"
                )
                told = True
            for answer in ready:
                if answer in crew.coming:
                    crew.welcome(answer)
                    continue
                attempt, outcome = crew.finish(answer)
                if outcome.unseen is None or not is_here(outcome.unseen):
                    yield attempt, outcome
                    continue
                waiting.appendleft(attempt)
                trouble = f"{outcome.result.message}, but here it is; expected a folder that all machines see"
                if not crew.size:
                    raise ReadError(f"{trouble}. No other worker is left")
                on_warning(f"{trouble}. That worker gets no more jobs")


@dataclass
class _Crew:
    """The workers of a table. One gets a job only when it has answered, since Ray may never have room for it.

    Attributes:
        ray: the package.
        start: starts a worker.
        size: most workers at once.
        coming: answer that is awaited -> worker without a place.
        idle: workers with a place and without a job.
        busy: outcome that is awaited -> attempt, and its worker.
        deaths: workers that died before they answered, since the last answer.
    """

    ray: Any
    start: Callable[[], Any]
    size: int
    coming: dict[Any, Any] = field(default_factory=dict)
    idle: list[Any] = field(default_factory=list)
    busy: dict[Any, tuple[Attempt, Any]] = field(default_factory=dict)
    deaths: int = 0

    def deploy(self, waiting: Waiting) -> None:
        """Hand out jobs; start workers that are missing, and let those go that no job waits for."""
        while waiting and self.idle:
            attempt, actor = waiting.popleft(), self.idle.pop()
            self.busy[actor.make.remote(attempt.row)] = attempt, actor
        wanted = min(self.size - len(self.busy), len(waiting))
        while len(self.coming) < wanted:
            actor = self.start()
            self.coming[actor.ping.remote()] = actor
        while len(self.coming) > wanted:
            self.idle.append(self.coming.popitem()[1])
        while self.idle:
            self.ray.kill(self.idle.pop())

    def welcome(self, answer: Any) -> None:
        """Take up a worker that has answered, or died.

        Raises:
            ReadError: too many have died.
        """
        actor = self.coming.pop(answer)
        try:
            self.ray.get(answer)
        except self.ray.exceptions.RayActorError as error:
            self.deaths += 1
            if self.deaths > self.size + DEATHS:
                reason = " ".join(str(error).split())
                raise ReadError(
                    f"workers of Ray die before their first job ({reason}); expected this version of READ "
                    "and of its packages on all machines"
                ) from error
        else:
            self.deaths = 0
            self.idle.append(actor)

    def finish(self, answer: Any) -> tuple[Attempt, Outcome]:
        """The outcome of a job. A worker that can do no more is let go.

        Raises:
            CheckpointError: the checkpoint cannot be loaded.
        """
        attempt, actor = self.busy.pop(answer)
        try:
            outcome: Outcome = self.ray.get(answer)
        except (self.ray.exceptions.RayActorError, self.ray.exceptions.OutOfMemoryError):
            self.ray.kill(actor)  # it may only be out of reach
            return attempt, killed(attempt)
        except self.ray.exceptions.RayTaskError as error:
            raise error.cause from None
        blind = outcome.unseen is not None and is_here(outcome.unseen)
        self.size -= blind
        if blind or outcome.broken:
            self.ray.kill(actor)
        else:
            self.idle.append(actor)
        return attempt, outcome


def _gpus(ray: Any, here: bool, models: Models, workers: int, on_warning: OnWarning) -> float:
    """GPUs of an actor. Of a cluster, how many it has now means nothing: it may grow."""
    if here and models.gpus is None:
        return shared_gpus(ray, workers, models.device)
    needed = float(models.device != "cpu") if models.gpus is None else models.gpus
    if needed > (present := ray.cluster_resources().get("GPU", 0)):
        on_warning(
            f"a worker needs GPUs: {needed:g}; Ray has now: {present:g}. The workers wait for more; for CPUs "
            "pass --device cpu"
        )
    return needed
