"""Read the mouths in the videos of scripts/outside_frames.py with the face mesh of another package.

    python scripts/outside_read.py FOLDER

Run it in a separate environment with numpy and mediapipe 0.10.14 (its wheel contains the model); it needs
nothing of this project. For each NAME.npz it writes NAME.outside.npy: the distance of the inner lips divided
by that of the eyes, (F,), NaN if no face is found.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np

LIPS = 13, 14
EYES = (33, 133), (362, 263)  # corners


def gap(points: np.ndarray) -> float:
    """Distance of the inner lips divided by that of the eyes' centers, from (N, 2) points of a face mesh."""
    left, right = (points[list(corners)].mean(0) for corners in EYES)
    return float(np.linalg.norm(points[LIPS[0]] - points[LIPS[1]]) / np.linalg.norm(left - right))


def read_frames(frames: np.ndarray) -> np.ndarray:
    """The gap in (F, H, W, 3) uint8 frames, (F,)."""
    import mediapipe

    found = []
    height, width = frames.shape[1:3]
    face_mesh = mediapipe.solutions.face_mesh.FaceMesh
    with face_mesh(static_image_mode=True, max_num_faces=1, refine_landmarks=True) as mesh:
        for frame in frames:
            faces = mesh.process(np.ascontiguousarray(frame)).multi_face_landmarks
            points = [(p.x * width, p.y * height) for p in faces[0].landmark] if faces else None
            found.append(float("nan") if points is None else gap(np.array(points)))
    return np.array(found, np.float32)


def main(arguments: list[str] | None = None) -> int:
    """Read every video; return exit status 1 if there is none."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="of scripts/outside_frames.py")
    folder = parser.parse_args(arguments).folder
    videos = sorted(folder.glob("*.npz"))
    for video in videos:
        np.save(video.with_suffix(".outside.npy"), read_frames(np.load(video)["frames"]))
        print(video.stem)
    return 0 if videos else 1


if __name__ == "__main__":
    sys.exit(main())
