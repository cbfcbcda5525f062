"""Write small files in the formats in which LTX-Video, Whisper, T5 and the feature networks are published.

Names, layers and file layout are the originals', widths are small and weights random, for rehearsals
(``scripts/rehearse_full_size.sh``)::

    ltx-video-2b-toy.safetensors   transformer and VAE, original names
    whisper-toy/                   a whole Whisper model of transformers
    LTX-Video/                     tokenizer/ and text_encoder/: T5
    networks/                      of FID, FVD, Sync and E-FID, at their own widths

    python scripts/make_toy_originals.py OUT --networks fid fvd sync efid
"""

from __future__ import annotations

import argparse
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from transformers import WhisperConfig, WhisperForConditionalGeneration

from read_core.evaluation.networks.files import FILES
from read_core.evaluation.networks.i3d import I3D
from read_core.evaluation.networks.inception import FidInception
from read_core.evaluation.networks.recon import FaceReconstruction
from read_core.evaluation.networks.syncnet import SyncNet

HELPERS = Path(__file__).resolve().parents[1] / "tests" / "core" / "weights"
"""Of the tests: LTX-Video's original names, written down by hand, and a small T5."""
RELEASE = "0.9.5"
NETWORKS = {"fid": FidInception, "fvd": I3D, "sync": SyncNet, "efid": FaceReconstruction}


def main() -> None:
    """Write all of it."""
    parser = argparse.ArgumentParser(description="Small files of the published formats, random weights.")
    parser.add_argument("out", type=Path, help="folder to write into")
    parser.add_argument(
        "--networks",
        nargs="+",
        choices=NETWORKS,
        default=list(NETWORKS),
        help="metrics whose networks to write",
    )
    args = parser.parse_args()
    out: Path = args.out
    out.mkdir(parents=True, exist_ok=True)
    sys.path.insert(0, str(HELPERS))
    files, t5 = import_module("original_files"), import_module("tiny_t5")
    files.write_original(out / "ltx-video-2b-toy.safetensors", RELEASE)
    t5.write_t5(out / "LTX-Video", files.SHAPE["caption_channels"])
    torch.manual_seed(0)
    ear = {"d_model": 16, "encoder_layers": 2, "encoder_attention_heads": 2, "encoder_ffn_dim": 32}
    mouth = {"decoder_layers": 1, "decoder_attention_heads": 2, "decoder_ffn_dim": 32}
    words: dict[str, Any] = {"vocab_size": 64, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
    words |= {"decoder_start_token_id": 3, "suppress_tokens": None, "begin_suppress_tokens": None}
    config = WhisperConfig(**ear, **mouth, **words, max_source_positions=150, num_mel_bins=80)
    WhisperForConditionalGeneration(config).save_pretrained(out / "whisper-toy")
    for metric in args.networks:
        write_network(metric, out / "networks")


def write_network(metric: str, folder: Path) -> None:
    """Write the network of a metric under its published name, with the names of the published tensors."""
    folder.mkdir(parents=True, exist_ok=True)
    about = FILES[metric]
    state: dict[str, Any] = NETWORKS[metric]().state_dict()
    if metric == "fid":  # the published file has the classifier too
        state |= {"fc.weight": torch.zeros(1008, 2048), "fc.bias": torch.zeros(1008)}
    torch.save({about.within: state} if about.within else state, folder / about.names[0])


if __name__ == "__main__":
    main()
