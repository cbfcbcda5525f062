"""Build a corpus folder: recordings and mouth tracks on disk, frames drawn from seeds when needed.

<out>/<split>/000000.safetensors ...   waveform int16, mouth float16, phonemes int16, and where it comes from
<out>/<split>/index.jsonl              one line per finished item
"""

from __future__ import annotations

import json
import multiprocessing
import os
from collections.abc import Iterator
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from tqdm import tqdm

from ..errors import InputError, MediaError
from .item import (
    INDEX_NAME,
    CorpusItem,
    ItemInfo,
    item_name,
    item_seed,
    load_item,
    read_info,
    save_item,
    write_whole,
)
from .sentences import check_split
from .synthesis import require_synthesiser
from .utterance import check_seconds, sample_utterance

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["CorpusItem", "ItemInfo", "build_corpus", "load_item", "read_index"]


def build_corpus(
    out: str | os.PathLike[str],
    split: str = "train",
    count: int = 1000,
    seconds: float | None = None,
    synthesiser: str = "espeak",
    seed: int = 0,
    workers: int = 1,
) -> Path:
    """Make ``count`` items in ``out``/``split`` and their index; finished ones are kept.

    An interrupted build goes on where it stopped, and a larger ``count`` adds to what is there. The result
    does not depend on ``workers``.

    Args:
        out: folder of the corpus.
        split: "train", "validation" or "test".
        count: items in all.
        seconds: duration of each; None: one to three sentences.
        synthesiser: "espeak" or "flite".
        seed: of the whole corpus.
        workers: processes; 1 works in this one.

    Returns:
        The split's folder.

    Raises:
        InputError: an argument out of range, or a folder that holds items made from other arguments.
        SynthesiserError: the synthesiser is not installed.
        MediaError: something cannot be written.
    """
    check_split(split)
    check_seconds(seconds)
    if count < 1 or workers < 1:
        raise InputError(f"count is {count} and workers is {workers}; expected at least 1 of each")
    require_synthesiser(synthesiser)
    folder = Path(out) / split
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise MediaError(f"{folder}: cannot be made: {error.strerror or error}") from error
    missing = [index for index in range(count) if not _is_done(folder, index, seconds, synthesiser, seed)]
    make = partial(_make_item, folder, split, seconds, synthesiser, seed)
    with tqdm(total=count, initial=count - len(missing), desc=f"corpus {split}", unit="item") as progress:
        for _ in _run(make, missing, workers):
            progress.update()
    infos = [info for index in range(count) if (info := read_info(folder / item_name(index)))]
    _write_index(folder, infos)
    return folder


def read_index(folder: str | os.PathLike[str]) -> list[ItemInfo]:
    """The items of a split's folder, in order.

    Raises:
        MediaError: there is no index, or a line of it is not one of ours.
    """
    path = Path(folder) / INDEX_NAME
    try:
        lines = path.read_text().splitlines()
        return [ItemInfo(**json.loads(line)) for line in lines]
    except OSError as error:
        raise MediaError(f"{path}: cannot be read; expected a folder written by read-core corpus") from error
    except (ValueError, TypeError) as error:
        raise MediaError(f"{path}: not the index of a corpus ({error})") from error


def _run(make: partial[None], indices: list[int], workers: int) -> Iterator[None]:
    if workers == 1 or len(indices) < 2:
        yield from map(make, indices)
        return
    with multiprocessing.get_context("spawn").Pool(
        workers, initializer=torch.set_num_threads, initargs=(1,)
    ) as pool:
        yield from pool.imap_unordered(make, indices)


def _make_item(
    folder: Path, split: str, seconds: float | None, synthesiser: str, seed: int, index: int
) -> None:
    own_seed = item_seed(seed, index)
    utterance = sample_utterance(own_seed, seconds, split, synthesiser)
    info = ItemInfo(
        id=index,
        split=split,
        synthesiser=synthesiser,
        seed=own_seed,
        text=utterance.text,
        voice=utterance.voice,
        seconds=utterance.seconds,
    )
    save_item(folder, info, utterance)


def _is_done(folder: Path, index: int, seconds: float | None, synthesiser: str, seed: int) -> bool:
    info = read_info(folder / item_name(index))
    if info is None:
        return False
    same = info.seed == item_seed(seed, index) and info.synthesiser == synthesiser
    if not same or (seconds is not None and abs(info.seconds - seconds) > 1e-3):
        raise InputError(
            f"{folder / info.file} was made from another seed, synthesiser or duration "
            f"({info.synthesiser}, {info.seconds:.2f} s); choose an empty folder or the same arguments"
        )
    return True


def _write_index(folder: Path, infos: Iterable[ItemInfo]) -> None:
    lines = [json.dumps(asdict(info)) + "\n" for info in infos]
    write_whole(folder / INDEX_NAME, "".join(lines).encode())
