"""``read-core captions``: embed the texts of a folder by T5, for training with ``captions: true``."""

from __future__ import annotations

import argparse
from pathlib import Path


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``read-core captions``."""
    parser.add_argument(
        "folder",
        type=Path,
        help="folder with texts, also in folders below: 0000.txt of an item becomes 0000.prompt.safetensors, "
        "prompt.txt of all items of a video becomes prompt.safetensors",
    )
    parser.add_argument(
        "--t5",
        type=Path,
        required=True,
        metavar="FOLDER",
        help="folder with LTX-Video's tokenizer and text_encoder, the same as for read-core init",
    )
    parser.add_argument(
        "--overwrite",
        action="store_true",
        help="make all again (default: those that are older than their text)",
    )


def run(args: argparse.Namespace) -> int:
    """Write the embeddings and say how many.

    Raises:
        InputError: there are no texts, or one cannot be read.
        CheckpointError: see ``embed_text``.
        MediaError: an embedding cannot be written.
    """
    import torch
    from tqdm import tqdm

    from ..checkpoint import Prompt, write_prompt
    from ..errors import InputError
    from ..training.data.captions import prompt_file
    from ..weights.t5 import embed_texts

    texts = {path: prompt_file(path) for path in sorted(args.folder.rglob("*.txt")) if path.is_file()}
    if not texts:
        raise InputError(f"{args.folder} has no *.txt; expected texts such as sources/VIDEO/0000.txt")
    wanted = {path: _read(path) for path, out in texts.items() if args.overwrite or not _is_newer(out, path)}
    embeddings = embed_texts(args.t5, wanted.values())
    for path, embedding in zip(tqdm(wanted, "captions", unit="text", leave=False), embeddings, strict=True):
        mask = torch.ones(len(embedding), dtype=torch.bool)
        write_prompt(texts[path], Prompt(embedding, mask, wanted[path]))
    print(f"{args.folder}: {len(wanted)} embeddings written, {len(texts) - len(wanted)} kept")
    return 0


def _is_newer(out: Path, text: Path) -> bool:
    return out.is_file() and out.stat().st_mtime_ns >= text.stat().st_mtime_ns


def _read(path: Path) -> str:
    from ..errors import InputError

    try:
        return path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is no text in UTF-8 ({error})") from error
