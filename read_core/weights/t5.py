"""The embedding of a text by LTX-Video's T5, from ``tokenizer/`` and ``text_encoder/`` of diffusers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import torch
from torch import Tensor

from ..errors import CheckpointError
from .files import read_header, refuse_pickles, weight_files
from .float8 import refuse_float8
from .strict import refuse

TOKENS = 128  # LTX-Video's limit, its end token included


def embed_text(folder: Path, text: str) -> Tensor:
    """The embedding (S, channels) of a text, which may be empty, float32; S counts its end token.

    LTX-Video pads to 128 tokens and keeps the padding out of T5's attention. Without padding the embedding is
    the same; with padding but without that mask, as in diffusers' pipeline, it is another.

    Args:
        folder: with ``tokenizer/`` and ``text_encoder/``, as of LTX-Video for diffusers.
        text: it is cut after 128 tokens.

    Raises:
        CheckpointError: a folder is missing or damaged, or a package that its files need.
    """
    return next(embed_texts(folder, (text,)))


def embed_texts(folder: Path, texts: Iterable[str]) -> Iterator[Tensor]:
    """As :func:`embed_text`, of each text in turn; T5 is loaded once, when the first one is asked for."""
    from transformers import T5EncoderModel, T5TokenizerFast

    for name in ("tokenizer", "text_encoder"):
        if not (folder / name).is_dir():
            raise CheckpointError(
                f"{folder} has no folder {name}; expected tokenizer and text_encoder, as of LTX-Video"
            )
        refuse_pickles(folder / name)
    try:
        tokenizer = T5TokenizerFast.from_pretrained(folder / "tokenizer", local_files_only=True)
    except (ImportError, OSError, ValueError) as error:
        plain = (folder / "tokenizer" / "spiece.model").is_file()
        told = "pip install sentencepiece protobuf, which its spiece.model needs" if plain else str(error)
        raise CheckpointError(f"{folder / 'tokenizer'} cannot be read: {told}") from error
    for file in weight_files(folder / "text_encoder"):
        refuse_float8(file, read_header(file), "the embedding of a text needs full precision")
    encoder, loaded = T5EncoderModel.from_pretrained(
        folder / "text_encoder", local_files_only=True, output_loading_info=True
    )
    missing = [f"missing {name}" for name in sorted(loaded["missing_keys"])]
    refuse(missing, f"{folder / 'text_encoder'} holds no T5", "Download it again")
    encoder.eval()
    for text in texts:
        tokens = tokenizer(text, max_length=TOKENS, truncation=True, return_tensors="pt")
        with torch.no_grad():
            embedding: Tensor = encoder(tokens.input_ids).last_hidden_state[0].float()
        yield embedding
