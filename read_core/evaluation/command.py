"""``read-core evaluate``: figures of a checkpoint, its defaults, the paper's experiments, or any videos."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ..bundled import BUNDLED
from ..checks import check_seed, check_steps
from ..errors import InputError
from . import paper_command, videos_command

if TYPE_CHECKING:
    from ..pipeline import ReadPipeline
    from .tables.report import Report

_AT_LEAST = {
    "count": 1,
    "clips": 2,
    "independent": 1,
    "drift_clips": 1,
    "codec_clips": 1,
    "talks": 1,
    "seeds": 1,
    "workers": 1,
}
_SUITES = ("tiny", "select", "robust", "distill", *paper_command.EXPERIMENTS)
_SIZES = ("clips", "independent", "drift_clips", "codec_clips", "talks")  # of the suite tiny, and no other
_TAKEN_BY = {  # arguments that not all suites take
    **dict.fromkeys(_SIZES, ("tiny",)),
    "clips": ("tiny", "distill"),
    "seeds": ("tiny", "distill", *paper_command.EXPERIMENTS),
    "steps": ("select", "fig3"),
    "workers": ("tiny",),
    "photo": ("robust",),
    "faces": ("tiny", "select", "distill", *paper_command.EXPERIMENTS),
    "reference": paper_command.EXPERIMENTS,
    "weights": paper_command.EXPERIMENTS,
    "methods": ("table1",),
    "variants": ("table2",),
    "against": ("fig2",),
}


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``read-core evaluate`` and those of ``read-core evaluate videos``."""
    what = parser.add_subparsers(dest="what", metavar="[videos]", title="instead of a checkpoint")
    summary = "measure generated videos against real ones"
    videos_command.configure(what.add_parser("videos", help=summary, formatter_class=parser.formatter_class))
    parser.add_argument(
        "--suite",
        choices=_SUITES,
        default="tiny",
        help="tiny: all figures of the card, on the test split; robust: other recordings and portraits than "
        "the corpus's; select: rank guidances and steps for the checkpoint's defaults, on the validation "
        "split; distill: the checkpoint's student compared with its teacher; table1, table2, fig2, table3, "
        "fig3: the paper's experiments",
    )
    parser.add_argument(
        "--checkpoint",
        type=Path,
        nargs="+",
        default=[BUNDLED],
        metavar="FOLDER",
        help="folder of the checkpoint; suite fig2: of several trainings of it, too (default: read-tiny)",
    )
    parser.add_argument("--out", type=Path, default=Path("output/evaluation"), help="folder of the results")
    parser.add_argument("--quick", action="store_true", help="very few videos, to test that everything runs")
    parser.add_argument("--seed", type=int, default=0, help="seed of the noise")
    parser.add_argument("--device", help="cpu, cuda, mps (default: the best available)")
    parser.add_argument(
        "--workers",
        type=int,
        metavar="N",
        help="suite tiny, on a CPU: processes that generate and measure talks (default: 1)",
    )
    parser.add_argument(
        "--faces",
        type=Path,
        metavar="FOLDER",
        help="suites tiny, select, distill and the paper's: portraits (images/, index.json, landmarks.npy, "
        "perhaps labels.json); those of the split whose lips are closed are animated and measured",
    )
    parser.add_argument(
        "--photo", type=Path, help="suite robust: a picture to animate, show on the sheet and measure"
    )
    paper_command.configure(parser)
    sizes = parser.add_argument_group("sizes (default: the suite's)")
    sizes.add_argument("--count", type=int, help="videos, or recordings")
    sizes.add_argument("--clips", type=int, help="clips of each, at least 2")
    sizes.add_argument("--steps", type=int, nargs="+", help="suites select and fig3: numbers to compare")
    sizes.add_argument("--independent", type=int, help="videos that are also sampled clip by clip")
    sizes.add_argument("--drift-clips", type=int, help="clips of the long video")
    sizes.add_argument("--talks", type=int, help="drawn presenters, and photographs at most, that talk")
    sizes.add_argument("--seeds", type=int, help="videos of each talk, or sampling seeds")
    sizes.add_argument("--codec-clips", type=int, help="training clips for the linear codec")


