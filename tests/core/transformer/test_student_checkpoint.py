"""A student in a checkpoint: equal bits when loaded, refused or warned of where it does not belong."""

from __future__ import annotations

import copy
import json
import shutil
import warnings
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file, save_file

from read_core.ans import (
    DistilledCFG,
    NoCFG,
    SplitCFG,
)
from read_core.checkpoint import (
    SamplingDefaults,
    StudentDefaults,
    describe,
    load_checkpoint,
    load_model,
    save_checkpoint,
)
from read_core.cli.main import main
from read_core.errors import CheckpointError, InputError, ReadWarning
from read_core.generate.job import estimate, synthesis_tags
from read_core.memory import sampling_memory, weights_memory
from read_core.pipeline import ReadPipeline
from read_core.records import Reference, SamplingSettings, SpeechCodes
from read_core.transformer import TINY, Student
from read_core.weights.fingerprint import weights_print
from read_core.weights.override import override_weights

from .test_student import SCALES, SETTINGS, generator, make_student, velocity


@pytest.fixture(scope="module")
def components(tiny_components):
    defaults = replace(tiny_components.defaults, distilled=StudentDefaults(4, SCALES))
    return replace(
        tiny_components,
        transformer=tiny_components.transformer,
        distilled=make_student(),
        defaults=defaults,
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory, components):
    made = tmp_path_factory.mktemp("distilled") / "checkpoint"
    save_checkpoint(made, components)
    return made


def records(frames: int = 33) -> tuple[SpeechCodes, Reference]:
    codes = torch.randn(1, 70, 3, 10, generator=generator(8))
    latent = torch.randn(1, 8, 1, 2, 3, generator=generator(9))
    return SpeechCodes(codes, frames), Reference(latent, torch.zeros(64, 96, 3), (0, 0, 96, 64))


def test_a_loaded_student_gives_equal_bits(folder, components, tiny_checkpoint):
    speech, reference = records()
    chosen = SamplingSettings(guidance=SCALES)
    loaded = ReadPipeline(load_checkpoint(folder))
    found = loaded.sample(speech, reference, chosen)
    assert torch.equal(found, ReadPipeline(components).sample(speech, reference, chosen))
    without = ReadPipeline(load_checkpoint(tiny_checkpoint))
    plain = SamplingSettings(guidance=SplitCFG(0.5, 1.5))
    assert torch.equal(
        loaded.sample(speech, reference, plain), without.sample(speech, reference, plain)
    )  # with the student there, the rest is as it was


def test_its_steps_are_the_default_and_the_tag_and_the_estimate_know_it(folder):
    pipe = ReadPipeline(load_checkpoint(folder))
    assert (pipe.defaults.steps, pipe.defaults.guidance_of("distilled")) == (2, SCALES)
    settings = SamplingSettings(guidance=SCALES).resolved(pipe.defaults)
    assert settings.steps == 4
    assert SamplingSettings(2, SCALES).resolved(pipe.defaults).steps == 2
    assert SamplingSettings().resolved(pipe.defaults).steps == 2
    comment = synthesis_tags(pipe, "title", settings)["comment"]
    assert "steps 4" in comment
    assert "guidance kind=distilled alpha=0.5 beta=1.5" in comment
    speech, reference = records()
    own = estimate(pipe, speech, reference, settings)
    assert own.steps == 4
    one, three = (
        sampling_memory(pipe.transformer, pipe.prompt, replace(settings, guidance=form), (64, 96))
        for form in (NoCFG(), SplitCFG(0.5, 1.5))
    )
    assert pipe.student is not None
    merged = sum(pipe.transformer.get_parameter(f"{name}.weight").nbytes for name in pipe.student.names)
    assert sampling_memory(pipe.transformer, pipe.prompt, settings, (64, 96)) == one + merged
    assert one < three
    pipe.student = None
    assert own.memory - estimate(pipe, speech, reference, settings).memory == weights_memory(make_student())
    seen: list[int] = []
    pipe = ReadPipeline(load_checkpoint(folder))
    pipe.transformer.register_forward_pre_hook(lambda _, inputs: seen.append(len(inputs[0])))
    pipe.sample(speech, reference, replace(settings, window=6))
    assert seen == [1] * 4


