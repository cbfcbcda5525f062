"""Stage distill: its target against a plain loop, what the student sees, and that it learns."""

from __future__ import annotations

import shutil

import pytest
import torch
from pydantic import ValidationError
from safetensors.torch import load_file

from read_core import ReadPipeline
from read_core.ans import DistilledCFG, JointCFG, SplitCFG
from read_core.checkpoint import load_checkpoint, load_model
from read_core.speech import SpeechAE
from read_core.training.assemble import assemble
from read_core.training.config import ConfigError
from read_core.training.loop import train
from read_core.training.noise import SampleNoise
from read_core.training.stages.distill import DistillConfig, DistillStage
from read_core.training.stages.distill_loss import average_velocity
from read_core.training.stages.distill_model import student_velocity
from read_core.training.stages.speech_variants import encode_windows
from read_core.weights.fingerprint import weights_print

from ..test_assemble import make_config
from .tiny_distill import STEPS, TEACHER, batch_of, disturb, stage_config


@pytest.fixture(scope="module")
def config(clips_folder, tiny_checkpoint, tmp_path_factory) -> DistillConfig:
    return stage_config(clips_folder, tiny_checkpoint, tmp_path_factory.mktemp("distill"))


@pytest.fixture(scope="module")
def stage(config) -> DistillStage:
    return DistillStage(config)


def branch(stage, z, t, codes, continuation, speech, reference) -> torch.Tensor:
    """The teacher's velocity of one branch, without the stage."""
    model = stage.transformer
    stage.student.active = False
    with torch.no_grad():
        return model(
            z,
            t,
            model.project_speech(codes, torch.full((len(z),), speech)),
            model.project_text(stage.prompt),
            torch.full((len(z),), reference),
            continuation,
        )


