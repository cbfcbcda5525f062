"""The embedding of a text by T5, and the file that ``read-core init`` makes of it."""

import os
import shutil
import sys

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import PreTrainedTokenizerFast, T5EncoderModel

from read_core.checkpoint import load_prompt
from read_core.cli.main import main
from read_core.errors import CheckpointError
from read_core.training.data.captions import caption_of
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


def test_init_refuses_a_wrong_file_or_folder_before_it_loads_t5(
    t5, tiny_checkpoint, tmp_path, capsys, monkeypatch
):
    def load(*_, **__):
        raise AssertionError("T5 was loaded")

    monkeypatch.setattr(T5EncoderModel, "from_pretrained", load)
    arguments = ["--whisper", tiny_checkpoint / "whisper", "--t5", t5, "--out", tmp_path / "start"]
    save_file({"a": torch.zeros(1)}, tmp_path / "wrong.safetensors")
    assert main(["init", "--ltx", str(tmp_path / "wrong.safetensors"), *map(str, arguments)]) == 2
    assert "expected an original LTX-Video 2B file" in capsys.readouterr().err
    write_original(tmp_path / "ltx.safetensors")
    (tmp_path / "start").mkdir()
    (tmp_path / "start" / "diary.txt").write_text("dear")
    assert main(["init", "--ltx", str(tmp_path / "ltx.safetensors"), *map(str, arguments)]) == 2
    assert "exists already" in capsys.readouterr().err


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


@pytest.mark.parametrize("kind", [torch.float8_e4m3fn, torch.float8_e5m2])
def test_a_text_encoder_in_float8_is_refused(t5, kind):
    path = t5 / "text_encoder" / "model.safetensors"
    name = "encoder.block.1.layer.0.SelfAttention.q.weight"
    tensors = load_file(path)
    save_file(tensors | {name: tensors[name].to(kind)}, path, {"format": "pt"})
    with pytest.raises(CheckpointError, match=rf"holds 1 float8 tensors, such as {name}.* full precision"):
        embed_text(t5, TEXT)


def test_a_text_encoder_that_lacks_a_tensor(t5):
    path = t5 / "text_encoder" / "model.safetensors"
    tensors = load_file(path)
    del tensors["encoder.block.1.layer.0.SelfAttention.q.weight"]
    save_file(tensors, path, {"format": "pt"})
    with pytest.raises(CheckpointError, match=r"missing encoder\.block\.1"):
        embed_text(t5, TEXT)


def test_captions_are_embedded_with_one_loading_and_made_again_only_if_their_text_is_newer(
    t5, tmp_path, capsys, monkeypatch
):
    loaded: list[tuple[object, ...]] = []
    load = T5EncoderModel.from_pretrained

    def count(*args, **named):
        loaded.append(args)
        return load(*args, **named)

    monkeypatch.setattr(T5EncoderModel, "from_pretrained", count)
    sources = tmp_path / "sources"
    texts = {"Ada/0000": TEXT, "Ada/0001": "a camera", "Bob/prompt": ""}
    for name, text in texts.items():
        path = sources / f"{name}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{text}\n")
    command = ["captions", str(sources), "--t5", str(t5)]
    assert main(command) == 0
    assert "3 embeddings written, 0 kept" in capsys.readouterr().out
    assert len(loaded) == 1
    files = {}
    for name, text in texts.items():
        file = caption_of(sources / f"{name.replace('prompt', '0007')}.safetensors")
        assert file is not None
        files[name] = file
        prompt = load_prompt(file, 12)
        assert prompt.mask.all()
        torch.testing.assert_close(prompt.embedding, as_ltx_video_does(t5, text))
    before = {file: file.stat().st_mtime_ns for file in files.values()}
    changed = sources / "Ada" / "0001.txt"
    changed.write_text("a person")
    os.utime(changed, ns=(0, max(before.values()) + 1_000_000_000))
    assert main(command) == 0
    assert "1 embeddings written, 2 kept" in capsys.readouterr().out
    assert [file.stat().st_mtime_ns == time for file, time in before.items()] == [True, False, True]
    torch.testing.assert_close(
        load_prompt(files["Ada/0001"], 12).embedding, as_ltx_video_does(t5, "a person")
    )
    assert main([*command, "--overwrite"]) == 0
    assert "3 embeddings written" in capsys.readouterr().out


def test_captions_without_texts_or_with_another_encoding_are_refused(t5, tmp_path, capsys):
    command = ["captions", str(tmp_path / "empty"), "--t5", str(t5)]
    (tmp_path / "empty").mkdir()
    assert main(command) == 2
    assert "has no *.txt" in capsys.readouterr().err
    (tmp_path / "empty" / "0000.txt").write_bytes(b"\xff\xfe\x00")
    assert main(command) == 2
    assert "0000.txt is no text in UTF-8" in capsys.readouterr().err
    assert not list((tmp_path / "empty").glob("*.safetensors"))
