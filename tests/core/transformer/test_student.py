"""A student: nothing before training, the base untouched, one evaluation per step, equal bits when loaded."""

from __future__ import annotations

import copy
import json
import shutil
import threading
import warnings
from contextlib import suppress
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file, save_file

from read_core.ans import (
    DistilledCFG,
    JointCFG,
    LatentNoise,
    NoCFG,
    SplitCFG,
    guidance_from_dict,
    of_kind,
    reverse,
    timesteps,
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
from read_core.transformer import TINY, A2VTransformer3DModel, Student
from read_core.transformer.guided import GuidedVelocity
from read_core.transformer.merged import MergedStudent
from read_core.weights.fingerprint import weights_print
from read_core.weights.override import override_weights

SCALES = DistilledCFG(0.5, 1.5)
SETTINGS = {"rank": 3, "steps": [4, 2], "alpha": [-1.0, 1.0], "beta": [0.0, 3.0]}
WINDOW = 4


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def make_student(trained: bool = True) -> Student:
    torch.manual_seed(3)
    student = Student(dict(TINY), **SETTINGS).eval().requires_grad_(False)
    if trained:
        for parameter in student.parameters():
            parameter.normal_(std=0.2, generator=generator(parameter.numel()))
    return student


def make_base() -> A2VTransformer3DModel:
    torch.manual_seed(1)
    base = A2VTransformer3DModel(**TINY).eval().requires_grad_(False)
    for block in base.transformer_blocks:  # zero at first: speech would change nothing
        torch.nn.init.normal_(block.audio_attn.to_out[0].weight)
    return base


@pytest.fixture
def base() -> A2VTransformer3DModel:
    return make_base()


def velocity(base, guidance, student=None, steps=4, clips=2) -> GuidedVelocity:
    codes = torch.randn(1, 3 + (clips - 1) * 2, 3, 10, generator=generator(5))
    text = base.project_text(torch.randn(1, 5, 12, generator=generator(6)))
    return GuidedVelocity(base, codes, text, guidance, WINDOW, student=student, steps=steps)


def latents(items: int = 1) -> tuple[torch.Tensor, torch.Tensor]:
    z = torch.randn(items, 8, WINDOW, 2, 3, generator=generator(7))
    t = torch.tensor([0.0, 0.5, 0.75, 0.75]).expand(items, -1)
    return z, t


def test_an_untrained_student_is_the_conditional_velocity(base):
    student = make_student(trained=False)
    plain = velocity(base, NoCFG())(*latents(), [1])
    student.attach(base)
    assert torch.equal(velocity(base, SCALES, student)(*latents(), [1]), plain)
    trained = make_student()
    trained.attach(base)
    assert not torch.allclose(velocity(base, SCALES, trained)(*latents(), [1]), plain, atol=1e-2)


def test_the_base_is_the_same_before_between_and_after(base):
    guided = velocity(base, SplitCFG(0.5, 1.5))
    weights = {name: value.clone() for name, value in base.state_dict().items()}
    before = guided(*latents(), [0])
    student = make_student()
    student.attach(base)
    distilled = velocity(base, SCALES, student)
    distilled(*latents(), [0])
    assert torch.equal(guided(*latents(), [0]), before)
    assert base.state_dict().keys() == weights.keys()
    assert all(torch.equal(value, weights[name]) for name, value in base.state_dict().items())
    with pytest.raises(InputError):  # one that fails on the way does not leave the corrections behind
        distilled(latents()[0][:, :3], latents()[1], [0])
    assert torch.equal(guided(*latents(), [0]), before)


def test_it_equals_a_transformer_with_the_product_added_to_its_weights(base):
    """The corrections are those of a LoRA, the scales a summand of the time embedding."""
    student = make_student()
    merged = make_base()
    with torch.no_grad():
        for name in student.names:
            low = student.corrections.get_submodule(name)
            weights = (low.get_parameter(f"lora_{part}.weight") for part in "BA")
            merged.get_parameter(f"{name}.weight").add_(torch.matmul(*weights))
    condition = student.condition(torch.tensor([[0.5, 1.5, 4.0]]))
    embed = merged.time_embed.emb.forward
    merged.time_embed.emb.forward = lambda *args, **kwargs: embed(*args, **kwargs) + condition
    student.attach(base)
    found = velocity(base, SCALES, student)(*latents(), [1])
    torch.testing.assert_close(found, velocity(merged, NoCFG())(*latents(), [1]), atol=1e-4, rtol=1e-4)
    touched = set(student.names)
    assert {"proj_in", "proj_out", "time_embed.linear", "transformer_blocks.1.attn1.to_k"} <= touched
    assert not {"caption_projection.linear_1", "transformer_blocks.0.audio_attn.to_k"} & touched


def by_hooks(base, student, guidance=SCALES) -> torch.Tensor:
    """The velocity with the corrections in the forward pass, evaluated without GuidedVelocity."""
    own = velocity(base, guidance, student)
    z, t = latents()
    scales = torch.tensor([[guidance.alpha, guidance.beta, 4.0]])
    speech = base.project_speech(own.codes[:, :3])
    with student.applied():
        return base(z, t, speech, own.text, condition=student.condition(scales))


def test_merged_weights_are_there_only_during_an_evaluation(base):
    student = make_student()
    student.attach(base)
    own = {name: base.get_submodule(name).weight for name in student.names}
    bits = {name: weight.clone() for name, weight in own.items()}
    merged = MergedStudent(student)

    def untouched() -> bool:
        now = {name: base.get_submodule(name).weight for name in student.names}
        return all(now[n] is own[n] and torch.equal(now[n], bits[n]) for n in own)

    seen = []
    for error in (RuntimeError, KeyboardInterrupt):
        with suppress(error), merged.applied():
            seen.append(base.get_submodule("proj_in").weight)
            assert not untouched()
            raise error
        assert untouched()
    assert seen[0] is seen[1]  # merged once
    torch.testing.assert_close(velocity(base, SCALES, student)(*latents(), [0]), by_hooks(base, student))
    assert merged.merged


def test_weights_that_the_host_replaces_are_merged_anew(base):
    student = make_student()
    student.attach(base)
    distilled = velocity(base, SCALES, student)
    first = distilled(*latents(), [0])
    layer = base.transformer_blocks[0].ff.net[2]
    layer.weight = torch.nn.Parameter(layer.weight * 1.5, requires_grad=False)
    found = distilled(*latents(), [0])
    torch.testing.assert_close(found, by_hooks(base, student))
    assert not torch.allclose(found, first, atol=1e-3)
    merged = MergedStudent(student)
    for dtype in (torch.float32, torch.float16):
        torch.nn.Module.to(base, dtype)  # the same parameters, another type
        with merged.applied():
            assert merged.merged
            assert layer.weight.dtype == dtype


def test_where_merging_is_impossible_the_corrections_run_as_hooks(base):
    class Quantized(torch.nn.Linear):
        """A layer of a host, which converts its weight itself."""

        def forward(self, x):
            return torch.nn.functional.linear(x, self.weight.to(x.dtype), self.bias)

    student = make_student()
    student.attach(base)
    plain = base.proj_in
    quantized = Quantized(plain.in_features, plain.out_features).requires_grad_(False)
    quantized.load_state_dict(plain.state_dict())
    quantized.weight.data = quantized.weight.to(torch.float8_e4m3fn)
    quantized._forward_hooks = plain._forward_hooks
    base.proj_in = quantized
    merged = MergedStudent(student)
    with merged.applied():
        states = [student.active]
        assert base.proj_in.weight.dtype == torch.float8_e4m3fn
    assert not merged.merged
    assert [*states, student.active] == [True, False]
    assert torch.equal(velocity(base, SCALES, student)(*latents(), [0]), by_hooks(base, student))


def test_a_student_in_training_is_not_merged(base):
    student = make_student().requires_grad_(True)
    student.attach(base)
    distilled = velocity(base, SCALES, student)
    distilled(*latents(), [0]).sum().backward()
    assert student.corrections.proj_in.lora_B.weight.grad.abs().sum() > 0


def test_a_thread_with_the_teacher_waits_for_the_student(base):
    """While one thread evaluates the student, another thread's teacher keeps its own weights."""
    student = make_student()
    student.attach(base)
    teacher = velocity(base, SplitCFG(0.5, 1.5), student)
    expected = teacher(*latents(), [0])
    found = []
    thread = threading.Thread(target=lambda: found.append(teacher(*latents(), [0])))
    with MergedStudent(student).applied():
        thread.start()
        thread.join(0.2)
        assert not found
    thread.join()
    assert torch.equal(found[0], expected)


def test_attached_twice_it_corrects_once(base):
    student = make_student()
    student.attach(base)
    once = velocity(base, SCALES, student)(*latents(), [0])
    student.attach(base)
    assert torch.equal(velocity(base, SCALES, student)(*latents(), [0]), once)


@pytest.mark.parametrize("other", [DistilledCFG(0.6, 1.5), DistilledCFG(0.5, 1.4)])
def test_scales_and_steps_reach_it(base, other):
    student = make_student()
    student.attach(base)
    found = velocity(base, SCALES, student)(*latents(), [0])
    assert not torch.allclose(velocity(base, other, student)(*latents(), [0]), found, atol=1e-3)
    assert not torch.allclose(velocity(base, SCALES, student, steps=2)(*latents(), [0]), found, atol=1e-3)


def test_algorithm_1_runs_with_a_student_as_with_any_velocity(base):
    """A function written out here, with the transformer called directly, gives the same latents."""
    student = make_student()
    student.attach(base)
    own = velocity(base, SCALES, student, clips=3)
    noise = LatentNoise(4, 8, 2, 3)(0, own.codes.shape[1])
    z_r = torch.randn(1, 8, 1, 2, 3, generator=generator(2))
    condition = student.condition(torch.tensor([[0.5, 1.5, 4.0]]))

    def plain(z, t, clips):
        (clip,) = clips
        speech = base.project_speech(own.codes[:, 2 * clip : 2 * clip + 3])
        later = torch.tensor([clip > 0])
        with own.applied():
            return base(z, t, speech, own.text, continuation=later, condition=condition)

    found = reverse(own, noise, z_r, timesteps(4), WINDOW)
    assert torch.equal(found, reverse(plain, noise, z_r, timesteps(4), WINDOW))
    assert torch.equal(found, reverse(own, noise, z_r, timesteps(4), WINDOW, "steps"))
    batched = velocity(base, SCALES, student, clips=3)
    batched.kept_clips = 4
    torch.testing.assert_close(
        reverse(batched, noise, z_r, timesteps(4), WINDOW, "wavefront"), found, atol=1e-4, rtol=1e-4
    )


def test_kinds_convert_with_the_same_strengths():
    assert of_kind("distilled", SplitCFG(-1.0, 3.0)) == DistilledCFG(-1.0, 3.0)
    assert of_kind("distilled", JointCFG(2.5)) == DistilledCFG(0.0, 2.5)
    assert of_kind("distilled", NoCFG()) == DistilledCFG(0.0, 1.0)
    assert of_kind("split", DistilledCFG(-1.0, 3.0)) == SplitCFG(-1.0, 3.0)
    assert of_kind("split", JointCFG(2.5)) == SplitCFG(0.0, 2.5)
    assert of_kind("joint", DistilledCFG(-1.0, 3.0)) == JointCFG(3.0)
    assert guidance_from_dict({"kind": "distilled", "alpha": 1.0, "beta": 2.0}) == DistilledCFG(1.0, 2.0)
    for scales in ({"alpha": 21.0, "beta": 2.0}, {"alpha": 1.0, "beta": -1.0}):
        with pytest.raises(InputError):
            DistilledCFG(**scales)


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


def test_it_works_with_weights_that_are_offloaded_in_groups(base):
    student = make_student()
    student.attach(base)
    expected = velocity(base, SCALES, student)(*latents(), [1])
    for kind in ("leaf_level", "block_level"):
        offloaded = make_base()
        student = make_student()
        student.attach(offloaded)
        offloaded.enable_group_offload(
            onload_device=torch.device("cpu"),
            offload_device=torch.device("cpu"),
            offload_type=kind,
            num_blocks_per_group=1 if kind == "block_level" else None,
        )
        found = velocity(offloaded, SCALES, student)(*latents(), [1])
        torch.testing.assert_close(found, expected)  # by hooks here, merged there
