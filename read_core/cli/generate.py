"""``read-core generate``: make a video from a portrait and a recording."""

from __future__ import annotations

import argparse
import shutil
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from ..bundled import BUNDLED
from ..errors import once
from ..geometry import FPS, PIXELS_PER_LATENT
from ..limits import (
    ALPHA,
    ATTENTION_HELP,
    BETA,
    DTYPES,
    FITS,
    GUIDANCE_END,
    ORDERS,
    OUTPUT_SIZE,
    PASTED_SIDE,
    PORTRAIT_SIDE,
    SEED,
    SIZE,
    STEPS,
    WINDOW,
)
from ..terminal import print_warning
from ..usage import gigabytes

if TYPE_CHECKING:
    import torch
    from torch import Tensor
    from tqdm import tqdm

    from ..generate.contact_sheet import ContactSheet
    from ..generate.job import Estimate, Report

LOG_SECONDS = 30  # between two progress lines in a log file
_OURS = "(default: the checkpoint's)"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``read-core generate``."""
    files = parser.add_argument_group("files")
    files.add_argument(
        "--portrait",
        type=Path,
        required=True,
        help="an image of any format, or a video (its first frame is used)",
    )
    files.add_argument(
        "--speech", type=Path, required=True, help="an audio file of any format, or a video with sound"
    )
    files.add_argument(
        "--track",
        type=int,
        metavar="N",
        help="number of the audio track, from 1 (default: the track flagged as default, else the first)",
    )
    files.add_argument("--out", type=Path, required=True, help="the video to write, *.mp4")
    files.add_argument("--sheet", type=Path, help="also write a contact sheet with the mouth track, *.png")
    files.add_argument("--overwrite", action="store_true", help="replace existing files (default: refuse)")
    files.add_argument(
        "--runtime",
        action="store_true",
        help="also measure the seconds of the network and write them next to the video, *.runtime.json, for "
        "read-core evaluate videos",
    )
    files.add_argument(
        "--checkpoint",
        type=Path,
        default=BUNDLED,
        help="folder of the checkpoint (default: the bundled read-tiny)",
    )
    sampling = parser.add_argument_group("sampling")
    sampling.add_argument("--steps", type=int, help=f"steps per clip, {STEPS} {_OURS}")
    sampling.add_argument(
        "--guidance",
        choices=("split", "joint", "none", "distilled"),
        help="classifier-free guidance: 3, 2 or 1 evaluations per step; distilled: 1 evaluation, in fewer "
        f"steps, by the checkpoint's student if it has one {_OURS}",
    )
    sampling.add_argument(
        "--alpha",
        type=float,
        help=f"guidance scale, {ALPHA}, of all kinds but none; may be negative {_OURS}",
    )
    sampling.add_argument(
        "--beta", type=float, help=f"speech scale of split and distilled guidance, {BETA} {_OURS}"
    )
    sampling.add_argument(
        "--guidance-end",
        type=float,
        help=f"share of the way from noise to video that is guided, {GUIDANCE_END}; later steps take 1 "
        f"evaluation; 1: all steps are guided {_OURS}",
    )
    sampling.add_argument("--window", type=int, help=f"latents per clip of 8 frames each, {WINDOW} {_OURS}")
    sampling.add_argument("--seed", type=int, default=0, help=f"{SEED}; the same seed, the same video")
    sampling.add_argument(
        "--order",
        choices=ORDERS,
        default=ORDERS[0],
        help="clips: write each clip when it is finished, in constant memory; the others sample everything "
        "first and give the same video",
    )
    picture = parser.add_argument_group("picture")
    picture.add_argument(
        "--size",
        type=_size,
        metavar="WIDTHxHEIGHT",
        help="size at which the model works (with --fit face, of the face only): multiples of "
        f"{PIXELS_PER_LATENT}, {SIZE}; 256 means 256x256 {_OURS}",
    )
    picture.add_argument(
        "--fit",
        choices=FITS,
        help="face: find the face, turn it upright and crop it; the others bring the whole portrait to the "
        f"shape: crop its middle, pad it with its border, or stretch it {_OURS}",
    )
    picture.add_argument(
        "--face-index", type=int, default=0, help="number of the face that speaks; 0 is the largest"
    )
    picture.add_argument(
        "--face",
        type=_face,
        metavar="X,Y,SIZE",
        help="center and side of the square to cut, as fractions of the portrait's width "
        "(default: the face is found)",
    )
    picture.add_argument(
        "--detail",
        action=argparse.BooleanOptionalAction,
        help="add the portrait's detail: sharp and larger (default: with --fit face, if the checkpoint was "
        "trained on aligned faces)",
    )
    picture.add_argument(
        "--blinks",
        action=argparse.BooleanOptionalAction,
        help="close the eyelids now and then (default: with --fit face, if the checkpoint has an eyelid "
        "network)",
    )
    picture.add_argument(
        "--head-motion",
        action=argparse.BooleanOptionalAction,
        help="move the head a little (default: with --fit face, if the checkpoint's own heads keep still)",
    )
    where = picture.add_mutually_exclusive_group()
    where.add_argument(
        "--paste-back",
        action="store_true",
        default=None,
        help="paste the speaking face back into the whole portrait (default: with --fit face)",
    )
    where.add_argument(
        "--crop-only",
        dest="paste_back",
        action="store_false",
        help="write only what the model sees (default: with any other fit)",
    )
    picture.add_argument(
        "--output-size",
        type=int,
        metavar="PIXELS",
        help=f"longest side of the video, {OUTPUT_SIZE}; width and height are even; a smaller picture "
        f"that the face is pasted into keeps its size (default: the portrait's, at most {PASTED_SIDE}; "
        f"with --crop-only the crop's, at most {PORTRAIT_SIDE}; without --detail the model's)",
    )
    machine = parser.add_argument_group("machine")
    machine.add_argument("--device", help="cpu, cuda, cuda:1, mps (default: the best available)")
    machine.add_argument(
        "--dtype",
        choices=DTYPES,
        help="type of the models (default: the checkpoint's; on a CPU float32, or bfloat16 where fast)",
    )
    machine.add_argument(
        "--compile",
        action="store_true",
        help="compile A2V-DiT when it first runs, which takes minutes on a CPU: for long videos",
    )
    machine.add_argument("--attention", metavar="NAME", help=ATTENTION_HELP)
    machine.add_argument(
        "--parallel",
        choices=("clips", "clip"),
        default="clips",
        help="with several processes of torchrun: each samples other clips, for long recordings; or all "
        "share every clip, for the first frames sooner (default: clips)",
    )


def run(args: argparse.Namespace) -> int:
    """Validate the job, load the checkpoint, generate, and print time and memory."""
    from ..finish import Finishing
    from ..generate.guidance import choose_guidance
    from ..generate.job import Job, check_job, generate
    from ..media import check_output
    from ..records import FaceChoice, SamplingSettings

    job = Job(
        portrait=args.portrait,
        speech=args.speech,
        out=args.out,
        settings=SamplingSettings(
            args.steps, None, args.window, args.seed, args.order, guidance_end=args.guidance_end
        ),
        size=args.size,
        fit=args.fit,
        face=FaceChoice(args.face_index, *(args.face or ())),
        finishing=Finishing(
            args.detail, args.paste_back, args.output_size, args.blinks, head_motion=args.head_motion
        ),
        overwrite=args.overwrite,
        track=args.track,
        runtime=args.runtime,
    )
    check_job(job)
    if args.sheet is not None:
        check_output(args.sheet, ".png", args.overwrite, (args.portrait, args.speech))
    from ..checkpoint import describe
    from ..compiler import compile_transformer
    from ..device import checked_device
    from ..errors import InputError
    from ..generate.ranks import assist, leave_together, start_ring
    from ..pipeline import ReadPipeline
    from ..transformer.backends import set_attention
    from ..transformer.sharing import share_clips

    device = checked_device(args.device)
    defaults = describe(args.checkpoint).defaults
    default = defaults.guidance if args.guidance is None else defaults.guidance_of(args.guidance)
    guidance = choose_guidance(default, args.guidance, args.alpha, args.beta)
    job = replace(job, settings=replace(job.settings, guidance=guidance))
    ring, device = start_ring(device)
    shared = args.parallel == "clip"
    if shared and (ring is None or args.compile):
        trouble = (
            "needs several processes; start them with torchrun" if ring is None else "excludes --compile"
        )
        raise InputError(f"--parallel clip {trouble}")
    pipe = ReadPipeline.from_pretrained(args.checkpoint, device, _dtype(args.dtype))
    if args.attention is not None:
        set_attention(pipe.transformer, args.attention, pipe.prompt.mask)
    if shared:
        share_clips(pipe.transformer, job.settings.resolved(defaults).window)
    else:
        pipe.ring = ring
    if args.compile:
        compile_transformer(pipe)
    if ring is not None and ring.rank:
        assist(pipe, job, leave_together if shared else None)
        return 0
    with _Display(args.sheet is not None, args.order == "clips" and pipe.ring is None) as display:

        def stepped(done: int, total: int) -> None:
            if shared:
                leave_together(done, total)
            display.stepped(done, total)

        report = generate(
            pipe,
            job,
            on_estimate=display.estimated,
            on_step=stepped,
            on_frames=display.shown,
            on_window=display.encoded,
            on_time=display.timed,
            on_warning=display.warned,
        )
    if display.sheet is not None:
        display.sheet.save(args.sheet, args.speech, args.overwrite, args.track)
    _print_report(report)
    return 0


class _Display:
    """The estimate, a progress bar with the time left, and the frames for the contact sheet."""

    def __init__(self, with_sheet: bool, clip_by_clip: bool = True) -> None:
        self.with_sheet = with_sheet
        self.clip_by_clip = clip_by_clip
        self.sheet: ContactSheet | None = None
        self.bar: tqdm[NoReturn] | None = None
        self.steps = 1
        self.warned = once(print_warning)

    def __enter__(self) -> _Display:
        print("encoding the recording ...", flush=True)
        return self

    def __exit__(self, *_: object) -> None:
        if self.bar is not None:
            self.bar.close()

    def encoded(self, done: int, total: int) -> None:
        """Show a bar only if encoding takes long; remove it before the estimate."""
        if self.bar is None:
            self.bar = _bar(total, "window", desc="encoding speech", delay=5, leave=False)
        self.bar.update(done - self.bar.n)
        if done == total:
            self.bar.close()
            self.bar = None

    def estimated(self, estimate: Estimate) -> None:
        height, width = estimate.size
        print(
            f"{_count(estimate.num_frames, 'frame')} ({estimate.num_frames / FPS:.2f} s) of "
            f"{width} x {height} pixels: {_count(estimate.clips, 'clip')} of {estimate.window} latents, "
            f"{_count(estimate.steps, 'step')} each"
        )
        where = "memory" if estimate.device == "cpu" else "GPU memory"
        print(f"estimate: {gigabytes(estimate.memory)} of {where} for the models and the work", flush=True)
        self.steps = estimate.steps
        if self.with_sheet:
            from ..generate.contact_sheet import ContactSheet

            self.sheet = ContactSheet(estimate.num_frames, self.warned)

    def timed(self, seconds: float) -> None:
        """Print above the bar if it is already shown."""
        from tqdm import tqdm

        tqdm.write(f"estimate: sampling takes about {_clock(seconds)}, without decoding", sys.stdout)

    def stepped(self, done: int, total: int) -> None:
        if self.bar is None:
            self.bar = _bar(total, "step")
        if done == total:
            self.bar.set_description("decoding", refresh=False)
        elif self.clip_by_clip:
            self.bar.set_description(f"clip {done // self.steps + 1}/{total // self.steps}", refresh=False)
        self.bar.update(done - self.bar.n)

    def shown(self, frames: Tensor) -> None:
        if self.sheet is not None:
            self.sheet.add(frames)


def _bar(total: int, unit: str, **options: Any) -> tqdm[NoReturn]:
    """A progress bar with an explicit size, since some terminals report none; few updates in a log."""
    from tqdm import tqdm

    columns, lines = shutil.get_terminal_size()
    pause = 0.1 if sys.stderr.isatty() else LOG_SECONDS
    return tqdm(total=total, unit=unit, ncols=columns, nrows=lines, mininterval=pause, **options)


def _print_report(report: Report) -> None:
    print(f"{report.path}: {report.duration:.2f} s of video, {_count(report.num_frames, 'frame')}")
    print(f"time: {report.seconds:.2f} s, without loading the checkpoint")
    if report.backbone_seconds is not None:
        print(f"network: {report.backbone_seconds:.2f} s of it")
    print(f"real-time factor: {report.real_time_factor:.2f} (seconds taken per second of video)")
    print(f"peak: {_memory(report.memory, report.device_memory)}")


def _memory(host: int | None, device: int | None) -> str:
    words = [f"{gigabytes(host)} of memory"] if host is not None else []
    words += [f"{gigabytes(device)} of GPU memory"] if device is not None else []
    return ", ".join(words) or "memory unknown on this system"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _clock(seconds: float) -> str:
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02d} min"


def _size(text: str) -> tuple[int, int]:
    """ "512" or "WIDTHxHEIGHT" -> (height, width)."""
    numbers = text.lower().replace("×", "x").split("x")
    if len(numbers) > 2 or not all(number.isdecimal() for number in numbers):
        raise argparse.ArgumentTypeError(f"{text!r} is no size; expected 256 or 256x320 (width x height)")
    return int(numbers[-1]), int(numbers[0])


def _face(text: str) -> tuple[float, float, float]:
    """ "X,Y,SIZE" -> three numbers, the size above 0."""
    try:
        x, y, size = map(float, text.split(","))
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no place; expected X,Y,SIZE") from error
    if size <= 0:
        raise argparse.ArgumentTypeError(f"the face's size is {size:g}; expected more than 0")
    return x, y, size


def _dtype(name: str | None) -> torch.dtype | None:
    import torch

    return None if name is None else {n: getattr(torch, n) for n in DTYPES}[name]
