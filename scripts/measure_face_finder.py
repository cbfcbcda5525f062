"""Print the face finder's figures on held-out faces and backgrounds; docs/face.md has the command."""

from __future__ import annotations

import argparse
from pathlib import Path

from read_core.evaluation.tables.faces import add_finds, add_thresholds
from read_core.evaluation.tables.report import Report
from read_core.face.finder import THRESHOLD, WEIGHTS, load_finder
from read_core.face.measure import (
    best_scores_without_face,
    find_in_scenes,
    held_out_scenes,
    public_errors,
    seconds_per_picture,
)
from read_core.media.images import read_image

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--faces", type=Path, required=True, help="images/, index.json, landmarks.npy")
    parser.add_argument("--backgrounds", type=Path, nargs="+", required=True, help="pictures without people")
    parser.add_argument("--split", choices=("validation", "test"), default="test")
    parser.add_argument("--drawn", action="store_true", help="drawn presenters instead of photographs")
    parser.add_argument("--spoiled", action="store_true", help="noise, blur, JPEG, hidden faces")
    parser.add_argument("--spoilt", dest="spoiled", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--count", type=int, default=1000, help="pictures with a face, and as many without")
    parser.add_argument("--photographs", type=Path, nargs="*", default=[], help="of measure.PUBLIC")
    parser.add_argument("--weights", type=Path, default=WEIGHTS)
    parser.add_argument("--threshold", type=float, default=THRESHOLD)
    args = parser.parse_args()

    finder = load_finder(args.weights)
    maker = held_out_scenes(args.faces, args.backgrounds, args.split, args.drawn, args.spoiled)
    finds = find_in_scenes(maker, args.count, finder)
    empty = best_scores_without_face(maker, args.count, finder)
    report = Report("The face finder", {"split": args.split, "weights": str(args.weights)})
    if args.split == "validation":
        add_thresholds(report, finds, empty)
    add_finds(report, finds, empty, args.threshold)
    print(report.markdown())
    for path in args.photographs:
        count, errors = public_errors(path, finder)
        shares = ", ".join(f"{100 * error:.1f} %" for error in errors.tolist())
        took = 1000 * seconds_per_picture(read_image(path), finder)
        print(f"{path.name}: {count} found; eyes and mouth off by {shares}; {took:.1f} ms on one core")
