"""Compare the bits of two revisions: latents and frames, on this machine, under several settings.

    python scripts/compare_bits.py main HEAD
    python scripts/compare_bits.py v0.1.0 . --portrait me.jpg --speech talk.wav --seconds 20

Each revision runs in a separate process, in a git worktree that is removed afterwards. A folder means the
checkout in it, with uncommitted changes. The results are compared by hashes. Exit status: 0 all are equal, 1
some differ.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

ROOT = Path(__file__).resolve().parents[1]
SETTINGS: dict[str, dict[str, Any]] = {
    "defaults": {},
    "3 steps, seed 7": {"steps": 3, "seed": 7},
    "split guidance": {"guidance": "split", "steps": 3},
    "no guidance, window 9": {"guidance": "none", "window": 9, "steps": 3},
    "order steps": {"order": "steps", "steps": 3},
    "order wavefront": {"order": "wavefront", "steps": 3},
}


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("revisions", nargs="*", metavar="REVISION", help="two revisions, or folders")
    parser.add_argument("--portrait", type=Path, default=ROOT / "assets" / "portrait.png")
    parser.add_argument("--speech", type=Path, default=ROOT / "assets" / "speech.flac")
    parser.add_argument("--seconds", type=float, default=6.0, help="of the recording (default: 6)")
    parser.add_argument("--checkpoint", type=Path, help="folder (default: each revision's bundled one)")
    parser.add_argument("--hash", action="store_true", help=argparse.SUPPRESS)  # inside a revision
    args = parser.parse_args()
    if args.hash:
        print(json.dumps(hashes(args)))
        return 0
    if len(args.revisions) != 2:
        parser.error(f"{len(args.revisions)} revisions are named; expected two")
    with tempfile.TemporaryDirectory() as folder:
        found = []
        for number, revision in enumerate(args.revisions):
            with checkout(revision, Path(folder) / str(number)) as tree:
                print(f"{revision} runs ...", file=sys.stderr, flush=True)
                found.append(hashes_of(tree, args))
    return compared(args.revisions, *found)


@contextmanager
def checkout(revision: str, folder: Path) -> Iterator[Path]:
    """A folder with a revision; a revision that is a folder is used directly."""
    if Path(revision).is_dir():
        yield Path(revision).resolve()
        return
    git = ["git", "-C", str(ROOT), "worktree"]
    subprocess.run([*git, "add", "--quiet", "--detach", str(folder), revision], check=True)
    try:
        yield folder
    finally:
        subprocess.run([*git, "remove", "--force", str(folder)], check=True)


def hashes_of(tree: Path, args: argparse.Namespace) -> dict[str, str]:
    """:func:`hashes` of the code in ``tree``, in a separate process."""
    given = ["--portrait", args.portrait.resolve(), "--speech", args.speech.resolve()]
    given += ["--seconds", args.seconds]
    given += [] if args.checkpoint is None else ["--checkpoint", args.checkpoint.resolve()]
    done = subprocess.run(
        [sys.executable, __file__, "--hash", *map(str, given)],
        cwd=tree,
        env={**os.environ, "PYTHONPATH": str(tree)},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    found: dict[str, str] = json.loads(done.stdout.splitlines()[-1])
    return found


def hashes(args: argparse.Namespace) -> dict[str, str]:
    """Hashes of the results of the current folder's ``read_core``, by name."""
    import torch

    import read_core
    from read_core.finish import Finishing
    from read_core.geometry import SAMPLE_RATE
    from read_core.media import read_audio, read_image
    from read_core.pipeline import ReadPipeline

    package = Path(read_core.__file__).resolve().parent
    if package.parent != Path.cwd().resolve():
        sys.exit(f"read_core comes from {package}, not from {Path.cwd()}")
    checkpoint = args.checkpoint or package / "checkpoints" / "read-tiny"
    pipe = ReadPipeline.from_pretrained(checkpoint, "cuda" if torch.cuda.is_available() else "cpu")
    portrait = read_image(args.portrait)
    waveform = read_audio(args.speech)[: round(args.seconds * SAMPLE_RATE)]
    speech, reference = pipe.encode_speech(waveform, SAMPLE_RATE), pipe.encode_reference(portrait)
    found = {"speech codes": digest(speech.codes), "reference": digest(reference.latent)}
    for name, chosen in SETTINGS.items():
        given = arguments(pipe, chosen)
        latents = pipe.sample(speech, reference, **given)
        frames = pipe.decode(latents, speech.num_frames, chosen.get("seed", 0))
        found |= {f"{name}: latents": digest(latents), f"{name}: frames": digest(frames)}
        if not chosen:
            found["streamed frames"] = digest(torch.cat(list(pipe.stream(speech, reference, **given))))
            finish = pipe.finish(reference, portrait, Finishing(paste_back=True, size=512))
            found["pasted pictures"] = digest(torch.cat(list(finish(frames[:50]))))
    return found


def arguments(pipe: Any, chosen: dict[str, Any]) -> dict[str, Any]:
    """Settings as arguments of ``sample``: a record, or separate arguments in older revisions."""
    chosen = dict(chosen)
    if "guidance" in chosen:
        chosen["guidance"] = pipe.defaults.guidance_of(chosen["guidance"])
    try:
        from read_core.records import SamplingSettings
    except ImportError:
        return chosen
    return {"settings": SamplingSettings(**chosen)}


def digest(tensor: Tensor) -> str:
    """Hash of the values and the shape."""
    values = tensor.detach().cpu().contiguous()
    return hashlib.sha256(repr(tuple(values.shape)).encode() + values.numpy().tobytes()).hexdigest()[:16]


def compared(names: list[str], one: dict[str, str], other: dict[str, str]) -> int:
    """Print which results are equal; return the exit status."""
    apart = 0
    print(f"{'':<34}{names[0]:<18}{names[1]:<18}")
    for name in {**one, **other}:
        hashes = one.get(name, "missing"), other.get(name, "missing")
        apart += hashes[0] != hashes[1]
        print(f"{name:<34}{hashes[0]:<18}{hashes[1]:<18}{'equal' if hashes[0] == hashes[1] else 'DIFFERENT'}")
    print(f"{len({**one, **other}) - apart} equal, {apart} different")
    return 1 if apart else 0


if __name__ == "__main__":
    sys.exit(main())
