"""The embedding of a text by T5, and the file that ``read-core init`` makes of it."""

import shutil
import sys

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import PreTrainedTokenizerFast, T5EncoderModel

from read_core.cli.main import main
from read_core.errors import CheckpointError
from read_core.training.stages.prompt import training_prompt
from read_core.weights.t5 import embed_text

from .original_files import write_original
from .tiny_t5 import write_t5

TEXT = "a person talks into the camera"


@pytest.fixture
def t5(tmp_path):
    return write_t5(tmp_path / "ltx")


def as_ltx_video_does(folder, text):
    """Padded to 128 tokens, the padding masked out; those that are no padding."""
    tokenizer = PreTrainedTokenizerFast.from_pretrained(folder / "tokenizer")
    tokens = tokenizer(text, padding="max_length", max_length=128, truncation=True, return_tensors="pt")
    encoder = T5EncoderModel.from_pretrained(folder / "text_encoder")
    with torch.no_grad():
        found = encoder(tokens.input_ids, attention_mask=tokens.attention_mask).last_hidden_state[0]
    return found[tokens.attention_mask[0].bool()]


@pytest.mark.parametrize(("text", "tokens"), [("", 1), (TEXT, 7), ("a " * 300, 128)])
def test_it_is_that_of_ltx_video(t5, text, tokens):
    embedding = embed_text(t5, text)
    assert embedding.shape == (tokens, 12)
    torch.testing.assert_close(embedding, as_ltx_video_does(t5, text))


def test_init_writes_what_training_reads(t5, tiny_checkpoint, tmp_path, capsys):
    write_original(tmp_path / "ltx.safetensors")
    sources = ["--ltx", tmp_path / "ltx.safetensors", "--whisper", tiny_checkpoint / "whisper"]
    arguments = [*sources, "--out", tmp_path / "start", "--t5", t5, "--caption", TEXT]
    assert main(["init", *map(str, arguments)]) == 0
    assert "7 tokens" in capsys.readouterr().out
    prompt = training_prompt(tmp_path / "start" / "prompt.safetensors", 4, 12)
    torch.testing.assert_close(prompt.embedding, as_ltx_video_does(t5, TEXT))


def test_a_caption_without_t5(tmp_path, capsys):
    arguments = ["--ltx", tmp_path, "--whisper", tmp_path, "--out", tmp_path / "start", "--caption", TEXT]
    assert main(["init", *map(str, arguments)]) == 2
    assert "--caption needs --t5" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("removed", "told"),
    [("tokenizer", "no folder tokenizer"), ("text_encoder/model.safetensors", "text_encoder")],
)
def test_an_incomplete_folder(t5, removed, told):
    path = t5 / removed
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()
    with pytest.raises(CheckpointError, match=told):
        embed_text(t5, TEXT)


def test_a_tokenizer_that_needs_a_package(t5, monkeypatch):
    (t5 / "tokenizer" / "tokenizer.json").unlink()
    (t5 / "tokenizer" / "spiece.model").write_bytes(b"")
    monkeypatch.setitem(sys.modules, "sentencepiece", None)
    with pytest.raises(CheckpointError, match="pip install sentencepiece protobuf"):
        embed_text(t5, TEXT)


def test_a_half_downloaded_text_encoder(t5):
    path = t5 / "text_encoder" / "model.safetensors"
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(CheckpointError, match=r"model\.safetensors"):
        embed_text(t5, TEXT)


def test_a_text_encoder_that_lacks_a_tensor(t5):
    path = t5 / "text_encoder" / "model.safetensors"
    tensors = load_file(path)
    del tensors["encoder.block.1.layer.0.SelfAttention.q.weight"]
    save_file(tensors, path, {"format": "pt"})
    with pytest.raises(CheckpointError, match=r"missing encoder\.block\.1"):
        embed_text(t5, TEXT)
