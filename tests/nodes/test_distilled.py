"""The guidance ``distilled`` in the host: a student samples in its own steps, and the base stays as it is."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch

from read_core.transformer import A2VTransformer3DModel, Student

from .conftest import BUNDLED
from .prompts import quick, quick_file

pytestmark = [pytest.mark.comfy, pytest.mark.slow]
DISTILLED = {"guidance": "distilled", "guidance.alpha": 0.0, "guidance.beta": 2.0}
OWN = {"guidance": "distilled (checkpoint's)"}


def write(folder: Path, student: Student | None) -> None:
    """read-tiny with this student, or with none."""
    shutil.copytree(BUNDLED, folder, ignore=shutil.ignore_patterns("distilled"))
    for file, key, value in (
        ("model_index.json", "distilled", ["read_core.transformer", "Student"]),
        ("scheduler/scheduler_config.json", "distilled", {"steps": 2, "alpha": 0.0, "beta": 2.0}),
    ):
        values = json.loads((folder / file).read_text())
        values.pop(key, None)
        if student is not None:
            values[key] = value
            if file == "model_index.json":
                values["format"] = 2
        (folder / file).write_text(json.dumps(values))
    if student is not None:
        student.save_pretrained(folder / "distilled")


@pytest.fixture(scope="module")
def checkpoints(host):
    """Under models/read: read-tiny without a student, with an untrained one, with one of random weights."""
    sizes = A2VTransformer3DModel.load_config(BUNDLED / "transformer")
    torch.manual_seed(0)
    student = Student(A2VTransformer3DModel.extract_init_dict(sizes)[0], rank=4)
    folder = host.base / "models" / "read"
    write(folder / "alone", None)
    write(folder / "untrained", student)
    for parameter in student.parameters():
        torch.nn.init.normal_(parameter, std=0.05)
    write(folder / "random", student)


def prompt(checkpoint: str, guidance: dict, **inputs):
    made = quick(**inputs)
    made["1"]["inputs"]["checkpoint"] = checkpoint
    made["6"]["inputs"] |= guidance
    return made


def digest(client, *args, **inputs):
    run = client.run(prompt(*args, **inputs))
    assert run.status == "success", run.error
    return run.ui("7", "digest")


def test_a_student_samples_and_the_base_stays_as_it_is(client, checkpoints):
    plain = digest(client, "alone", {"guidance": "none"}, steps=2)
    assert digest(client, "untrained", DISTILLED, steps=2) == plain
    assert digest(client, "untrained", OWN, steps=0) == plain  # 0: the student's two steps
    own = digest(client, "random", OWN, steps=0)
    assert own != plain
    assert digest(client, "random", DISTILLED, steps=2) == own
    assert digest(client, "random", {"guidance": "none"}, steps=2) == plain
    client.free(unload_models=True, free_memory=True)
    assert digest(client, "random", OWN, steps=0) == own


def test_without_a_student_it_is_refused_in_both_nodes(client, checkpoints):
    run = client.run(prompt("alone", OWN))
    assert run.status == "error"
    assert "the checkpoint has no student" in run.error["exception_message"]
    whole = quick_file()
    for one in whole.values():
        if one["class_type"] == "READ_LoadModels":
            one["inputs"]["checkpoint"] = "alone"
        if one["class_type"] == "READ_TalkingHeadToFile":
            one["inputs"] |= DISTILLED
    run = client.run(whole)
    assert run.status == "error"
    assert "the checkpoint has no student" in run.error["exception_message"]


def test_the_file_node_takes_it(client, checkpoints):
    whole = quick_file()
    for one in whole.values():
        if one["class_type"] == "READ_LoadModels":
            one["inputs"]["checkpoint"] = "random"
        if one["class_type"] == "READ_TalkingHeadToFile":
            one["inputs"] |= OWN
    run = client.run(whole)
    assert run.status == "success", run.error
