"""``read-core train``: run one training stage from its YAML file."""

from __future__ import annotations

import argparse
import json
from pathlib import Path


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``read-core train``."""
    parser.add_argument("config", type=Path, help="the stage's YAML file, e.g. configs/tiny/vae.yaml")
    parser.add_argument("--output", type=Path, help="folder for logs, state and export (default: the file's)")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="replace one value, e.g. --set loop.steps=100 (may be given several times)",
    )


def run(args: argparse.Namespace) -> int:
    """Run the stage and print its figures. A run that was stopped goes on where it left off."""
    import yaml

    from .config import ConfigError, load_config
    from .loop import train

    overrides = {}
    for item in args.set:
        key, separator, value = item.partition("=")
        if not separator:
            raise ConfigError(f"--set {item}: expected KEY=VALUE")
        try:
            overrides[key] = yaml.safe_load(value)
        except yaml.YAMLError as error:
            raise ConfigError(f"--set {item}: {value} is not YAML: {error}") from None
    if args.output is not None:
        overrides["output"] = str(args.output)
    call, config = load_config(args.config, overrides)
    figures = (
        call(config) if config.stage == "checkpoint" else train(call(config), config.loop, config.output)
    )
    if figures:  # of several processes the main one has them
        print(json.dumps(figures, indent=2))
    return 0