def run(args: argparse.Namespace) -> int:
    """Run the suite, print its tables and the paths of its files."""
    if args.what == "videos":
        return videos_command.run(args)
    for name, least in _AT_LEAST.items():
        value = getattr(args, name)
        if value is not None and value < least:
            raise InputError(f"--{name.replace('_', '-')} is {value}; expected {least} or more")
    for steps in args.steps or ():
        check_steps(steps)
    check_seed(args.seed)
    _check_fit(args)
    import matplotlib.figure  # noqa: F401
    import scipy.stats  # noqa: F401 -- told now where it is missing, not after hours of sampling

    if args.suite in paper_command.EXPERIMENTS:
        return paper_command.run(args)
    from ..pipeline import ReadPipeline

    pipe = ReadPipeline.from_pretrained(args.checkpoint[0], args.device)
    suites = {"tiny": _measure, "select": _select, "robust": _robust, "distill": _distill}
    return suites[args.suite](args, pipe)


def _check_fit(args: argparse.Namespace) -> None:
    """Refuse arguments that the suite does not use."""
    foreign = [
        name
        for name, suites in _TAKEN_BY.items()
        if getattr(args, name) is not None and args.suite not in suites
    ]
    if foreign:
        names = ", ".join(f"--{name.replace('_', '-')}" for name in foreign)
        raise InputError(f"suite {args.suite} does not take {names}; leave it out or choose another suite")
    if len(args.checkpoint) > 1 and args.suite != "fig2":
        raise InputError(
            f"suite {args.suite} takes one --checkpoint, not {len(args.checkpoint)}; several trainings are "
            "for fig2, and for table2 by --variants"
        )


def _measure(args: argparse.Namespace, pipe: ReadPipeline) -> int:
    from .pictures.talk_sheets import PRIVATE, PUBLIC
    from .suites.talk_results import Workers
    from .suites.tiny import QUICK, SuiteSize, run_suite

    size = QUICK if args.quick else SuiteSize()
    given = {name: getattr(args, name) for name in ("count", "seeds", *_SIZES)}
    given = {name: value for name, value in given.items() if value is not None}
    talks, seeds = given.pop("talks", None), given.pop("seeds", None)
    speaking = size.speaking
    if talks is not None:
        speaking = replace(speaking, drawn=talks, faces=talks)
    if seeds is not None:
        speaking = replace(speaking, seeds=seeds)
    size = replace(size, speaking=speaking, **given)
    workers = args.workers or 1
    if workers > 1 and pipe.transformer.device.type != "cpu":
        raise InputError(
            f"--workers is {workers}; expected 1, since all would share one device; or --device cpu"
        )
    processes = Workers(workers, args.checkpoint[0]) if workers > 1 else None
    report = run_suite(pipe, size, args.out, args.seed, args.faces, processes)
    files = [
        "report.txt",
        "report.md",
        "report.csv",
        "report.json",
        "sheet.png",
        "mouths.png",
        "seams.png",
    ]
    files += [name for name in (PUBLIC, PRIVATE) if (args.out / name).exists()]
    return _print_report(report, args.out, ", ".join(files))


def _robust(args: argparse.Namespace, pipe: ReadPipeline) -> int:
    from .material.conditions import QUICK, RobustSize
    from .suites.robust import run_robust

    size = QUICK if args.quick else RobustSize()
    size = replace(size, count=args.count or size.count)
    report = run_robust(pipe, size, args.out, args.seed, args.photo)
    return _print_report(report, args.out, "robust.txt, robust.md, robust.csv, robust.json, robust.png")


def _distill(args: argparse.Namespace, pipe: ReadPipeline) -> int:
    from .suites.distill import QUICK, DistillSize, run_distill

    size = QUICK if args.quick else DistillSize()
    given = {name: getattr(args, name) for name in ("count", "clips", "seeds")}
    size = replace(size, **{name: value for name, value in given.items() if value is not None})
    report = run_distill(pipe, size, args.out, args.seed, args.faces)
    return _print_report(report, args.out, "distill.txt, distill.md, distill.csv, distill.json")


def _print_report(report: Report, out: Path, files: str) -> int:
    print(report.text())
    print(f"written to {out}: {files}")
    return 0


def _select(args: argparse.Namespace, pipe: ReadPipeline) -> int:
    from .suites.select import SelectSize, run_select
    from .tables.report import make_folder

    make_folder(args.out)
    size = SelectSize(count=1, steps=(4, 8), base_steps=4) if args.quick else SelectSize()
    if args.count:
        size = replace(size, count=args.count)
    if args.steps:
        size = replace(size, steps=tuple(args.steps))
    guidance, steps, report = run_select(pipe, size, args.seed, faces=args.faces)
    report.write(args.out, "select")
    print(report.text())
    print(f"best: guidance {guidance.to_dict()}, steps {steps}; written to {args.out}")
    return 0
