"""The file of a text embedding: ``embedding`` (S, channels) and ``mask`` (S,) bool in safetensors."""

from __future__ import annotations

from pathlib import Path

from ..errors import CheckpointError
from ..weights.files import read_header, read_tensors
from ..weights.strict import compare, refuse
from .records import Prompt

_ADVICE = "Make it with the node READ Save Prompt, or copy the checkpoint again"


def load_prompt(file: Path, channels: int, text: str = "") -> Prompt:
    """Load a text embedding whose tokens have ``channels`` channels.

    Args:
        text: the embedded text.

    Raises:
        CheckpointError: the file is missing or damaged, its tensors have other names, shapes or types, or
            the mask excludes all tokens.
    """
    import torch

    header = read_header(file)
    tokens = header["embedding"].shape[0] if "embedding" in header and header["embedding"].shape else 0
    with torch.device("meta"):
        expected = {"embedding": torch.empty(tokens, channels), "mask": torch.empty(tokens, dtype=torch.bool)}
    refuse(compare(expected, header), f"{file} holds no text embedding for this transformer", _ADVICE)
    tensors = read_tensors(file)
    if not bool(tensors["mask"].any()):
        raise CheckpointError(f"{file} has a mask that excludes all tokens; expected at least one")
    return Prompt(tensors["embedding"], tensors["mask"].bool(), text)


def write_prompt(file: Path, prompt: Prompt) -> None:
    """Write a text embedding as :func:`load_prompt` reads it; the embedding keeps its type.

    Raises:
        MediaError: the file cannot be written, for example because the disk is full. Then there is none.
    """
    from safetensors.torch import save_file

    from ..media.files import temporary_beside, write_error

    tensors = {"embedding": prompt.embedding, "mask": prompt.mask.bool()}
    partial = temporary_beside(file)
    try:
        save_file({name: value.cpu().contiguous() for name, value in tensors.items()}, partial)
        partial.replace(file)
    except Exception as error:  # safetensors has an error type of its own for a full disk
        raise write_error(file, error) from error
    finally:
        partial.unlink(missing_ok=True)
