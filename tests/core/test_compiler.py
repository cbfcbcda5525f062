"""A compiled transformer samples what the plain one samples."""

from __future__ import annotations

import copy
from dataclasses import replace

import pytest
import torch

from read_core import InputError, SamplingSettings
from read_core.compiler import check_compiler, compile_transformer
from read_core.pipeline import ReadPipeline


def test_a_compiled_transformer_samples_the_same_latents(tiny_components):
    torch.manual_seed(0)
    pipe = ReadPipeline(replace(tiny_components, transformer=copy.deepcopy(tiny_components.transformer)))
    reference = pipe.encode_reference(torch.rand(64, 64, 3))
    speech = pipe.encode_speech(torch.randn(32_000) / 10, 16_000)
    plain = pipe.sample(speech, reference, SamplingSettings(2))
    compile_transformer(pipe, backend="eager")
    assert pipe.transformer._compiled_call_impl is not None
    called: list[None] = []
    pipe.transformer.register_forward_hook(lambda *_: called.append(None))
    torch.testing.assert_close(pipe.sample(speech, reference, SamplingSettings(2)), plain, atol=1e-5, rtol=0)
    assert called
    torch.compiler.reset()


def test_a_missing_compiler_is_told(monkeypatch):
    """Torch takes the one that CXX names, and no other if that one is missing."""
    monkeypatch.setenv("CXX", "no-compiler")
    check_compiler("cuda:0")
    with pytest.raises(InputError, match=r"needs a C\+\+ compiler, and no-compiler was not found"):
        check_compiler("cpu")
    monkeypatch.delenv("CXX")
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setattr("shutil.which", {"clang++": "/usr/bin/clang++"}.get)
    with pytest.raises(InputError, match=r"and g\+\+ was not found"):
        check_compiler("cpu")
