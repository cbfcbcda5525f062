"""The file of a text embedding: written, read by a training and by a checkpoint."""

import errno

import pytest
import safetensors.torch
import torch

from read_core.checkpoint import Prompt, load_prompt, write_prompt
from read_core.errors import CheckpointError, MediaError
from read_core.training.stages.prompt import training_prompt

MASK = torch.tensor([True, False, True, True, False])


@pytest.fixture
def prompt():
    torch.manual_seed(0)
    return Prompt(torch.randn(5, 12, dtype=torch.bfloat16), MASK)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_what_is_written_is_read(prompt, tmp_path, dtype):
    file = tmp_path / "prompt.safetensors"
    embedding = prompt.embedding.to(dtype).T.contiguous().T  # not contiguous
    write_prompt(file, Prompt(embedding, MASK))
    loaded = load_prompt(file, 12)
    assert loaded.embedding.dtype == dtype
    assert torch.equal(loaded.embedding, embedding)
    assert torch.equal(loaded.mask, MASK)
    assert list(tmp_path.iterdir()) == [file]


def test_a_training_reads_the_tokens_that_count(prompt, tmp_path):
    write_prompt(tmp_path / "prompt.safetensors", prompt)
    loaded = training_prompt(tmp_path / "prompt.safetensors", 4, 12)
    assert torch.equal(loaded.embedding, prompt.embedding[[0, 2, 3]].float())
    assert loaded.mask.all()


def test_the_embedding_of_another_text_encoder(prompt, tmp_path):
    write_prompt(tmp_path / "prompt.safetensors", prompt)
    with pytest.raises(CheckpointError, match=r"prompt\.safetensors .*\(5, 12\), expected \(5, 16\)"):
        training_prompt(tmp_path / "prompt.safetensors", 4, 16)


def test_a_full_disk_leaves_no_file_and_the_old_one(prompt, tmp_path, monkeypatch):
    file = tmp_path / "prompt.safetensors"
    write_prompt(file, prompt)
    before = file.read_bytes()

    def full(tensors, path):
        path.write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(safetensors.torch, "save_file", full)
    with pytest.raises(MediaError, match="out of disk space"):
        write_prompt(file, prompt)
    assert list(tmp_path.iterdir()) == [file]
    assert file.read_bytes() == before
