"""Shared training (FSDP2): every process holds a part of each weight, gradient, moment and average.

Blocks are gathered when they run. The stage's own model stays whole: sheets and the export are made with it,
on the main process.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from .config import ConfigError
from .processes import processes


def shared(model: nn.Module) -> nn.Module:
    """A model to train in place of ``model``, of which each process holds a part.

    The main process keeps ``model`` as it is; elsewhere it is the model that is returned.

    Raises:
        ConfigError: there is one process, or the model has no blocks to gather one by one.
    """
    from torch.distributed.fsdp import fully_shard

    state = processes()
    if state.num_processes == 1:
        raise ConfigError(
            "loop.parallel is fsdp, which needs several processes; start them with torchrun, or use ddp"
        )
    made = copy.deepcopy(model) if state.is_main_process else model
    names = {name for module in made.modules() for name in getattr(module, "_no_split_modules", None) or ()}
    blocks = [module for module in made.modules() if type(module).__name__ in names]
    if not blocks:
        raise ConfigError(
            "loop.parallel is fsdp, which gathers the blocks of A2V-DiT one by one; this stage has none: "
            "use ddp"
        )
    mesh = _mesh()
    for module in (*blocks, made):
        fully_shard(module, mesh=mesh)
    return made


def _mesh() -> Any:
    state = processes()
    from torch.distributed.device_mesh import init_device_mesh

    return init_device_mesh(state.device.type, (state.num_processes,))


@contextmanager
def whole(kept: nn.Module, trained: nn.Module) -> Iterator[None]:
    """Inside, ``kept`` has the weights of ``trained``, on the main process; all processes must enter.

    Args:
        kept: the stage's model. Where it is itself what is trained, nothing is done.
        trained: the model itself, or what :func:`shared` made of it.
    """
    if not _is_shared(trained):
        yield
        return
    from torch.distributed.checkpoint.state_dict import StateDictOptions, get_model_state_dict

    weights = get_model_state_dict(trained, options=StateDictOptions(full_state_dict=True, cpu_offload=True))
    if not processes().is_main_process:
        yield
        return
    kept.load_state_dict(weights)
    kept.to(processes().device)
    yield
    kept.to("cpu")  # the device has the memory for it only now and then


def _is_shared(model: nn.Module) -> bool:
    return hasattr(model, "unshard")  # as fully_shard adds; older releases of torch have no such class


def own(value: Tensor) -> Tensor:
    """This process's part of a weight or of its average; all of it where weights are not shared."""
    part: Tensor = getattr(value, "to_local", lambda: value)()
    return part


def gathered(value: Tensor) -> Tensor:
    """A figure of which each process may have a part; all must call this."""
    whole: Tensor = getattr(value, "full_tensor", lambda: value)()
    return whole


class SharedState:
    """Model, optimizer and average of a shared training on the disk; each process writes its part."""

    FOLDER = "shared"
    """In the folder of a state."""

    def __init__(
        self, model: nn.Module, optimizer: torch.optim.Optimizer, average: dict[str, Tensor]
    ) -> None:
        self.model, self.optimizer, self.average = model, optimizer, average

    def save(self, folder: Path) -> None:
        """Write it into the folder of a state; all processes must call this."""
        from torch.distributed.checkpoint.state_dict_saver import save

        save(self._tensors(), checkpoint_id=folder / self.FOLDER)

    def load(self, folder: Path) -> None:
        """Read what :meth:`save` wrote, with any number of processes; all must call this."""
        from torch.distributed.checkpoint.state_dict import set_optimizer_state_dict
        from torch.distributed.checkpoint.state_dict_loader import load

        tensors = self._tensors()  # those of model and average are the tensors themselves
        load(tensors, checkpoint_id=folder / self.FOLDER)
        set_optimizer_state_dict(self.model, self.optimizer, tensors["optimizer"])

    def _tensors(self) -> dict[str, Any]:
        from torch.distributed.checkpoint.state_dict import get_state_dict

        model, optimizer = get_state_dict(self.model, self.optimizer)
        return {"model": model, "optimizer": optimizer, "average": self.average}
