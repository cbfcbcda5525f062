"""A small T5 with random weights and a tokenizer of a few words, in folders as LTX-Video has them."""

from __future__ import annotations

from pathlib import Path

import torch
from tokenizers import Tokenizer
from tokenizers.models import Unigram
from tokenizers.pre_tokenizers import Metaspace
from tokenizers.processors import TemplateProcessing
from transformers import PreTrainedTokenizerFast, T5Config, T5EncoderModel

WORDS = ("\u2581a", "\u2581person", "\u2581talks", "\u2581into", "\u2581the", "\u2581camera", "\u2581")


def write_t5(folder: Path, channels: int = 12) -> Path:
    """``tokenizer/`` and ``text_encoder/`` in ``folder``."""
    vocabulary = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), *((word, -2.0) for word in WORDS)]
    tokenizer = Tokenizer(Unigram(vocabulary, unk_id=2))
    tokenizer.pre_tokenizer = Metaspace()
    tokenizer.post_processor = TemplateProcessing("$A </s>", "$A </s> $B </s>", [("</s>", 1)])
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", eos_token="</s>", unk_token="<unk>"
    ).save_pretrained(folder / "tokenizer")
    torch.manual_seed(0)
    size = {"d_model": channels, "d_kv": 4, "d_ff": 16, "num_layers": 2, "num_heads": 3}
    config = T5Config(vocab_size=len(vocabulary), feed_forward_proj="gated-gelu", **size)
    T5EncoderModel(config).save_pretrained(folder / "text_encoder")
    return folder
