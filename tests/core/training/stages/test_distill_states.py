"""States of stage distill: their times and scales, and those of rollouts against Algorithm 1 written out."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from read_core.ans import timesteps
from read_core.training.noise import SampleNoise
from read_core.training.stages.distill import DistillStage
from read_core.training.stages.distill_states import step_times

from .tiny_distill import STEPS, batch_of, disturb, stage_config


@pytest.fixture(scope="module")
def stage(clips_folder, tiny_checkpoint, tmp_path_factory) -> DistillStage:
    return DistillStage(stage_config(clips_folder, tiny_checkpoint, tmp_path_factory.mktemp("distill")))


@pytest.fixture(scope="module")
def rolling(clips_folder, tiny_checkpoint, tmp_path_factory) -> DistillStage:
    output = tmp_path_factory.mktemp("rolling")
    made = DistillStage(stage_config(clips_folder, tiny_checkpoint, output, rollout=2, start_share=0.0))
    disturb(made)
    return made


def test_the_motion_frame_is_at_the_students_next_time():
    schedule = timesteps(8, 2.0)
    found = step_times(schedule, torch.tensor([0, 3]), 2, torch.tensor([False, True]), 3)
    assert found.shape == (3, 2, 4)
    assert torch.equal(found[:, 0, 1], schedule[:3])
    assert torch.equal(found[:, 1, 1], schedule[8].expand(3))
    assert torch.equal(found[:, 1, 2], schedule[6:])
    assert torch.equal(found[:, 1, 2], found[:, 1, 3])
    assert torch.equal(found[:, :, 0], torch.zeros(3, 2))
    assert torch.equal(timesteps(4, 2.0), timesteps(8, 2.0)[::2])


def test_scales_fill_their_ranges_where_the_reference_counts(stage):
    found = stage.maker.draw_scales(SampleNoise(0, range(400)), torch.full((400,), 4))
    alpha, beta, steps = found.unbind(dim=1)
    assert (alpha >= 1 - beta - 1e-6).all()
    assert (alpha.min(), alpha.max()) == (pytest.approx(-1, abs=0.05), pytest.approx(1, abs=0.05))
    assert (beta.min(), beta.max()) == (pytest.approx(1, abs=0.05), pytest.approx(3, abs=0.05))
    assert (steps == 4).all()
    joint = replace(stage.maker, alpha=(0.0, 0.0), beta=(0.5, 2.0))
    found = joint.draw_scales(SampleNoise(0, range(40)), torch.full((40,), 4))
    assert (found[:, 0] == 0).all()  # JointCFG's scale is beta alone


def test_states_of_videos_are_noised_windows(stage):
    batch = batch_of(stage, 40, 4)
    states = stage.states(stage.model, batch, SampleNoise(1, range(40)))
    start = states.times[0, :, -1]
    assert set(start.tolist()) == set(timesteps(4, 1.5)[:-1].tolist())
    assert torch.equal(states.z[:, :, 0], batch["latents"][:, :, 0])
    ends = (states.times[0] == 0) & batch["continuation"][:, None]
    assert torch.equal(states.z.movedim(1, -1)[ends], batch["latents"].movedim(1, -1)[ends])
    pure = start == 1
    assert states.z[pure][:, :, 2:].std() == pytest.approx(1, abs=0.1)
    assert torch.equal(states.continuation, batch["continuation"])


@pytest.mark.parametrize("steps", STEPS)
def test_states_of_rollouts_are_those_of_algorithm_1(rolling, steps):
    """Written out for one video of two clips of three latents, with the student as a plain function."""
    batch = batch_of(rolling, 2, steps)
    assert batch["latents"].shape[2] == 6  # z_R and 3 + 2 latents
    states = rolling.states(rolling.model, batch, SampleNoise(5, range(2)))
    assert len(states.z) == 2 * 2 * steps
    model, student = rolling.transformer, rolling.student
    times = timesteps(steps, 1.5).tolist()
    drawn = SampleNoise(5, range(2))
    drawn.uniform(2)  # the scales
    noise = drawn.normal(8, 5, 2, 2)
    for sample in range(2):
        z_r, speech = batch["latents"][sample : sample + 1, :, :1], batch["speech"][sample : sample + 1]
        seen: list[torch.Tensor] = []
        trail: list[torch.Tensor] = []
        for clip in range(2):
            own = noise[sample : sample + 1, :, 2 * clip : 2 * clip + 3].clone()
            kept = []
            for step in range(steps):
                now, after = times[step], times[step + 1]
                if clip:
                    own[:, :, 0] = trail[step]
                z = torch.cat([z_r, own], dim=2)
                t = torch.tensor([[0.0, after if clip else now, now, now]])
                seen.append(z)
                place = sample * 2 * steps + clip * steps + step
                assert torch.equal(states.times[0, place], t[0])
                assert bool(states.continuation[place]) == bool(clip)
                codes = speech[:, 2 * clip : 2 * clip + 3]
                assert torch.equal(states.codes[place], codes[0])
                with torch.no_grad(), student.applied():
                    velocity = model(
                        z,
                        t,
                        model.project_speech(codes),
                        model.project_text(rolling.prompt),
                        continuation=torch.tensor([clip > 0]),
                        condition=student.condition(states.scales[place : place + 1]),
                    )
                own[:, :, 1:] += (after - now) * velocity[:, :, 2:]
                if not clip:
                    own[:, :, 0] += (after - now) * velocity[:, :, 1]
                kept.append(own[:, :, -1].clone())
            trail = kept
        found = states.z[sample * 2 * steps : (sample + 1) * 2 * steps]
        torch.testing.assert_close(found, torch.cat(seen), atol=1e-4, rtol=1e-4)
    loss, _ = rolling.loss(rolling.model, batch, SampleNoise(5, range(2)))
    loss.backward()
    assert loss.isfinite()
