"""``read-core corpus``: draw a corpus of synthetic videos, optionally with previews."""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from ..errors import InputError
from ..geometry import FPS, SAMPLE_RATE
from ..terminal import print_message
from .build import AnyScene, build_corpus
from .photo.found import find_portraits
from .photo.scene import PHOTO_LAYOUT, PhotoScene
from .photo.stills import LANDMARKS
from .scene import Scene
from .speech.sentences import SPLITS
from .speech.synthesis import SYNTHESIZERS


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``read-core corpus``."""
    parser.add_argument(
        "--out", type=Path, required=True, help="folder of the corpus; each split is a folder in it"
    )
    parser.add_argument(
        "--split", choices=SPLITS, default="train", help="split of the faces, sentences and voices"
    )
    parser.add_argument(
        "--count", type=int, default=1000, help="total number of videos; existing ones are kept"
    )
    parser.add_argument(
        "--seconds", type=float, default=6.44, help="seconds of each video, cut to whole latents of 8 frames"
    )
    parser.add_argument(
        "--size", type=int, default=128, metavar="PIXELS", help="height and width, a multiple of 32"
    )
    parser.add_argument(
        "--synthesizer",
        choices=SYNTHESIZERS,
        default="espeak",
        help="speech synthesizer: espeak speaks English, festival nine languages with recorded voices; flite "
        "is held out for evaluation; babble is for tests and needs no installation",
    )
    parser.add_argument(
        "--synthesiser",
        dest="synthesizer",
        choices=SYNTHESIZERS,
        default=argparse.SUPPRESS,
        help=argparse.SUPPRESS,
    )  # the earlier name
    parser.add_argument(
        "--seed", type=int, default=0, help="seed of the first video; the others follow in steps of 1"
    )
    parser.add_argument("--workers", type=int, default=1, help="processes to use")
    parser.add_argument(
        "--framing",
        type=float,
        default=0.0,
        metavar="SHARE",
        help="share of the videos, 0 to 1, with a moved and resized head; in the others the head fills the "
        "picture",
    )
    parser.add_argument(
        "--faces",
        type=Path,
        metavar="FOLDER",
        help="animate the still portraits of this folder instead of drawing presenters",
    )
    parser.add_argument(
        "--find",
        action="store_true",
        help="with --faces: any pictures; the face finder finds landmarks that are missing",
    )
    parser.add_argument(
        "--layout",
        type=_layout,
        metavar="DISTANCE,EYES,MOUTH",
        help="align faces to this eye distance and these heights of eyes and mouth, as shares of the side "
        "(default: 0.28,0.36,0.66 for portraits; no alignment for presenters)",
    )
    parser.add_argument(
        "--preview", type=int, default=0, metavar="N", help="also write the first N videos as MP4 files"
    )


def run(args: argparse.Namespace) -> int:
    """Draw the missing videos, write previews if requested, and print the number and size of the videos."""
    if args.preview < 0:
        raise InputError(f"preview is {args.preview}; expected 0 or more")
    files = build_corpus(args.out, _first_scene(args), args.count, args.workers)
    for file in files[: args.preview]:
        print(write_preview(file))
    size = sum(file.stat().st_size for file in files) / 1e6
    print(f"{files[0].parent}: {len(files)} videos, {size:.0f} MB")
    return 0


def _first_scene(args: argparse.Namespace) -> AnyScene:
    if args.faces is None:
        if args.find:
            raise InputError("--find looks for faces in a folder of portraits; give the folder with --faces")
        return Scene(
            args.seed, args.split, args.seconds, args.size, args.synthesizer, args.framing, args.layout
        )
    if args.framing:
        raise InputError("--framing moves drawn presenters; leave it out with --faces")
    layout = args.layout or PHOTO_LAYOUT
    faces = _found(args) if args.find else args.faces
    return PhotoScene(args.seed, args.split, args.seconds, args.size, faces, args.synthesizer, layout)


def _found(args: argparse.Namespace) -> Path:
    """The folder with the landmarks: the user's own, or one in the corpus with what the finder found."""
    faces: Path = args.faces
    if (faces / LANDMARKS).exists():
        return faces
    out: Path = args.out / "faces"
    print_message(f"{faces}: {find_portraits(faces, out, args.size).text()}")
    return out


def _layout(text: str) -> tuple[float, float, float]:
    try:
        distance, eyes, mouth = (float(part) for part in text.split(","))
    except ValueError as error:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no layout; expected three numbers, for example 0.28,0.36,0.66"
        ) from error
    if not (0.05 <= distance <= 0.6 and 0 < eyes < mouth < 1):
        raise argparse.ArgumentTypeError(
            f"{text!r} puts the face outside the picture; expected for example 0.28,0.36,0.66"
        )
    return distance, eyes, mouth


def write_preview(file: Path) -> Path:
    """Write a video of the corpus with its sound as ``preview/<name>.mp4`` in its folder; return the path."""
    from ..media.audio import waveform_track
    from ..media.video import VideoWriter
    from .video_file import ClipFile

    clip = ClipFile(file)
    frames, _ = clip.read()
    target = file.parent / "preview" / f"{file.stem}.mp4"
    target.parent.mkdir(exist_ok=True)
    track = waveform_track(clip.waveform(), SAMPLE_RATE)
    with VideoWriter(target, (frames.shape[1], frames.shape[2]), track, overwrite=True) as video:
        for part in torch.split(frames, 2 * FPS):
            video.write(part.float() / 255)
    return target
