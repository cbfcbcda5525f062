"""This version against an earlier commit, stage by stage, in one process, and how far results are apart.

The earlier package is taken from git into a temporary folder and loaded next to this one. Both run the same
checkpoint on the same inputs, alternately: the one that the earlier commit bundles, since it cannot load
later ones. --vae and --detail replace parts of it by those of aligned faces; then the portrait's detail is
restored at --output-size.
"""

from __future__ import annotations

import importlib
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from timing import (
    PORTRAIT,
    ROOT,
    Page,
    guarded,
    interleaved,
    milliseconds,
    parser,
    repeated_speech,
    write_wav,
)
from torch import Tensor

from read_core.geometry import FPS, SAMPLE_RATE
from read_core.media import read_image

NOW, BEFORE = "read_core", "read_core_before"
STAGES = ("sampling", "decoding", "finishing", "writing", "from files to a file")


@dataclass(frozen=True)
class Side:
    """One of the two versions, with what its stages start from."""

    name: str
    pipe: Any
    speech: Any
    reference: Any
    settings: Any
    finish: Any
    job: Any

    def part(self, module: str) -> Any:
        return part_of(self.name, module)


def main() -> None:
    made = parser(__doc__, repeats=3)
    made.add_argument("--commit", default="8ebc133", help="the earlier commit (default: 8ebc133)")
    made.add_argument("--seconds", type=float, default=5.0, help="seconds of speech (default: 5)")
    made.add_argument("--vae", type=Path, help="folder of another VAE")
    made.add_argument("--detail", type=Path, help="folder of a detail network")
    made.add_argument("--output-size", type=int, default=256, help="with --detail (default: 256)")
    made.add_argument("--stages", nargs="+", choices=STAGES, default=list(STAGES), help="default: all")
    made.set_defaults(checkpoint=None)
    args = made.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        load_before(args.commit, Path(folder))
        args.checkpoint = args.checkpoint or Path(folder) / BEFORE / "checkpoints" / "read-tiny"
        speech = write_wav(Path(folder) / "speech.wav", repeated_speech(round(args.seconds * SAMPLE_RATE)))
        sides = [side(name, args, speech, Path(folder) / f"{name}.mp4") for name in (BEFORE, NOW)]
        report(sides, args)


def load_before(commit: str, folder: Path) -> None:
    """Make the package of a commit importable as ``BEFORE``."""
    archive = subprocess.run(
        ["git", "archive", commit, NOW], cwd=ROOT, stdout=subprocess.PIPE, check=True
    ).stdout
    subprocess.run(["tar", "x", "-C", str(folder)], input=archive, check=True)
    (folder / NOW).rename(folder / BEFORE)
    sys.path.insert(0, str(folder))


def part_of(name: str, module: str) -> Any:
    """A module of one version."""
    return importlib.import_module(f"{name}.{module}")


def side(name: str, args: Any, speech: Path, out: Path) -> Side:
    """Load one version and encode its inputs."""
    pipe = part_of(name, "pipeline").ReadPipeline.from_pretrained(args.checkpoint, "cpu")
    if args.vae is not None:
        rounded = {"rounded": pipe.vae.rounded} if name == NOW else {}
        vae = part_of(name, "checkpoint").load_model("vae", args.vae)
        pipe.vae = part_of(name, "video").TemporalVAE(vae, pipe.defaults.decode, **rounded)
    if args.detail is not None:
        pipe.detail = part_of(name, "checkpoint").load_model("detail", args.detail)
        pipe.card = replace(pipe.card, face=part_of(name, "face.alignment").FaceLayout())
        if name == NOW:
            pipe.round_for_speed()
    portrait = read_image(PORTRAIT)
    settings = part_of(name, "records").SamplingSettings(args.steps)
    finishing = part_of(name, "finish").Finishing(
        None, False, args.output_size if args.detail is not None else None
    )
    reference = pipe.encode_reference(portrait)
    waveform = repeated_speech(round(args.seconds * SAMPLE_RATE))
    return Side(
        name,
        pipe,
        pipe.encode_speech(waveform, SAMPLE_RATE, max_window=pipe.defaults.window),
        reference,
        settings,
        pipe.finish(reference, portrait, finishing),
        part_of(name, "generate.job").Job(
            PORTRAIT, speech, out, settings, finishing=finishing, overwrite=True
        ),
    )


def report(sides: list[Side], args: Any) -> None:
    before, now = sides
    latents = before.pipe.sample(before.speech, before.reference, before.settings)
    count = before.speech.num_frames
    frames = before.pipe.decode(latents, count)
    pictures = finished(before, frames)

    def calls_of(of: Side) -> dict[str, Callable[[], object]]:
        return {
            "sampling": lambda: of.pipe.sample(of.speech, of.reference, of.settings),
            "decoding": lambda: of.pipe.decode(latents, count),
            "finishing": lambda: finished(of, frames),
            "writing": lambda: write(of, pictures),
            "from files to a file": lambda: of.part("generate.job").generate(of.pipe, of.job),
        }

    stages = [name for name in args.stages if name != "finishing" or before.finish.busy]
    calls = {f"{name}, {of.name}": calls_of(of)[name] for name in stages for of in sides}
    apart = {
        "sampling": lambda: psnr(frames, before.pipe.decode(calls[f"sampling, {NOW}"](), count)),
        "decoding": lambda: psnr(frames, now.pipe.decode(latents, count)),
        "finishing": lambda: psnr(pictures, finished(now, frames)),
    }
    times = interleaved(calls, args.repeats, torch.device("cpu"))
    assert times.processor is not None
    page = Page(f"Against commit {args.commit}")
    parts = [f"{label} {path.name}" for label, path in (("VAE", args.vae), ("detail", args.detail)) if path]
    page.say(
        f"{' with '.join([before.pipe.card.name, *parts])}, {count} frames = {count / FPS:.2f} s, "
        f"{pictures.shape[2]} x {pictures.shape[1]} pixels, {args.repeats} rounds, "
        f"{torch.get_num_threads()} thread(s). Seconds are those of the processor; in brackets the range."
    )
    rows = []
    for name in stages:
        old, new = f"{name}, {BEFORE}", f"{name}, {NOW}"
        rows.append(
            [
                name,
                milliseconds(times.processor.median(old)),
                milliseconds(times.processor.median(new)),
                times.processor.ratio(old, new),
                times.ratio(old, new),
                f"{apart[name]():.1f} dB" if name in apart else "-",
            ]
        )
    page.table(["stage", "before", "now", "times as fast", "by the clock", "frames differ by"], rows)
    page.save(args.out)


def finished(of: Side, frames: Tensor) -> Tensor:
    return torch.cat([pictures.clone() for pictures in of.finish(frames)])


def write(of: Side, pictures: Tensor) -> None:
    out = of.job.out.with_name(f"{of.name}-written.mp4")
    with of.part("media").VideoWriter(
        out, tuple(pictures.shape[1:3]), of.job.speech, overwrite=True
    ) as writer:
        for part in torch.split(pictures, 64):
            writer.write(part)


def psnr(one: Tensor, other: Tensor) -> float:
    return float(-10 * (one - other).square().mean().log10())


if __name__ == "__main__":
    guarded(main)
