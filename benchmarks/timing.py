"""Shared by the benchmarks: options, inputs, interleaved timing, and Markdown tables."""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import sys
import time
import wave
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from read_core import ReadError, ReadPipeline, Reference, SamplingSettings, SpeechCodes
from read_core.geometry import FPS, SAMPLE_RATE, SAMPLES_PER_FRAME, frames_of_latents, latents_of_clips
from read_core.media import read_audio, read_image

ROOT = Path(__file__).resolve().parent.parent
BUNDLED = ROOT / "read_core" / "checkpoints" / "read-tiny"
PORTRAIT = ROOT / "assets" / "portrait.png"
RECORDING = ROOT / "assets" / "speech.flac"

_DTYPES = ("float32", "float16", "bfloat16")


def parser(
    description: str | None, clips: int | None = None, repeats: int | None = None
) -> argparse.ArgumentParser:
    """The options common to the scripts.

    Args:
        description: the script's docstring.
        clips: default of ``--clips``; None: there is no such option.
        repeats: default of ``--repeats``; None: there is no such option.
    """
    name = Path(sys.argv[0]).stem
    made = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    made.add_argument(
        "--checkpoint", type=Path, default=BUNDLED, help="folder (default: the bundled read-tiny)"
    )
    made.add_argument("--steps", type=int, help="steps per clip (default: the checkpoint's)")
    made.add_argument(
        "--size", type=int, help="side of the video in pixels, a multiple of 32 (default: the checkpoint's)"
    )
    if clips is not None:
        made.add_argument("--clips", type=int, default=clips, help=f"clips of speech (default: {clips})")
    if repeats is not None:
        made.add_argument(
            "--repeats",
            type=int,
            default=repeats,
            help=f"timed rounds, after one that is not counted (default: {repeats})",
        )
    made.add_argument("--device", help="cpu, cuda, mps (default: the best available)")
    made.add_argument(
        "--dtype",
        choices=_DTYPES,
        help="of the models (default: the checkpoint's; on a CPU float32, or bfloat16 where fast)",
    )
    out = ROOT / "output" / "benchmarks" / f"{name}.md"
    made.add_argument(
        "--out", type=Path, default=out, help=f"the tables as markdown (default: {out.relative_to(ROOT)})"
    )
    return made


def guarded(main: Callable[[], None]) -> None:
    """Run a script; print a user's error in one line, exit status 2."""
    try:
        main()
    except ReadError as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(2) from error


@dataclass(frozen=True)
class Inputs:
    """One portrait, and speech of a whole number of clips, from ``assets/``.

    Attributes:
        pipe: the checkpoint, with the requested device and type.
        waveform: (samples,) at 16 kHz.
        portrait: (H, W, 3), 0..1.
        speech: the codes of ``waveform``.
        reference: z_R of ``portrait``.
        size: (height, width) of the video.
        steps: steps per clip.
        clips: number of clips k.
    """

    pipe: ReadPipeline
    waveform: Tensor
    portrait: Tensor
    speech: SpeechCodes
    reference: Reference
    size: tuple[int, int]
    steps: int
    clips: int

    @property
    def settings(self) -> SamplingSettings:
        """The checkpoint's settings, with other steps, all of them guided."""
        return SamplingSettings(self.steps, guidance_end=1.0)

    @property
    def shift(self) -> float:
        """s of the schedule for windows of this size."""
        height, width = self.reference.latent.shape[-2:]
        return self.pipe.defaults.shift_at(self.pipe.defaults.window * height * width)

    @property
    def seconds(self) -> float:
        """Length of the video."""
        return self.speech.num_frames / FPS

    @property
    def describe(self) -> str:
        """A sentence that describes the run."""
        pipe, (height, width) = self.pipe, self.size
        guidance = pipe.defaults.guidance
        weights = sum(p.numel() for p in pipe.transformer.parameters()) / 1e6
        return (
            f"{pipe.card.name} (A2V-DiT of {weights:.1f} M parameters), {width} x {height} pixels, "
            f"{self.clips} clip(s) of {pipe.defaults.window} latents = {self.speech.num_frames} frames = "
            f"{self.seconds:.2f} s, {self.steps} steps, {guidance.kind} guidance "
            f"({len(guidance.branches)} evaluation(s) per step)"
        )


def load(args: argparse.Namespace) -> ReadPipeline:
    """Load the pipeline chosen by the options."""
    return ReadPipeline.from_pretrained(
        args.checkpoint, args.device, getattr(torch, args.dtype) if args.dtype else None
    )


