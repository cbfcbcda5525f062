"""Fit the face finder again and replace read_core/face/finder.safetensors; see docs/face.md."""

from __future__ import annotations

import argparse
from pathlib import Path

from read_core.face.finder import WEIGHTS
from read_core.face.fit import FitSettings, fit_finder
from read_core.face.fit_points import PointSettings, fit_points

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--faces", type=Path, required=True, help="images/, index.json, landmarks.npy")
    parser.add_argument("--backgrounds", type=Path, nargs="+", required=True, help="pictures without people")
    parser.add_argument("--out", type=Path, default=WEIGHTS)
    parser.add_argument("--steps", type=int, default=FitSettings.steps)
    parser.add_argument("--point-steps", type=int, default=PointSettings.steps)
    parser.add_argument("--points-only", action="store_true", help="keep search and reader of --out")
    args = parser.parse_args()
    if not args.points_only:
        loss = fit_finder(args.out, args.faces, args.backgrounds, FitSettings(steps=args.steps))
        print(f"{args.out}: written; mean loss of the last hundred steps {loss:.4f}")
    loss = fit_points(args.out, args.faces, PointSettings(steps=args.point_steps))
    print(f"{args.out}: points fitted; mean loss of the last hundred steps {loss:.4f}")
