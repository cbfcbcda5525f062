"""Fit the face finder again and replace read_core/face/finder.safetensors; see docs/face.md."""

from __future__ import annotations

import argparse
from pathlib import Path

from read_core.face.finder import WEIGHTS
from read_core.face.fit import FitSettings, fit_finder

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--faces", type=Path, required=True, help="images/, index.json, landmarks.npy")
    parser.add_argument("--backgrounds", type=Path, nargs="+", required=True, help="pictures without people")
    parser.add_argument("--out", type=Path, default=WEIGHTS)
    parser.add_argument("--steps", type=int, default=FitSettings.steps)
    args = parser.parse_args()
    loss = fit_finder(args.out, args.faces, args.backgrounds, FitSettings(steps=args.steps))
    print(f"{args.out}: written; mean loss of the last hundred steps {loss:.4f}")
