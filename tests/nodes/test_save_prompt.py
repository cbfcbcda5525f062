"""READ Save Prompt: what it writes is what training reads, and it writes nowhere else."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from read_core.training.stages.prompt import training_prompt

from .prompts import node
from .test_bad_input import told
from .test_outputs import ran

pytestmark = [pytest.mark.comfy, pytest.mark.slow]


@pytest.fixture(scope="module")
def padded(host):
    """An embedding of 7 tokens, of which 4 count, in the input folder."""
    torch.manual_seed(3)
    stored = {"embedding": torch.randn(7, 24), "mask": torch.tensor([1, 1, 1, 1, 0, 0, 0]).bool()}
    save_file(stored, host.base / "input" / "padded.safetensors")
    return "padded.safetensors"


def saving(file, prefix):
    return {
        "1": node("ReadTest_Prompt", file=file),
        "2": node("READ_SavePrompt", conditioning=["1", 0], filename_prefix=prefix),
        "3": node("ReadTest_Dump", value=["2", 0]),
    }


def files_below(folder):
    return {path for path in folder.rglob("*") if path.is_file()}


def test_training_reads_the_tokens_that_count(host, client, padded):
    run = ran(client, saving(padded, "prompts/READ"))
    path = Path(run.ui("3", "plain")["value"])
    assert path == host.output / "prompts" / "READ_00001_.safetensors"
    assert any(str(path) in text for text in run.texts)
    wanted = load_file(host.base / "input" / padded)["embedding"][:4]
    assert torch.equal(training_prompt(path, 4, 24).embedding, wanted)


def test_files_are_numbered_and_none_is_overwritten(host, client, padded, stored_prompt):
    ran(client, saving(padded, "numbered/READ"))
    (first,) = files_below(host.output / "numbered")
    before = first.read_bytes()
    run = ran(client, saving(stored_prompt, "numbered/READ"))
    second = Path(run.ui("3", "plain")["value"])
    assert second.name == "READ_00002_.safetensors"
    assert files_below(host.output / "numbered") == {first, second}
    assert first.read_bytes() == before != second.read_bytes()


@pytest.mark.parametrize(
    "prefix",
    [
        *("../outside", "prompts/../../outside", "prompts/..", "..", "..\\outside", "a\\..\\..\\outside"),
        *("/etc/outside", "\\outside", "\\\\server\\outside", "C:\\outside", "c:outside", "C:/outside"),
        *("", "prompts/"),
    ],
)
def test_names_that_lead_out_of_the_output_folder(host, client, padded, prefix):
    before = files_below(host.output)
    told(client, saving(padded, prefix), "READ_SavePrompt", "filename_prefix is .*expected a name within")
    assert files_below(host.output) == before
    assert list(host.base.rglob("*outside*")) == []


def test_two_texts(client, padded, stored_prompt):
    prompt = saving(padded, "prompts/two")
    prompt["4"] = node("ReadTest_Prompt", file=stored_prompt)
    prompt["5"] = node("ConditioningCombine", conditioning_1=["1", 0], conditioning_2=["4", 0])
    prompt["2"]["inputs"]["conditioning"] = ["5", 0]
    told(client, prompt, "READ_SavePrompt", "holds 2 texts")
