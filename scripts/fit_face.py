"""Fit the reader of faces again and replace read_core/mouth/face.safetensors.

python scripts/fit_face.py --faces FOLDER [--out FILE]
"""

from __future__ import annotations

import argparse
from pathlib import Path

from read_core.mouth.face_fit import FaceFitSettings, fit_face_reader
from read_core.mouth.face_reader import WEIGHTS

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--faces", type=Path, required=True, help="folder of portraits with their landmarks")
    parser.add_argument("--out", type=Path, default=WEIGHTS)
    args = parser.parse_args()
    loss = fit_face_reader(args.out, FaceFitSettings(faces=args.faces))
    print(f"{args.out}: written; mean loss of the last hundred steps {loss:.4f}")
