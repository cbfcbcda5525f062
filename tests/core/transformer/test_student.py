"""A student: nothing before training, the base untouched, one evaluation per step, merged or by hooks."""

from __future__ import annotations

import threading
from contextlib import suppress

import pytest
import torch

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
from read_core.errors import InputError
from read_core.transformer import TINY, A2VTransformer3DModel, Student
from read_core.transformer.guided import GuidedVelocity
from read_core.transformer.merged import MergedStudent

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
