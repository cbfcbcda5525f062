"""``read-core train``: run one training stage from its YAML file."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``read-core train``."""
    parser.add_argument("config", type=Path, help="the stage's YAML file, e.g. configs/tiny/vae.yaml")
    parser.add_argument("--output", type=Path, help="folder for logs, state and export (default: the file's)")
    parser.add_argument(
        "--dry-run",
        action="store_true",
        help="only print memory of state and activations, time of a step, what options save (stage a2v)",
    )
    add_set(parser, "loop.steps=100")


def add_set(parser: argparse.ArgumentParser, example: str) -> None:
    """Add ``--set``, which :func:`overrides` reads."""
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help=f"replace one value, e.g. --set {example} (may be given several times)",
    )


def overrides(args: argparse.Namespace) -> dict[str, Any]:
    """The values of ``--set`` and ``--output``, by dotted key.

    Raises:
        ConfigError: a ``--set`` has no key, or its value is not YAML.
    """
    import yaml

    from .config import ConfigError

    replaced = {}
    for item in args.set:
        key, separator, value = item.partition("=")
        if not separator:
            raise ConfigError(f"--set {item}: expected KEY=VALUE")
        try:
            replaced[key] = yaml.safe_load(value)
        except yaml.YAMLError as error:
            raise ConfigError(f"--set {item}: {value} is not YAML: {error}") from None
    if args.output is not None:
        replaced["output"] = str(args.output)
    return replaced


def run(args: argparse.Namespace) -> int:
    """Run the stage, resuming a stopped run, and print its figures."""
    from .loop import train
    from .registry import load_config

    make_stage, config = load_config(args.config, overrides(args))
    if args.dry_run:
        from .dry_run import report

        print(*report(config), sep="\n")
        return 0
    figures = train(make_stage(config), config.loop, config.output)
    if figures:  # only the main process has figures
        print(json.dumps(figures, indent=2))
    return 0
