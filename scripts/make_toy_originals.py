"""Write small files of the formats that LTX-Video, Whisper, T5 and the feature networks are published in.

Names, layers and file layout are the originals', widths are small and weights random, for rehearsals
(``scripts/rehearse_full_size.sh``)::

    ltx-video-2b-toy.safetensors   transformer and VAE, original names
    whisper-toy/                   a whole Whisper model of transformers
    LTX-Video/                     tokenizer/ and text_encoder/: T5
    networks/                      Inception of the FID, at its own width

    python scripts/make_toy_originals.py OUT
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import torch
from transformers import WhisperConfig, WhisperForConditionalGeneration

from read_core.evaluation.networks.files import FILES
from read_core.evaluation.networks.inception import FidInception

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "core" / "weights"))
from original_files import SHAPE, write_original  # the names, written down by hand for the tests
from tiny_t5 import write_t5

RELEASE = "0.9.5"


def main() -> None:
    """Write all of it."""
    parser = argparse.ArgumentParser(description="Small files of the published formats, random weights.")
    parser.add_argument("out", type=Path, help="folder to write into")
    out = parser.parse_args().out
    (out / "networks").mkdir(parents=True, exist_ok=True)
    write_original(out / "ltx-video-2b-toy.safetensors", RELEASE)
    write_t5(out / "LTX-Video", SHAPE["caption_channels"])
    torch.manual_seed(0)
    ear = {"d_model": 16, "encoder_layers": 2, "encoder_attention_heads": 2, "encoder_ffn_dim": 32}
    mouth = {"decoder_layers": 1, "decoder_attention_heads": 2, "decoder_ffn_dim": 32}
    words = {"vocab_size": 64, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
    words |= {"decoder_start_token_id": 3, "suppress_tokens": None, "begin_suppress_tokens": None}
    config = WhisperConfig(**ear, **mouth, **words, max_source_positions=150, num_mel_bins=80)
    WhisperForConditionalGeneration(config).save_pretrained(out / "whisper-toy")
    torch.save(FidInception().state_dict(), out / "networks" / FILES["fid"].names[0])


if __name__ == "__main__":
    main()
