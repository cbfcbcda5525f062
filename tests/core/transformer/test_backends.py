"""Backends of attention: the chosen one runs, and one that cannot is refused with one message."""

from __future__ import annotations

import pytest
import torch
from diffusers.models.attention_dispatch import AttentionBackendName

from read_core.batch.work import Models
from read_core.cli.main import main
from read_core.errors import InputError
from read_core.transformer import TINY, A2VTransformer3DModel
from read_core.transformer.backends import set_attention


@pytest.fixture
def transformer() -> A2VTransformer3DModel:
    return A2VTransformer3DModel(**TINY).eval().requires_grad_(False)


def backends(transformer: A2VTransformer3DModel) -> set[AttentionBackendName]:
    blocks = transformer.transformer_blocks
    found = [getattr(block, name).processor for block in blocks for name in ("attn1", "attn2", "audio_attn")]
    return {processor._attention_backend for processor in found}


def test_every_attention_gets_the_backend(transformer):
    assert backends(transformer) == {None}
    set_attention(transformer, "native", torch.tensor([True, False]))
    assert backends(transformer) == {AttentionBackendName.NATIVE}


def test_an_unknown_backend_is_refused_with_those_that_exist(transformer):
    with pytest.raises(InputError, match=r"attention is 'fast'; expected one of .*native.*xformers"):
        set_attention(transformer, "fast", torch.tensor([True]))


@pytest.mark.parametrize("name", ["sage", "_native_cudnn"])
def test_a_backend_that_does_not_work_here_is_refused(transformer, name):
    """Its package is missing, or a CPU cannot run it."""
    with pytest.raises(InputError, match=f"attention '{name}' cannot be used on cpu in float32"):
        set_attention(transformer, name, torch.tensor([True]))


def test_a_backend_without_masks_is_refused_only_if_the_prompt_has_one(transformer, monkeypatch):
    from read_core.transformer.attention import AttentionKernel

    def unmasked(self, query, key, value, mask, shared=False):
        if mask is not None:
            raise ValueError("`attn_mask` is not supported")
        return query

    monkeypatch.setattr(AttentionKernel, "__call__", unmasked)
    set_attention(transformer, "native", torch.tensor([True, True]))
    with pytest.raises(InputError, match="`attn_mask` is not supported"):
        set_attention(transformer, "native", torch.tensor([True, False]))


def test_workers_of_a_batch_use_it(tiny_checkpoint):
    pipe = Models(tiny_checkpoint, "cpu", attention="native").load()
    assert backends(pipe.transformer) == {AttentionBackendName.NATIVE}
    with pytest.raises(InputError, match="attention is 'fast'"):
        Models(tiny_checkpoint, "cpu", attention="fast").load()


def test_the_command_line_refuses_in_one_line(tiny_checkpoint, tmp_path, capsys):
    for name in ("portrait.png", "speech.wav"):
        (tmp_path / name).write_bytes(b"anything")
    files = ["--portrait", str(tmp_path / "portrait.png"), "--speech", str(tmp_path / "speech.wav")]
    files += ["--out", str(tmp_path / "out.mp4"), "--checkpoint", str(tiny_checkpoint), "--device", "cpu"]
    assert main(["generate", *files, "--attention", "fast"]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "attention is 'fast'" in error
