"""Generate talks with several seeds and measure them; results are kept until the report is written."""

from __future__ import annotations

import contextlib
import hashlib
import json
import multiprocessing
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from ...geometry import latents_of_frames
from ...media.files import written_whole
from ...records import SamplingSettings
from ..material.videos import VideoGenerator
from ..metrics.codec_detail import Coded, coded_of
from ..metrics.seams import clip_starts
from ..pictures.talk_sheets import TalkRows, rows_of_talk
from ..tables.report import make_folder
from .speaking import Speaking, read_talk, speaking_of

if TYPE_CHECKING:
    from ...pipeline import ReadPipeline
    from ..material.talks import TalkOrder, TalkSource


@dataclass(frozen=True)
class TalkResult:
    """All kept results of a talk.

    Attributes:
        name, kind, face, synthesizer: the talk's.
        rendered: figures of the talk itself (upper bound of the reader).
        coded: figures of its first clip after the codec.
        generated: figures of the video of each seed.
    """

    name: str
    kind: str
    face: str
    synthesizer: str
    rendered: Speaking
    coded: Coded
    generated: tuple[Speaking, ...]


Measured = tuple[TalkResult, "TalkRows | None"]


@dataclass(frozen=True)
class TalkMeasurer:
    """How talks are measured.

    Attributes:
        source: draws the talks.
        seeds: consecutive seeds of the noise; one video per seed.
        coded_frames: frames of each talk for the codec, 8 n + 1.
        shown: names of the talks whose pictures are kept for a sheet.
    """

    source: TalkSource
    seeds: tuple[int, ...]
    coded_frames: int
    shown: tuple[str, ...] = ()

    def measure(self, pipe: ReadPipeline, order: TalkOrder, earlier: Measured | None = None) -> Measured:
        """Draw a talk, generate its videos and measure them.

        Args:
            pipe: the checkpoint.
            order: the talk.
            earlier: results of the first seeds; only the other seeds are generated.
        """
        talk = self.source.draw(order)
        generator = VideoGenerator(pipe)  # its cache of encoded portraits is released with the talk
        starts = clip_starts(latents_of_frames(len(talk.pixels)), pipe.defaults.window)
        truth = read_talk(talk.frames, talk)

        def generate(seed: int) -> tuple[torch.Tensor, Speaking]:
            frames = generator.finished(talk, SamplingSettings(seed=seed))
            return frames, speaking_of(frames, read_talk(frames, talk), talk, truth, starts)

        if earlier is None:
            rendered = speaking_of(talk.frames, truth, talk, truth, starts)
            through = generator.coded(talk, self.coded_frames)
            frames, first = generate(self.seeds[0])
            rows = rows_of_talk(talk, through, frames) if order.name in self.shown else None
            of = (talk.name, talk.kind, talk.face, talk.synthesizer)
            earlier = TalkResult(*of, rendered, coded_of(through, talk), (first,)), rows
        result, rows = earlier
        others = [generate(seed)[1] for seed in self.seeds[len(result.generated) :]]
        return replace(result, generated=(*result.generated, *others)), rows

    def taken(self, earlier: Measured | None) -> Measured | None:
        """The part of earlier results that belongs to these seeds; None: some seeds are missing."""
        if earlier is None or len(earlier[0].generated) < len(self.seeds):
            return None
        result, rows = earlier
        return replace(result, generated=result.generated[: len(self.seeds)]), rows

    def key(self, pipe: ReadPipeline) -> str:
        """A hash of all that the results of a talk depend on, but not the code or the number of seeds."""
        of = replace(self, seeds=self.seeds[:1])
        digest = hashlib.sha256(repr((of, pipe.card, pipe.defaults)).encode())
        models = (
            pipe.features.encoder,
            pipe.speech_ae,
            pipe.transformer,
            pipe.vae.vae,
            pipe.detail,
            pipe.eyelids,
            pipe.student,
        )
        for tensor in (pipe.prompt.embedding, pipe.prompt.mask):
            digest.update(tensor.detach().cpu().contiguous().view(torch.uint8).numpy().tobytes())
        for model in models:
            for name, value in {} if model is None else model.state_dict().items():
                digest.update(name.encode())
                digest.update(value.detach().cpu().flatten().view(torch.uint8).numpy().tobytes())
        return digest.hexdigest()


