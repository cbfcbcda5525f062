"""``read-core init``: convert LTX-Video's and Whisper's published files to folders for training."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..checkpoint import Prompt


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``read-core init``."""
    parser.add_argument(
        "--ltx",
        type=Path,
        required=True,
        metavar="FILE|FOLDER",
        help="an original LTX-Video 2B file (0.9.0 to 0.9.8, not in float8), or its folder of diffusers",
    )
    parser.add_argument(
        "--whisper",
        type=Path,
        required=True,
        metavar="FOLDER",
        help="a Whisper model in safetensors, as openai/whisper-tiny",
    )
    parser.add_argument(
        "--out", type=Path, required=True, help="folder to write: transformer, vae and whisper in it"
    )
    parser.add_argument(
        "--t5",
        type=Path,
        metavar="FOLDER",
        help="folder with LTX-Video's tokenizer and text_encoder: its embedding of the caption becomes "
        "prompt.safetensors, which training needs (or make that file with the node READ Save Prompt)",
    )
    parser.add_argument(
        "--caption", default="", metavar="TEXT", help="with --t5: what all videos show (default: empty)"
    )
    parser.add_argument("--ltx-license", metavar="TEXT", help="license of LTX-Video's file")
    parser.add_argument("--whisper-license", metavar="TEXT", help="license of Whisper's folder")
    parser.add_argument(
        "--overwrite", action="store_true", help="replace folders that this command wrote; other files stay"
    )


def run(args: argparse.Namespace) -> int:
    """Write the folders and say what they are.

    Raises:
        InputError: a caption without T5.
        CheckpointError: see ``write_start`` and ``embed_text``.
    """
    from ..checkpoint import write_prompt
    from ..errors import InputError
    from ..weights.files import read_json
    from ..weights.ltx_transformer import CAUSAL
    from ..weights.start import check_start, write_start

    if args.caption and args.t5 is None:
        raise InputError("--caption needs --t5, the folder of the text encoder that embeds it")
    prompt = None
    if args.t5 is not None:
        check_start(args.ltx, args.whisper, args.out, args.overwrite)  # T5 takes long to load
        prompt = _prompt(args.t5, args.caption)
    licenses = (args.ltx_license, args.whisper_license)
    origins = write_start(args.ltx, args.whisper, args.out, licenses, args.overwrite)
    for name, origin in origins.items():
        print(f"{args.out / name}: {origin.line()}")
    if prompt is not None:
        write_prompt(args.out / "prompt.safetensors", prompt)
        print(f"{args.out / 'prompt.safetensors'}: {len(prompt.mask)} tokens of T5")
    causal = read_json(args.out / "transformer" / "config.json")[CAUSAL]
    print(f"latent i lies at {'max(0, 8 i - 7)' if causal else '8 i'} frames")
    return 0


def _prompt(folder: Path, caption: str) -> Prompt:
    import torch

    from ..checkpoint import Prompt
    from ..weights.t5 import embed_text

    embedding = embed_text(folder, caption)
    return Prompt(embedding, torch.ones(len(embedding), dtype=torch.bool), caption)