def test_steps_and_scales_outside_of_training_are_warned_of(folder):
    pipe = ReadPipeline(load_checkpoint(folder))
    told: list[str] = []
    pipe.sample(*records(), SamplingSettings(3, DistilledCFG(2.0, 1.0)), on_warning=told.append)
    assert len(told) == 2
    assert "steps is 3, but the student was trained for 4 or 2" in told[0]
    assert "alpha is 2, but the student was trained for -1 to 1" in told[1]
    told.clear()
    pipe.sample(*records(), SamplingSettings(2, SCALES), on_warning=told.append)
    assert not told


def test_a_checkpoint_without_a_student_refuses_in_one_sentence(tiny_checkpoint, tmp_path, capsys):
    pipe = ReadPipeline(load_checkpoint(tiny_checkpoint))
    for refused in (
        lambda: pipe.defaults.guidance_of("distilled"),
        lambda: pipe.sample(*records(), SamplingSettings(guidance=SCALES)),
        lambda: pipe.sample(*records(), SamplingSettings(4, SCALES)),
        lambda: velocity(pipe.transformer, SCALES),
        lambda: replace(pipe.defaults, guidance=SCALES),
    ):
        with pytest.raises(InputError, match=r"distilled, but .* no student"):
            refused()
    for name in ("portrait.png", "speech.wav"):
        (tmp_path / name).write_bytes(b"anything")
    files = ["--portrait", str(tmp_path / "portrait.png"), "--speech", str(tmp_path / "speech.wav")]
    files += ["--out", str(tmp_path / "out.mp4"), "--checkpoint", str(tiny_checkpoint)]
    assert main(["generate", *files, "--guidance", "distilled"]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "the checkpoint has no student" in error


def test_info_tells_of_it(folder, capsys):
    assert main(["info", str(folder)]) == 0
    told = capsys.readouterr().out
    assert "student     4 steps, distilled: alpha 0.5, beta 1.5" in told
    part = next(part for part in describe(folder).parts if part.name == "distilled")
    assert (part.class_name, part.parameters) == (
        "Student",
        sum(p.numel() for p in make_student().parameters()),
    )


def test_the_entry_in_the_defaults_is_optional_and_strict():
    values = {
        "_class_name": "AsynchronousNoiseScheduler",
        "shift": 1.0,
        "steps": 6,
        "guidance": {"kind": "none"},
        "window": 16,
        "halo": 3,
        "decode_chunk": 8,
        "decode_timestep": 0.0,
        "decode_noise_scale": 0.0,
    }
    assert SamplingDefaults.from_dict(values).distilled is None
    whole = SamplingDefaults.from_dict({**values, "distilled": {"steps": 4, "alpha": 0.0, "beta": 2.0}})
    assert whole.distilled == StudentDefaults(4, DistilledCFG(0.0, 2.0))
    assert SamplingDefaults.from_dict(whole.to_dict()) == whole
    for wrong in (3, {"steps": 4}, {"steps": 0, "alpha": 0.0, "beta": 2.0}, {"alpha": 0.0, "beta": 2.0}):
        with pytest.raises((InputError, KeyError)):
            SamplingDefaults.from_dict({**values, "distilled": wrong})


def test_a_part_and_its_defaults_belong_together(folder, tmp_path):
    broken = shutil.copytree(folder, tmp_path / "broken")
    file = broken / "scheduler" / "scheduler_config.json"
    values = json.loads(file.read_text())
    file.write_text(json.dumps({name: value for name, value in values.items() if name != "distilled"}))
    for read in (load_checkpoint, describe):
        with pytest.raises(CheckpointError, match="a part distilled, but no defaults"):
            read(broken)
    file.write_text(json.dumps(values))
    index = json.loads((broken / "model_index.json").read_text())
    assert index["format"] == 2
    shutil.rmtree(broken / "distilled")
    kept = {name: value for name, value in index.items() if name != "distilled"}
    (broken / "model_index.json").write_text(json.dumps(kept))
    for read in (load_checkpoint, describe):
        with pytest.raises(CheckpointError, match="no part distilled, but defaults"):
            read(broken)


def test_a_student_of_another_transformer_is_refused(components, tmp_path):
    other = Student({**TINY, "num_layers": 3}, rank=2)
    with pytest.raises(CheckpointError, match="distilled is of a transformer with num_layers 3"):
        save_checkpoint(tmp_path / "other", replace(components, distilled=other))


def tied(components, base=None) -> Student:
    """A student with the hash of a transformer's weights, the components' own if None."""
    tie = weights_print((base or components.transformer).state_dict())
    student = Student(dict(TINY), **SETTINGS, base_print=tie).eval().requires_grad_(False)
    student.load_state_dict(make_student().state_dict())
    return student


@pytest.mark.parametrize("stored", [None, torch.float16, torch.bfloat16])
def test_a_student_knows_its_transformer_in_every_type(components, tmp_path, stored):
    """The training had float32; a checkpoint may store and load another type."""
    own = replace(components, distilled=tied(components))
    with warnings.catch_warnings():
        warnings.simplefilter("error", ReadWarning)
        save_checkpoint(tmp_path / "own", own, dtype=stored)
        for dtype in (None, "stored", torch.bfloat16):
            load_checkpoint(tmp_path / "own", dtype=dtype)
        save_checkpoint(tmp_path / "again", load_checkpoint(tmp_path / "own"), dtype=torch.float16)
        load_checkpoint(tmp_path / "again")


def test_a_student_of_other_weights_is_warned_of_once(components, tmp_path):
    nearly = copy.deepcopy(components.transformer)
    nearly.transformer_blocks[1].attn1.to_q.weight.data.mul_(1.001)
    mixed = replace(components, distilled=tied(components, nearly))
    with pytest.warns(ReadWarning, match="made for other weights of the transformer"):
        save_checkpoint(tmp_path / "mixed", mixed)
    with pytest.warns(ReadWarning, match="made for other weights of the transformer") as told:
        load_checkpoint(tmp_path / "mixed")
    assert len(told) == 1


def test_a_transformer_from_a_file_is_noticed_when_the_student_samples(components, tmp_path):
    save_checkpoint(tmp_path / "own", replace(components, distilled=tied(components)))
    pipe = ReadPipeline(load_checkpoint(tmp_path / "own"))
    same = next((tmp_path / "own" / "transformer").glob("*.safetensors"))
    other = tmp_path / "other.safetensors"
    save_file({key: value * 1.01 for key, value in load_file(same).items()}, other)
    for file, count in ((same, 0), (other, 1)):
        override_weights(pipe.transformer, file)
        told: list[str] = []
        pipe.sample(*records(), SamplingSettings(2, SCALES), on_warning=told.append)
        assert len(told) == count
        assert all("made for other weights" in text for text in told)


def test_half_precision_is_stored_and_runs(components, tmp_path):
    save_checkpoint(tmp_path / "half", components, dtype=torch.float16)
    stored = load_file(next((tmp_path / "half" / "distilled").glob("*.safetensors")))
    assert {tensor.dtype for tensor in stored.values()} == {torch.float16}
    pipe = ReadPipeline(load_checkpoint(tmp_path / "half", dtype=torch.bfloat16))
    found = pipe.sample(*records(), SamplingSettings(guidance=SCALES))
    assert found.isfinite().all()
    whole = ReadPipeline(components).sample(*records(), SamplingSettings(guidance=SCALES))
    assert (found - whole).abs().mean() < 0.1 * whole.abs().mean()
    alone = load_model("distilled", tmp_path / "half" / "distilled")
    assert alone.steps == (4, 2)