@dataclass(frozen=True)
class Workers:
    """Processes that measure talks on a CPU; they share its threads.

    Attributes:
        count: of processes, at least 2.
        checkpoint: the folder that each of them loads.
    """

    count: int
    checkpoint: Path


class KeptTalks:
    """Results on disk, one file per talk, so that a stopped evaluation continues.

    Args:
        folder: their folder.
        key: results with another key are not read.
    """

    def __init__(self, folder: Path, key: str) -> None:
        self.folder, self.key = folder, key

    def load(self, name: str) -> Measured | None:
        """The results of a talk; None: there are none."""
        from pydantic import TypeAdapter
        from safetensors import SafetensorError, safe_open

        try:
            with safe_open(self._file(name), "pt") as file:
                metadata = file.metadata()
                pictures = file.get_tensor("pictures") if "pictures" in file.keys() else None  # noqa: SIM118
        except (OSError, SafetensorError):
            return None
        if metadata.get("key") != self.key:
            return None
        result = TypeAdapter(TalkResult).validate_json(metadata["result"])
        return result, None if pictures is None else TalkRows(result.name, pictures)

    def save(self, result: TalkResult, rows: TalkRows | None) -> None:
        """Write the results of a talk; the file is complete or does not exist.

        Raises:
            MediaError: the file cannot be written.
        """
        from safetensors.torch import save_file

        make_folder(self.folder)
        tensors = {} if rows is None else {"pictures": rows.pictures}
        with written_whole(self._file(result.name)) as temporary:
            save_file(tensors, temporary, {"key": self.key, "result": json.dumps(asdict(result))})

    def remove(self) -> None:
        """Delete all files; call it when the report is written."""
        for file in self.folder.glob("*.safetensors"):
            file.unlink()
        with contextlib.suppress(OSError):  # absent, or something else is in it
            self.folder.rmdir()

    def _file(self, name: str) -> Path:
        return self.folder / f"{name}.safetensors"


def measure_talks(
    pipe: ReadPipeline,
    measurer: TalkMeasurer,
    orders: Sequence[TalkOrder],
    kept: KeptTalks,
    workers: Workers | None = None,
) -> Iterator[Measured]:
    """Measure every talk, in order; one talk per process is in memory at a time.

    Args:
        pipe: the checkpoint.
        measurer: how.
        orders: the talks.
        kept: earlier results, which are not measured again; new ones are added.
        workers: measure in several processes; None: in this one.
    """
    earlier = {order.name: kept.load(order.name) for order in orders}
    done = {name: measurer.taken(found) for name, found in earlier.items()}
    missing = [order for order in orders if done[order.name] is None]
    if workers is None or not missing:
        for order in orders:
            yield done[order.name] or _measure(pipe, measurer, kept, order, earlier[order.name])
        return
    threads = max(1, (os.cpu_count() or 1) // workers.count)
    context = multiprocessing.get_context("spawn")
    given = workers.checkpoint, measurer, kept, threads
    with ProcessPoolExecutor(workers.count, context, _Worker.start, given) as pool:
        running = {order.name: pool.submit(_Worker.measure, order, earlier[order.name]) for order in missing}
        try:
            for order in orders:
                yield done[order.name] or running[order.name].result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _measure(
    pipe: ReadPipeline, measurer: TalkMeasurer, kept: KeptTalks, order: TalkOrder, earlier: Measured | None
) -> Measured:
    measured = measurer.measure(pipe, order, earlier)
    kept.save(*measured)
    return measured


class _Worker:
    """One process: what it needs is sent once, when it starts."""

    given: tuple[ReadPipeline, TalkMeasurer, KeptTalks]

    @classmethod
    def start(cls, checkpoint: Path, measurer: TalkMeasurer, kept: KeptTalks, threads: int) -> None:
        from ...pipeline import ReadPipeline

        torch.set_num_threads(threads)
        cls.given = ReadPipeline.from_pretrained(checkpoint, "cpu"), measurer, kept

    @classmethod
    def measure(cls, order: TalkOrder, earlier: Measured | None) -> Measured:
        return _measure(*cls.given, order, earlier)
