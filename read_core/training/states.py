"""Write and read the resumable states of a run in ``output/state``. Writing is atomic; the newest is kept."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from accelerate import Accelerator

from .config import ConfigError
from .sharding import SharedState


class States:
    """States of what accelerate has prepared, of ``more``, and of a shared training.

    Args:
        output: folder of the run.
        more: objects with ``state_dict`` and ``load_state_dict``.
        shared: what the processes hold in parts; None: nothing.
    """

    def __init__(
        self, accelerator: Accelerator, output: Path, more: list[Any], shared: SharedState | None
    ) -> None:
        self.accelerator, self.output, self.shared = accelerator, output, shared
        accelerator.register_for_checkpointing(*more)

    def latest(self) -> Path | None:
        """The folder of the newest state; None: there is none."""
        folder = self.output / "state"
        states = sorted(folder.glob("step-*[0-9]")) if folder.is_dir() else []
        return states[-1] if states else None

    def resume(self) -> None:
        """Read the newest state, if there is one.

        Raises:
            ConfigError: it was written with another ``loop.parallel``.
        """
        state = self.latest()
        if state is None:
            return
        if (state / SharedState.FOLDER).exists() != (self.shared is not None):
            written, asked = ("ddp", "fsdp") if self.shared else ("fsdp", "ddp")
            raise ConfigError(
                f"loop.parallel is {asked}, and {state} was written with {written}; go on with {written}, or "
                f"delete {self.output} to start again"
            )
        self.accelerator.load_state(str(state))
        if self.shared is not None:
            self.shared.load(state)

    def save(self, step: int) -> None:
        """Write the state with a temporary name, rename it, then delete older states."""
        target = self.output / "state" / f"step-{step:08d}"
        temporary = target.with_name(target.name + ".tmp")
        if self.accelerator.is_main_process:
            shutil.rmtree(temporary, ignore_errors=True)
        self.accelerator.wait_for_everyone()
        self.accelerator.save_state(str(temporary))
        if self.shared is not None:
            self.shared.save(temporary)
        self.accelerator.wait_for_everyone()
        if self.accelerator.is_main_process:
            shutil.rmtree(target, ignore_errors=True)
            temporary.rename(target)
            for old in target.parent.iterdir():
                if old.name != target.name:
                    shutil.rmtree(old)
