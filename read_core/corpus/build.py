"""Build a corpus folder: ``<out>/<split>/<synthesizer>-<seed>.safetensors``, one file per video.

See ``scene.Scene.draw`` for the contents of a file; ``video_file`` reads it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from tqdm import tqdm

from ..checks import check_size
from ..errors import InputError, MediaError
from ..geometry import FPS, FRAMES_PER_LATENT
from ..media.files import written_whole
from .photo.scene import PhotoScene
from .scene import Scene, whole_latents
from .speech.sentences import check_split
from .speech.synthesis import require_synthesizer
from .speech.utterance import check_seconds
from .video_file import SUFFIX

_RENAMED = {"synthesiser": "synthesizer"}  # in files of earlier versions
_SCENE = "scene"  # key of a file's metadata: the arguments of its scene

AnyScene = Scene | PhotoScene


def build_corpus(
    out: str | os.PathLike[str], first: AnyScene, count: int = 1000, workers: int = 1
) -> list[Path]:
    """Draw ``count`` videos like ``first``, with seeds counted up from its seed. Existing videos are kept.

    An interrupted build can be continued. The result does not depend on ``workers``.

    Args:
        out: folder of the corpus.
        first: the first video; its duration is cut to 8 n + 1 frames, whole latents.
        count: number of videos.
        workers: number of processes; 1: only this process.

    Returns:
        The files, in the order of their seeds.

    Raises:
        InputError: an argument is out of range, or an existing file was made with other arguments (for files
            without stored arguments, only size and duration are compared).
        SynthesizerError: the synthesizer is not installed.
        MediaError: a file cannot be read or written.
    """
    check_split(first.split)
    check_seconds(first.seconds)
    check_size((first.size, first.size))
    first.check()
    if count < 1 or workers < 1 or first.seed < 0:
        raise InputError(
            f"count is {count}, workers is {workers}, seed is {first.seed}; expected at least 1, 1 and 0"
        )
    duration = whole_latents(first.seconds)
    if duration * FPS <= FRAMES_PER_LATENT:
        least = (FRAMES_PER_LATENT + 1) / FPS
        raise InputError(f"seconds is {first.seconds}; expected at least {least}, two latents")
    require_synthesizer(first.synthesizer)
    scenes = [replace(first, seed=first.seed + i, seconds=duration) for i in range(count)]
    return render_corpus(Path(out), scenes, workers)


def render_corpus(folder: Path, scenes: list[AnyScene], workers: int) -> list[Path]:
    """Draw the scenes that are missing in ``folder``; return the files of all scenes."""
    files = [folder / scene.split / f"{scene.name}{SUFFIX}" for scene in scenes]
    missing = [(s, f) for s, f in zip(scenes, files, strict=True) if not _is_done(s, f)]
    for parent in {file.parent for _, file in missing}:
        try:
            parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise MediaError(f"{parent}: cannot be made: {error.strerror or error}") from error
    for _ in tqdm(_run(missing, workers), f"corpus {folder}", total=len(missing), unit="video", disable=None):
        pass
    return files


def _is_done(scene: AnyScene, path: Path) -> bool:
    if not path.exists():
        return False
    try:
        with safe_open(path, "pt") as file:
            found = file.get_slice("frames").get_shape()
            drawn = json.loads((file.metadata() or {}).get(_SCENE, "null"))
    except (OSError, SafetensorError) as error:
        raise MediaError(f"{path}: not a video of a corpus ({error}); delete it to draw it again") from error
    expected = [round(scene.seconds * FPS), scene.size, scene.size, 3]
    if found != expected:
        raise InputError(
            f"{path} has {found[0]} frames of {found[1]} x {found[2]} pixels; expected {expected[0]} of "
            f"{scene.size} x {scene.size}: choose another folder or the same arguments"
        )
    asked = _settings(scene)
    drawn = {_RENAMED.get(name, name): value for name, value in (drawn or {}).items()}
    other = {name: value for name, value in drawn.items() if value != asked.get(name)}
    if other:
        raise InputError(
            f"{path} was drawn with {', '.join(f'{name} {value}' for name, value in other.items())}; "
            f"expected {', '.join(f'{name} {asked.get(name)}' for name in other)}: "
            "choose another folder or the same arguments"
        )
    return True


def _settings(scene: AnyScene) -> dict[str, Any]:
    """The arguments of a scene as read back from JSON, without folders, which may move."""
    values = {name: value for name, value in asdict(scene).items() if not isinstance(value, Path)}
    settings: dict[str, Any] = json.loads(json.dumps(values))
    return settings


def _run(work: list[tuple[AnyScene, Path]], workers: int) -> Iterator[None]:
    if workers == 1 or len(work) < 2:
        for scene, path in work:
            _render_one(scene, path)
            yield
        return
    with ProcessPoolExecutor(
        workers, get_context("spawn"), initializer=torch.set_num_threads, initargs=(1,)
    ) as pool:
        yield from pool.map(_render_one, *zip(*work, strict=True), chunksize=4)


def _render_one(scene: AnyScene, path: Path) -> None:
    """Draw one video and write it atomically."""
    data = save(scene.draw(), {_SCENE: json.dumps(_settings(scene))})
    with written_whole(path) as temporary:
        temporary.write_bytes(data)
