from __future__ import annotations

import pytest
import torch

from read_core.ans import Branch, JointCFG, NoCFG, SplitCFG, guidance_from_dict, of_kind
from read_core.errors import InputError


def velocities(count: int, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    return torch.randn(count, 2, 3, 4, 2, 2, generator=torch.Generator().manual_seed(1)).to(dtype)


def test_no_guidance_is_the_conditional_velocity():
    v = velocities(1)
    assert torch.equal(NoCFG().combine(v), v[0])
    assert NoCFG().branches == (Branch(speech=True, reference=True),)


@pytest.mark.parametrize("alpha", [-10.0, 2.0, 20.0])
def test_joint_guidance_is_equation_16(alpha):
    v = velocities(2)
    torch.testing.assert_close(JointCFG(alpha).combine(v), (1 - alpha) * v[0] + alpha * v[1])
    assert JointCFG(alpha).branches == (Branch(False, False), Branch(True, True))


@pytest.mark.parametrize(("alpha", "beta"), [(2.0, 6.0), (-1.5, 3.0), (20.0, 20.0)])
def test_split_guidance_is_equation_17(alpha, beta):
    v = velocities(3)
    expected = (1 - alpha - beta) * v[0] + alpha * v[1] + beta * v[2]
    torch.testing.assert_close(SplitCFG(alpha, beta).combine(v), expected, atol=1e-4, rtol=1e-5)
    assert SplitCFG(alpha, beta).branches == (Branch(False, False), Branch(False, True), Branch(True, True))


@pytest.mark.parametrize("scale", [0.0, 1.0, 2.7, 20.0])
def test_split_without_alpha_is_joint(scale):
    split, joint = SplitCFG(0.0, scale), JointCFG(scale)
    v = velocities(len(joint.branches))
    assert split.branches == joint.branches
    assert torch.equal(split.combine(v), joint.combine(v))


@pytest.mark.parametrize(
    ("guidance", "branches"),
    [
        (JointCFG(1.0), (Branch(True, True),)),
        (JointCFG(0.0), (Branch(False, False),)),
        (SplitCFG(0.0, 2.5), (Branch(False, False), Branch(True, True))),
        (SplitCFG(0.0, 1.0), (Branch(True, True),)),
        (SplitCFG(1.0, 0.0), (Branch(False, True),)),
        (SplitCFG(-1.0, 2.0), (Branch(False, True), Branch(True, True))),
        (SplitCFG(-10.0, 0.0), (Branch(False, False), Branch(False, True))),
    ],
)
def test_a_branch_of_factor_0_is_left_out(guidance, branches):
    assert guidance.branches == branches
    assert sum(guidance.weights) == 1
    v = velocities(len(branches))
    expected = sum(
        factor * v[branches.index(branch)] for factor, branch in guidance.terms if branch in branches
    )
    torch.testing.assert_close(guidance.combine(v), expected, atol=1e-4, rtol=1e-5)


@pytest.mark.parametrize("guidance", [NoCFG(), JointCFG(3.0), SplitCFG(-2.0, 6.0)])
def test_equal_branches_are_left_alone(guidance):
    v = velocities(1).expand(len(guidance.branches), -1, -1, -1, -1, -1)
    torch.testing.assert_close(guidance.combine(v), v[0], atol=1e-5, rtol=1e-5)


def test_half_precision_is_summed_in_float32():
    v = velocities(3, torch.bfloat16)
    assert torch.equal(SplitCFG(2.0, 6.0).combine(v), SplitCFG(2.0, 6.0).combine(v.float()))


@pytest.mark.parametrize(
    ("form", "scales"),
    [
        (JointCFG, {"alpha": -10.01}),
        (JointCFG, {"alpha": 20.01}),
        (JointCFG, {"alpha": float("nan")}),
        (JointCFG, {"alpha": "2"}),
        (SplitCFG, {"alpha": 21.0, "beta": 1.0}),
        (SplitCFG, {"alpha": 0.0, "beta": -0.1}),
        (SplitCFG, {"alpha": 0.0, "beta": 20.5}),
        (SplitCFG, {"alpha": 0.0, "beta": float("inf")}),
    ],
)
def test_scales_out_of_range_are_refused(form, scales):
    with pytest.raises(InputError, match="expected a number from"):
        form(**scales)


def test_a_wrong_number_of_velocities_is_refused():
    with pytest.raises(InputError, match="got 2 velocities; expected 3"):
        SplitCFG(1.0, 2.0).combine(velocities(2))


@pytest.mark.parametrize("guidance", [NoCFG(), JointCFG(-1.25), SplitCFG(2.0, 6.0)])
def test_guidance_survives_its_dictionary(guidance):
    assert guidance_from_dict(guidance.to_dict()) == guidance


def test_the_dictionary_form_is_what_checkpoints_keep():
    assert SplitCFG(2.0, 6.0).to_dict() == {"kind": "split", "alpha": 2.0, "beta": 6.0}
    assert JointCFG(2.0).to_dict() == {"kind": "joint", "alpha": 2.0}
    assert NoCFG().to_dict() == {"kind": "none"}


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"kind": "both"},
        {"kind": "joint"},
        {"kind": "split", "alpha": 1.0},
        {"kind": "none", "alpha": 1.0},
        {"kind": "joint", "alpha": None},
        {"kind": "joint", "alpha": 50.0},
    ],
)
def test_a_foreign_dictionary_is_refused(values):
    with pytest.raises(InputError):
        guidance_from_dict(values)


@pytest.mark.parametrize("given", [NoCFG(), JointCFG(2.5), SplitCFG(-1.0, 3.0)])
def test_another_kind_pulls_the_speech_as_hard(given):
    """By the weights: the branch that hears and sees has the same one, and that without speech none."""
    for kind in ("split", "joint"):
        other = of_kind(kind, given)
        assert other.kind == kind
        if kind != given.kind:
            assert other.terms[-1][0] == given.terms[-1][0]
            assert other.terms[0][0] == 1 - given.terms[-1][0]
    assert of_kind(given.kind, given) is given
    assert of_kind("none", given) == NoCFG()


def test_a_kind_that_there_is_not():
    with pytest.raises(InputError, match="triple"):
        of_kind("triple", NoCFG())
