"""Average a part before and after a further round of training, weight by weight.

    python scripts/average_weights.py BEFORE AFTER --share 0.75 --out FOLDER

``BEFORE`` and ``AFTER`` are exports of one model, such as ``output/photo/a2v/export``. ``--share`` is the
share of ``AFTER``. Parts in subfolders, such as a SpeechAE, are averaged too. Other files are those of
``AFTER``.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from safetensors.torch import load_file, save_file

from read_core.media.files import written_whole

if TYPE_CHECKING:
    from torch import Tensor


def average(before: dict[str, Tensor], after: dict[str, Tensor], share: float) -> dict[str, Tensor]:
    """Mean of the weights of two states in float32, with ``share``, 0..1, of ``after``.

    Raises:
        ValueError: the states differ in the names or shapes of their weights.
    """
    shapes = [{name: tuple(weight.shape) for name, weight in state.items()} for state in (before, after)]
    if shapes[0] != shapes[1]:
        name = min(dict(shapes[0].items() ^ shapes[1].items()))
        missing = "no such weight"
        raise ValueError(
            f"{name}: {shapes[0].get(name, missing)} before and {shapes[1].get(name, missing)} after; "
            "expected two rounds of one model"
        )
    return {name: before[name].float().lerp(after[name].float(), share) for name in after}


def average_folders(before: Path, after: Path, share: float, out: Path) -> None:
    """Write the mean of all safetensors files in two folders, with the other files of ``after``.

    Raises:
        FileNotFoundError: a folder has no safetensors file, or ``before`` lacks one of ``after``.
        ValueError: two files differ in the names or shapes of their weights.
    """
    files = sorted(path.relative_to(after) for path in after.rglob("*") if path.is_file())
    weights = [path for path in files if path.suffix == ".safetensors"]
    if not weights:
        raise FileNotFoundError(f"{after}: has no .safetensors file; expected the export of a training")
    means = {}
    for path in weights:
        if not (before / path).is_file():
            raise FileNotFoundError(f"{before / path}: does not exist; expected the parts of {after}")
        try:
            means[path] = average(load_file(before / path), load_file(after / path), share)
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from error
    for path in files:
        (out / path).parent.mkdir(parents=True, exist_ok=True)
        with written_whole(out / path) as temporary:
            if path in means:
                save_file(means[path], temporary, {"format": "pt"})
            else:
                shutil.copyfile(after / path, temporary)


def main(arguments: list[str] | None = None) -> int:
    """Average two folders; return 0, or 2 if they do not fit."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("before", type=Path, help="folder of the earlier round")
    parser.add_argument("after", type=Path, help="folder of the later round")
    parser.add_argument("--share", type=float, required=True, help="of the later round, 0 to 1")
    parser.add_argument("--out", type=Path, required=True, help="folder of the mean")
    args = parser.parse_args(arguments)
    if not 0 <= args.share <= 1:
        parser.error(f"--share is {args.share}; expected 0 to 1")
    try:
        average_folders(args.before, args.after, args.share, args.out)
    except (FileNotFoundError, ValueError) as error:
        parser.error(str(error))
    print(f"{args.out}: written")
    return 0


if __name__ == "__main__":
    sys.exit(main())