def inputs(args: argparse.Namespace, clips: int) -> Inputs:
    """Load the checkpoint and encode the example portrait and ``clips`` whole clips of the example speech."""
    pipe = load(args)
    size = (args.size, args.size) if args.size else pipe.card.resolution
    frames = frames_of_latents(1 + latents_of_clips(clips, pipe.defaults.window))
    waveform, portrait = repeated_speech(frames * SAMPLES_PER_FRAME), read_image(PORTRAIT)
    return Inputs(
        pipe=pipe,
        waveform=waveform,
        portrait=portrait,
        speech=pipe.encode_speech(waveform, SAMPLE_RATE, max_window=pipe.defaults.window),
        reference=pipe.encode_reference(portrait, size),
        size=size,
        steps=args.steps or pipe.defaults.steps,
        clips=clips,
    )


def repeated_speech(samples: int) -> Tensor:
    """(samples,) at 16 kHz: the example recording, repeated."""
    once = read_audio(RECORDING)
    return once.repeat(-(-samples // len(once)))[:samples]


def write_wav(path: Path, waveform: Tensor) -> Path:
    """Write (samples,) at 16 kHz as 16-bit PCM."""
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, SAMPLE_RATE, 0, "NONE", "not compressed"))
        file.writeframes(waveform.mul(32767).round().short().numpy().tobytes())
    return path


def settle(device: torch.device) -> None:
    """Wait until the device has finished."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()


@dataclass(frozen=True)
class Times:
    """Seconds of each call in each round, by the clock.

    Attributes:
        rounds: the seconds.
        processor: the same in seconds of the processor, all threads together: a machine that is busy with
            other work hardly changes them.
    """

    rounds: Mapping[str, Sequence[float]]
    processor: Times | None = None

    def median(self, name: str) -> float:
        """Seconds."""
        return statistics.median(self.rounds[name])

    def ratios(self, name: str, base: str) -> list[float]:
        """``name`` / ``base`` in each round, where both ran in succession."""
        return [a / b for a, b in zip(self.rounds[name], self.rounds[base], strict=True)]

    def ratio(self, name: str, base: str) -> str:
        """The median of the ratios, and their range, for example "1.23 (1.20 to 1.25)"."""
        found = self.ratios(name, base)
        return f"{statistics.median(found):.2f} ({min(found):.2f} to {max(found):.2f})"


def interleaved(calls: Mapping[Any, Callable[[], object]], repeats: int, device: torch.device) -> Times:
    """Time calls alternately, A B A B ..., after one warm-up round, so that drift affects all equally."""
    rounds: dict[str, list[float]] = {name: [] for name in calls}
    processor: dict[str, list[float]] = {name: [] for name in calls}
    for done in range(max(1, repeats) + 1):
        for name, call in calls.items():
            settle(device)
            started, worked = time.perf_counter(), time.process_time()
            call()
            settle(device)
            if done:
                rounds[name].append(time.perf_counter() - started)
                processor[name].append(time.process_time() - worked)
        print(f"round {done} of {max(1, repeats)} done", file=sys.stderr, flush=True)
    return Times(rounds, Times(processor))


@dataclass
class Page:
    """Output of a script: to stdout immediately, and as Markdown at the end."""

    title: str
    lines: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.say(f"## {self.title}")

    def say(self, text: str) -> None:
        """Print a paragraph."""
        self._put([text, ""])

    def table(self, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Print a table, the first column left-aligned, the others right-aligned."""
        widths = [max(3, *(len(row[i]) for row in (header, *rows))) for i in range(len(header))]
        rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
        self._put([*(_row(cells, widths) for cells in (header, rule, *rows)), ""])

    def save(self, path: Path) -> None:
        """Write the Markdown, with the machine's description."""
        self.say(f"Measured on {machine()}.")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join(self.lines).rstrip() + "\n", encoding="utf-8")
        print(f"written: {path}", file=sys.stderr)

    def _put(self, lines: Sequence[str]) -> None:
        self.lines += lines
        print("\n".join(lines), flush=True)


def milliseconds(seconds: float) -> str:
    """Seconds as "12.3 ms"."""
    return f"{1000 * seconds:.1f} ms"


def percent(share: float) -> str:
    """A share as "12.3 %"."""
    return f"{100 * share:.1f} %"


def machine() -> str:
    """Processor, threads, GPU and versions as text."""
    words = [f"{_processor()}, {os.cpu_count()} logical cores, {torch.get_num_threads()} thread(s)"]
    if torch.cuda.is_available():
        words.append(torch.cuda.get_device_name())
    return ", ".join([*words, f"Python {platform.python_version()}", f"torch {torch.__version__}"])


def _processor() -> str:
    return next(_cpu_names(), platform.processor() or platform.machine())


def _cpu_names() -> Iterator[str]:
    file = Path("/proc/cpuinfo")
    if file.exists():
        for line in file.read_text().splitlines():
            if line.startswith("model name"):
                yield line.partition(":")[2].strip()


def _row(cells: Sequence[str], widths: Sequence[int]) -> str:
    padded = [cells[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(cells[1:], widths[1:], strict=True))]
    return "| " + " | ".join(padded) + " |"
