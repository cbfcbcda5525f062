"""Models whose worker is killed at the job c.mp4, once; a module that worker processes can import."""

from __future__ import annotations

import os
import signal

from read_core.batch import work
from read_core.batch.table import Row
from read_core.batch.work import Models, Outcome
from read_core.pipeline import ReadPipeline


class Killing(Models):
    """See above."""

    def load(self) -> ReadPipeline:
        """The pipeline, in a process that will be killed."""

        made = work.make_video

        def make(pipe: ReadPipeline, row: Row) -> Outcome:
            mark = row.job.out.with_suffix(".killed")
            if row.job.out.name == "c.mp4" and not mark.exists():
                mark.touch()
                os.kill(os.getpid(), signal.SIGKILL)
            return made(pipe, row)

        work.make_video = make
        return super().load()