@pytest.mark.parametrize("steps", STEPS)
def test_the_target_is_a_loop_of_guided_steps_of_the_teacher(stage, steps):
    """Written out item by item: Split-CFG, Euler, the times that lie between two of the student's."""
    states = stage.states(stage.model, batch_of(stage, 5, steps), SampleNoise(2, range(5)))
    with torch.no_grad():
        target = average_velocity(stage.teacher(stage.model, states), states.z, states.times)
    fine = [1.5 * x / (1 + 0.5 * x) for x in (1 - i / TEACHER for i in range(TEACHER + 1))]
    for item in range(5):
        alpha, beta, count = states.scales[item].tolist()
        assert count == steps
        assert -1 <= alpha <= 1 <= beta <= 3
        z, start = states.z[item : item + 1].clone(), states.times[0, item, -1].item()
        first = min(range(TEACHER), key=lambda i: abs(fine[i] - start))
        assert first % (TEACHER // steps) == 0
        later = bool(states.continuation[item])
        last = first + TEACHER // steps
        for step in range(first, last):
            now, after = fine[step], fine[step + 1]
            motion = fine[last] if later else now
            t = torch.tensor([[0.0, motion, now, now]])
            codes, continuation = states.codes[item : item + 1], states.continuation[item : item + 1]
            none, face, both = (
                branch(stage, z, t, codes, continuation, *sees)
                for sees in ((False, False), (False, True), (True, True))
            )
            velocity = (1 - alpha - beta) * none + alpha * face + beta * both
            for frame in range(2 if later else 1, 4):
                z[:, :, frame] += (after - now) * velocity[:, :, frame]
        # One Euler step with the target ends where the loop does.
        one_step = states.z[item] + (fine[last] - fine[first]) * target[item]
        torch.testing.assert_close(one_step, z[0], atol=2e-4, rtol=2e-4)
        assert torch.equal(target[item, :, 0], torch.zeros_like(target[item, :, 0]))


def test_without_alpha_the_teacher_is_guided_jointly(config):
    joint = config.model_copy(update={"alpha": (0.0, 0.0)})
    assert joint.teacher(0.0, 2.5) == JointCFG(2.5)
    assert config.teacher(0.5, 2.5) == SplitCFG(0.5, 2.5)
    assert config.middle == DistilledCFG(0.0, 2.0)


def test_the_average_of_a_known_flow():
    """dz/dt = z has the solution e^t; many Euler steps come near to it, and standing latents stay out."""
    count = 4000
    times = torch.linspace(0.9, 0.4, count + 1)[:, None, None].repeat(1, 1, 3)
    times[:, :, 0] = 0.2
    z = torch.ones(1, 2, 3, 1, 1)
    found = average_velocity(lambda z, _: z, z, times)
    expected = (1 - torch.exp(torch.tensor(-0.5))) / 0.5
    torch.testing.assert_close(found[:, :, 1:], expected.expand(1, 2, 2, 1, 1), atol=1e-3, rtol=0)
    assert torch.equal(found[:, :, 0], torch.zeros(1, 2, 1, 1))


def test_only_the_student_is_trained_and_a_new_one_is_the_conditional_branch(stage):
    trained = {name for name, p in stage.model.named_parameters() if p.requires_grad}
    assert trained == {f"student.{name}" for name, _ in stage.student.named_parameters()}
    states = stage.states(stage.model, batch_of(stage, 3, 4), SampleNoise(3, range(3)))
    with torch.no_grad():
        found = student_velocity(stage.model, stage.prompt, states)
    expected = branch(stage, states.z, states.times[0], states.codes, states.continuation, True, True)
    assert torch.equal(found, expected)


def test_samples_of_a_step_share_the_number_of_steps(stage):
    size = stage.dataset.step
    groups = [{int(stage.dataset[s * size + i]["steps"]) for i in range(size)} for s in range(12)]
    assert all(len(group) == 1 for group in groups)
    assert set().union(*groups) == set(STEPS)


def test_halves_of_a_batch_have_the_loss_of_the_whole(stage):
    batch = batch_of(stage, 8, 2)

    def loss(first, last):
        part = {name: value[first:last] for name, value in batch.items()}
        return stage.loss(stage.model, part, SampleNoise(3, range(first, last)))[0].item()

    assert loss(0, 8) == pytest.approx((loss(0, 4) + loss(4, 8)) / 2, rel=1e-4)


def test_gradient_checkpointing_changes_no_gradient(stage, config):
    """The blocks are called again in the backward pass, where the corrections must still be there."""
    batch = batch_of(stage, 4, 4)

    def gradients(asked):
        made = DistillStage(config.model_copy(update={"gradient_checkpointing": asked}))
        disturb(made)
        made.model.train()
        made.loss(made.model, batch, SampleNoise(1, range(4)))[0].backward()
        return {name: p.grad for name, p in made.student.named_parameters()}

    plain, saving = gradients(False), gradients(True)
    assert all(value.abs().max() > 0 for value in plain.values())
    for name, value in plain.items():
        torch.testing.assert_close(saving[name], value)


def test_it_learns_is_exported_and_makes_videos_in_a_checkpoint(config, tiny_checkpoint, tmp_path):
    """A few steps on one batch bring it much nearer to the teacher than one step of the teacher is."""
    stage = DistillStage(config)
    batch = batch_of(stage, 8, 2)
    optimizer = torch.optim.Adam(stage.student.parameters(), 1e-2)
    losses = []
    for _ in range(40):
        loss, _ = stage.loss(stage.model, batch, SampleNoise(0, range(8)))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.5 * losses[0]

    (tmp_path / "export").mkdir()
    with torch.no_grad():
        stage.sheet(stage.model, tmp_path / "sheet.png")
        figures = stage.export(stage.model, tmp_path / "export")
    assert (tmp_path / "sheet.png").stat().st_size > 0
    assert figures.keys() == {"student_4", "one_step_4", "student_2", "one_step_2"}
    assert all(value > 0 for value in figures.values())
    loaded = load_model("distilled", tmp_path / "export")
    state = stage.student.state_dict()
    assert all(torch.equal(value, state[name]) for name, value in loaded.state_dict().items())
    assert (loaded.steps, loaded.alpha, loaded.beta) == (STEPS, (-1.0, 1.0), (1.0, 3.0))
    teacher = load_model("transformer", config.transformer)
    assert loaded.base_print == weights_print(teacher.state_dict())

    own = {"defaults.distilled": {"steps": 4, "alpha": 0.0, "beta": 2.0}, "dtype": "float32"}
    parts = {"distilled": str(tmp_path / "export"), **own}
    assemble(make_config(tiny_checkpoint, tmp_path / "made", **parts))
    pipe = ReadPipeline(load_checkpoint(tmp_path / "made"))
    assert pipe.defaults.distilled is not None
    assert pipe.student is not None
    assert pipe.defaults.distilled.guidance == DistilledCFG(0.0, 2.0)
    assert all(torch.equal(value, state[name]) for name, value in pipe.student.state_dict().items())
    with pytest.raises(ConfigError, match="train stage distill first"):
        assemble(make_config(tiny_checkpoint, tmp_path / "again", distilled="nowhere"))

    later = DistillStage(config.model_copy(update={"initial": tmp_path / "export", "steps": (2,)}))
    assert later.student.steps == (2,)
    assert all(torch.equal(value, state[name]) for name, value in later.student.state_dict().items())
    with pytest.raises(ConfigError, match="expected the ranges of this training"):
        DistillStage(config.model_copy(update={"initial": tmp_path / "export", "beta": (1.0, 2.0)}))


def test_the_loop_stops_and_goes_on(clips_folder, tiny_checkpoint, tmp_path):
    def run(folder, **stop):
        loop = {"steps": 4, "batch_size": 2, "learning_rate": 1e-3, "log_every": 1, "ema": 0.9}
        made = stage_config(clips_folder, tiny_checkpoint, tmp_path / folder, loop=loop)
        return train(DistillStage(made), made.loop, made.output, **stop)

    run("whole")
    run("parts", stop_after=2)
    run("parts")
    whole, parts = (
        load_file(next((tmp_path / name / "export").glob("*.safetensors"))) for name in ("whole", "parts")
    )
    assert all(torch.equal(value, parts[name]) for name, value in whole.items())


def test_a_speech_ae_that_was_trained_along_makes_the_codes(clips_folder, tiny_checkpoint, tmp_path):
    """The latents are those of stage a2v, made with the SpeechAE before that training."""
    teacher = shutil.copytree(tiny_checkpoint / "transformer", tmp_path / "a2v")
    torch.manual_seed(9)
    along = SpeechAE(speech_window=30, feature_dim=16, code_window=3, code_dim=10, hidden_dim=12)
    along.save_pretrained(teacher / "speech_ae")
    before = DistillStage(stage_config(clips_folder, tiny_checkpoint, tmp_path / "before"))
    after = DistillStage(stage_config(clips_folder, tiny_checkpoint, tmp_path / "after", transformer=teacher))
    features = sorted((tmp_path / "after" / "speech" / "train").iterdir())
    for index in range(3):
        old, new = before.dataset[index], after.dataset[index]
        assert torch.equal(old["latents"], new["latents"])
        codes = after._codes(new["speech"][None])[0]
        assert codes.shape == old["speech"].shape
        assert not torch.allclose(codes, old["speech"], atol=1e-2)
    window = after.held_out[0]["speech"][None]
    expected = encode_windows(along.eval(), window)
    torch.testing.assert_close(after._codes(window), expected)
    batch = batch_of(after, 2, 4)
    states = after.states(after.model, batch, SampleNoise(0, range(2)))
    torch.testing.assert_close(states.codes, encode_windows(along, batch["speech"]))
    again = stage_config(
        clips_folder,
        tiny_checkpoint,
        tmp_path / "again",
        transformer=teacher,
        features=tmp_path / "after" / "speech",
    )
    stamps = [file.stat().st_mtime_ns for file in features]
    DistillStage(again)
    assert [file.stat().st_mtime_ns for file in features] == stamps
    assert not (tmp_path / "again" / "speech").exists()


def test_footage_is_taken_too(footage, tiny_checkpoint, tmp_path):
    values = {"clips": None, "latents": None, "footage": footage}
    stage = DistillStage(stage_config(tmp_path, tiny_checkpoint, tmp_path / "out", **values))
    states = stage.states(stage.model, batch_of(stage, 2, 4), SampleNoise(0, range(2)))
    assert states.codes.shape == (2, 3, 3, 10)
    loss, _ = stage.loss(stage.model, batch_of(stage, 2, 4), SampleNoise(0, range(2)))
    assert loss.isfinite()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"steps": (4, 3)}, "teacher_steps is 8; expected a multiple"),
        ({"steps": ()}, "steps"),
        ({"steps": (0,)}, "steps"),
        ({"beta": (3.0, 1.0)}, "beta is from 3.0 to 1.0"),
        ({"beta": (1.0, 30.0)}, "beta"),
        ({"latents": None}, "either footage, or clips and latents"),
        ({"rollout": -1}, "rollout"),
    ],
)
def test_what_is_wrong_in_a_configuration_is_named(clips_folder, tiny_checkpoint, tmp_path, changes, words):
    with pytest.raises(ValidationError, match=words):
        stage_config(clips_folder, tiny_checkpoint, tmp_path, **changes)


def test_a_missing_teacher_is_named(config, tmp_path):
    with pytest.raises(ConfigError, match=r"transformer is .*nothing.*train stage a2v first"):
        DistillStage(config.model_copy(update={"transformer": tmp_path / "nothing"}))
    with pytest.raises(ConfigError, match="train stage distill first"):
        DistillStage(config.model_copy(update={"initial": tmp_path / "nothing"}))
