"""One host for all tests of a session."""

from __future__ import annotations

import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file

from .host import ROOT, SETUP, cut_recording, find_installation, prepare_base, running

BUNDLED = ROOT / "read_core" / "checkpoints" / "read-tiny"


def pytest_report_header():
    found = find_installation()
    return f"ComfyUI: {f'{found.version} in {found.folder}' if found else SETUP}"


@pytest.fixture(scope="session")
def installation():
    found = find_installation()
    if found is None:
        pytest.skip(SETUP)
    return found


@pytest.fixture(scope="session")
def host(installation, tmp_path_factory):
    """A running host with the pack in it."""
    base = tmp_path_factory.mktemp("host")
    prepare_base(base)
    cut_recording(base / "input" / "short.wav", 1.0, 1.8)
    cut_recording(base / "input" / "two_seconds.wav", 1.0, 3.0)
    with running(installation, base) as found:
        yield found


@pytest.fixture
def client(host):
    """Its client; the queue is empty and the host alive before and after each test."""
    yield host.client
    assert host.process.poll() is None, host.log[-3000:]
    queue = host.client.get("/queue")
    assert not queue["queue_running"]
    assert not queue["queue_pending"]


@pytest.fixture(scope="session")
def own_checkpoint(host):
    """A checkpoint folder under models/read that may be touched; its name."""
    shutil.copytree(BUNDLED, host.base / "models" / "read" / "copied", dirs_exist_ok=True)
    return "copied"


@pytest.fixture(scope="session")
def stored_prompt(host):
    """A prompt embedding as a text encoder would give it, in the input folder; its name."""
    embedding = load_file(BUNDLED / "prompt" / "prompt.safetensors")["embedding"].float()
    torch.manual_seed(0)
    stored = {"embedding": torch.randn(6, embedding.shape[1]), "mask": torch.ones(6, dtype=torch.bool)}
    save_file(stored, host.base / "input" / "prompt.safetensors")
    return "prompt.safetensors"


@pytest.fixture(scope="session")
def lora(host):
    """A small random LoRA for read-tiny under models/loras; its name."""
    torch.manual_seed(0)
    weights = {}
    for name, shape in transformer_shapes().items():
        if name.endswith(("to_q.weight", "to_k.weight", "to_v.weight")) and "transformer_blocks.0." in name:
            key = f"transformer.{name.removesuffix('.weight')}"
            weights[f"{key}.lora_A.weight"] = torch.randn(4, shape[1]) / shape[1] ** 0.5
            weights[f"{key}.lora_B.weight"] = 0.1 * torch.randn(shape[0], 4)
    assert weights
    save_file(weights, host.base / "models" / "loras" / "small.safetensors")
    return "small.safetensors"


def transformer_shapes():
    """Names and shapes of read-tiny's transformer."""
    found: dict[str, tuple[int, ...]] = {}
    for file in sorted((BUNDLED / "transformer").glob("*.safetensors")):
        found |= {name: tuple(value.shape) for name, value in load_file(file).items()}
    return found
