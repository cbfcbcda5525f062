"""The paper's experiments as suites of ``read-core evaluate``."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from ..errors import InputError
from ..terminal import print_warning

EXPERIMENTS = ("table1", "table2", "fig2", "table3", "fig3")


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments that only these suites have."""
    group = parser.add_argument_group(f"the paper's experiments: suites {', '.join(EXPERIMENTS)}")
    group.add_argument(
        "--reference",
        type=Path,
        metavar="FOLDER",
        help="real videos with sound, whose first frames and sounds make the generated ones; of footage from "
        "read-core prepare only people held out (default: drawn presenters of the test split)",
    )
    group.add_argument(
        "--weights",
        type=Path,
        metavar="FOLDER",
        help="the files of the feature networks, for FID, FVD, Sync and E-FID (docs/evaluation.md lists "
        "them); nothing is downloaded. Without it, only the other metrics are measured",
    )
    group.add_argument(
        "--methods",
        nargs="+",
        metavar="NAME=FOLDER",
        help="suite table1: other methods' videos, by the names of the real ones",
    )
    group.add_argument(
        "--variants",
        nargs="+",
        metavar="NAME=FOLDER",
        help="suite table2: checkpoints to compare; the same name again is another training of it",
    )
    group.add_argument(
        "--against",
        type=Path,
        nargs="+",
        metavar="FOLDER",
        help="suite fig2: a checkpoint trained with synchronous noise, or several trainings of it",
    )


def run(args: argparse.Namespace) -> int:
    """Run an experiment, print its tables and the paths of its files."""
    variants = _named(args.variants, "--variants")
    methods = _named(args.methods, "--methods")
    twice = [name for name, folders in methods.items() if len(folders) > 1]
    if twice:
        raise InputError(f"--methods has {twice[0]} twice; expected one folder for each name")
    import torch

    from ..device import best_device
    from .comparison import Tools
    from .suites.paper import EXPERIMENTS as ALL
    from .suites.paper import PaperInputs, run_paper

    size = ALL[args.suite].quick if args.quick else ALL[args.suite].size
    changes = {"count": args.count, "seeds": args.seeds, "steps": args.steps and tuple(args.steps)}
    size = replace(size, **{name: value for name, value in changes.items() if value is not None})
    inputs = PaperInputs(
        checkpoint=next(iter(variants.values()))[0] if variants else args.checkpoint[0],
        again=args.checkpoint[1:],
        against=args.against or (),
        variants=variants,
        methods={name: folders[0] for name, folders in methods.items()},
        reference=args.reference,
        faces=args.faces,
    )
    tools = Tools(args.weights, torch.device(args.device or best_device()), print_warning)
    report = run_paper(args.suite, inputs, size, tools, args.out, args.seed)
    print(report.text())
    files = [path.name for path in sorted(args.out.glob(f"{args.suite}*")) if path.is_file()]
    print(f"written to {args.out}: {', '.join(files)}")
    return 0


def _named(items: Sequence[str] | None, option: str) -> dict[str, list[Path]]:
    """NAME=FOLDER items as folders by name, in order.

    Raises:
        InputError: an item has another form.
    """
    found: dict[str, list[Path]] = {}
    for item in items or ():
        name, separator, folder = item.partition("=")
        if not (name and separator and folder):
            raise InputError(f"{option} has {item!r}; expected NAME=FOLDER")
        found.setdefault(name, []).append(Path(folder))
    return found
