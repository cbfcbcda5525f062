"""Fit face meshes to sixteen points and replace read_core/corpus/photo/mesh.safetensors; see docs/face.md."""

from __future__ import annotations

import argparse
from pathlib import Path

from read_core.corpus.photo.mesh import WEIGHTS, fit_mesh

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--faces", type=Path, required=True, help="images/, index.json, landmarks.npy")
    parser.add_argument("--out", type=Path, default=WEIGHTS)
    args = parser.parse_args()
    fit_mesh(args.faces, args.out)
    print(f"{args.out}: written")
