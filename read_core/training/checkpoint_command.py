"""``read-core checkpoint``: assemble a checkpoint folder from finished parts."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from .command import add_set, overrides


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``read-core checkpoint``."""
    parser.add_argument("config", type=Path, help="the YAML file, e.g. configs/tiny/checkpoint.yaml")
    parser.add_argument("--output", type=Path, help="the checkpoint's folder (default: the file's)")
    add_set(parser, "overwrite=true")


def run(args: argparse.Namespace) -> int:
    """Write the checkpoint and print the sizes of its parts."""
    from .assemble import assemble, load_checkpoint_config

    figures = assemble(load_checkpoint_config(args.config, overrides(args)))
    print(json.dumps(figures, indent=2))
    return 0
