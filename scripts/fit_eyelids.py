"""Train the eyelid network, which closes the lids of a face in finished frames.

python scripts/fit_eyelids.py --faces FOLDER --out output/photo/eyelids/export
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import fields
from pathlib import Path

from read_core.eyelids.fit import FitSettings, fit_eyelids


def main(arguments: list[str] | None = None) -> int:
    """Train, and write the network as a part of a checkpoint; return 0."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--faces",
        type=Path,
        help="folder of portraits with their landmarks (default: drawn presenters alone)",
    )
    parser.add_argument("--out", type=Path, required=True, help="folder of the trained network")
    for field in fields(FitSettings):
        kind = type(field.default)
        parser.add_argument(f"--{field.name}", type=kind, default=field.default, help="default: %(default)s")
    args = parser.parse_args(arguments)
    settings = FitSettings(**{field.name: getattr(args, field.name) for field in fields(FitSettings)})
    fit_eyelids(args.faces, settings).save_pretrained(args.out)
    print(f"{args.out}: written")
    return 0


if __name__ == "__main__":
    sys.exit(main())
