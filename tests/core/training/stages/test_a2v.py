"""Stage a2v: its loss against a plain loop, what it hides from the model, and that it learns."""

from __future__ import annotations

import pytest
import torch
from PIL import Image

from read_core.training.config import ConfigError
from read_core.training.noise import SampleNoise
from read_core.training.stages.a2v import A2VConfig, A2VStage, Dropout, Times, motion_weights
from read_core.training.stages.prompt import make_prompt
from read_core.transformer import TINY, A2VTransformer3DModel


def stage_config(clips, checkpoint, output, **changes) -> A2VConfig:
    values = {
        "stage": "a2v",
        "output": output,
        "clips": clips,
        "vae": checkpoint / "vae",
        "whisper": checkpoint / "whisper",
        "speech_ae": checkpoint / "speech_ae",
        "latents": output / "latents",
        "model": dict(TINY),
        "windows": (4,),
        "loop": {"steps": 20, "batch_size": 4, "learning_rate": 1e-3},
    }
    return A2VConfig.model_validate({**values, **changes})


@pytest.fixture(scope="module")
def config(clips_folder, tiny_checkpoint, tmp_path_factory) -> A2VConfig:
    return stage_config(clips_folder, tiny_checkpoint, tmp_path_factory.mktemp("a2v"))


@pytest.fixture(scope="module")
def stage(config) -> A2VStage:
    return A2VStage(config)


class Recorder:
    """Stands where the loop's compiled model would: keeps what it is given, answers with fixed velocities."""

    def __call__(self, noisy, times, speech, prompt, masks, continuation, prompt_mask=None):
        self.noisy, self.times, self.heard, self.continuation = noisy, times, speech, continuation
        self.speech, self.reference = masks
        self.velocity = torch.randn(noisy.shape, generator=generator(99))
        return self.velocity


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def noise(seed: int, count: int) -> SampleNoise:
    return SampleNoise(seed, range(count))


def random_batch(count: int, frames: int = 4, side: int = 2) -> dict[str, torch.Tensor]:
    return {
        "latents": torch.randn(count, 8, frames, side, side, generator=generator(0)),
        "speech": torch.randn(count, frames - 1, 3, 10, generator=generator(1)),
        "continuation": torch.rand(count, generator=generator(2)) < 0.7,
        "eyes": torch.rand(count, side, side, generator=generator(3)),
    }


def test_the_loss_is_eq_15_over_the_frames_that_are_generated(stage, monkeypatch):
    """z_R's frame and motion frames of time 0 are left out; places count by how much they move."""
    count = 80
    monkeypatch.setattr(stage, "config", stage.config.model_copy(update={"eyes_weight": 2.0}))
    batch, seen = random_batch(count), Recorder()
    loss, figures = stage.loss(seen, batch, noise(5, count))
    assert (seen.times[:, 0] == 0).all()
    clean_motion = (seen.times[:, 1] == 0).sum().item()
    assert clean_motion > 0
    samples, motion = [], []
    places = motion_weights(batch["latents"], stage.config.motion_weight, 2.0 * batch["eyes"])
    for b in range(count):
        terms = []
        for frame in range(1, 4):
            t = seen.times[b, frame].item()
            if t == 0:
                continue
            clean = batch["latents"][b, :, frame]
            eps = (seen.noisy[b, :, frame] - (1 - t) * clean) / t
            term = 0.0
            for row in range(2):
                for column in range(2):
                    error = seen.velocity[b, :, frame, row, column] - (eps - clean)[:, row, column]
                    term += places[b, row, column].item() * error.square().mean().item() / 4
            terms.append(term)
            if frame == 1:
                motion.append(term)
        samples.append(sum(terms) / len(terms))
    assert len(motion) == count - clean_motion
    assert loss.item() == pytest.approx(sum(samples) / count, rel=1e-3)
    assert figures["motion_frame"] == pytest.approx(sum(motion) / len(motion), rel=1e-3)


def test_the_reference_and_clean_frames_reach_the_model_untouched(stage):
    batch, seen = random_batch(80), Recorder()
    stage.loss(seen, batch, noise(5, 80))
    assert torch.equal(seen.noisy[:, :, 0], batch["latents"][:, :, 0])
    clean = seen.times == 0
    assert torch.equal(seen.noisy.movedim(1, -1)[clean], batch["latents"].movedim(1, -1)[clean])
    assert torch.equal(seen.heard, batch["speech"])
    assert torch.equal(seen.continuation, batch["continuation"])


def test_only_windows_that_continue_have_a_cleaner_motion_frame(stage):
    batch, seen = random_batch(200), Recorder()
    stage.loss(seen, batch, noise(6, 200))
    motion, later = seen.times[:, 1], seen.times[:, 2:]
    assert (later == later[:, :1]).all()
    assert torch.equal(motion < later[:, 0], batch["continuation"])
    assert (motion <= later[:, 0]).all()


def test_synchronous_training_has_no_motion_frame(stage, config):
    kept = stage.config
    stage.config = config.model_copy(update={"times": Times(synchronous=True)})
    seen = Recorder()
    stage.loss(seen, random_batch(50), noise(6, 50))
    stage.config = kept
    assert torch.equal(seen.times[:, 1], seen.times[:, 2])


def test_conditions_are_dropped_at_their_shares(stage, config):
    kept = stage.config
    stage.config = config.model_copy(update={"dropout": Dropout(both=0.2, speech=0.3)})
    seen, count = Recorder(), 4000
    stage.loss(seen, random_batch(count, frames=3), noise(7, count))
    stage.config = kept
    neither = (~seen.speech & ~seen.reference).sum().item() / count
    alone = (~seen.speech & seen.reference).sum().item() / count
    assert not (seen.speech & ~seen.reference).any()
    assert neither == pytest.approx(0.2, abs=0.025)
    assert alone == pytest.approx(0.3, abs=0.03)


def test_the_same_noise_gives_the_same_loss(stage):
    batch = random_batch(4)
    losses = [stage.loss(stage.model, batch, noise(seed, 4))[0].item() for seed in (1, 1, 2)]
    assert losses[0] == losses[1] != losses[2]


def test_places_that_move_weigh_more():
    """Of four places one is still, two move by 1 and one by 2 a frame, each window's in another order."""
    frames = torch.arange(5.0)[:, None, None]
    first, second = torch.tensor([[0.0, 1], [1, 2]]), torch.tensor([[2.0, 1], [0, 1]])
    windows = torch.stack([frames * steps for steps in (first, second)])[:, None].repeat(1, 3, 1, 1, 1)
    windows[:, :, 0] = 100.0  # z_R is of another moment and does not count
    weights = motion_weights(windows, more=3.0)
    for found, steps in zip(weights, (first, second), strict=True):
        torch.testing.assert_close(found, (1 + 3 * steps) / 4)
    extra = torch.tensor([[[4.0, 0], [0, 0]]]).repeat(2, 1, 1)
    for found, steps in zip(motion_weights(windows, 3.0, extra), (first, second), strict=True):
        torch.testing.assert_close(found, (1 + 3 * steps + extra[0]) / 5)
    assert torch.equal(motion_weights(windows, more=0.0), torch.ones(2, 2, 2))


def test_a_still_window_weighs_alike():
    assert torch.equal(motion_weights(torch.ones(1, 3, 4, 2, 2), more=3.0), torch.ones(1, 2, 2))


def test_a_few_steps_lower_the_loss_and_the_export_loads_strictly(config, tmp_path):
    stage = A2VStage(config)
    batch = {k: torch.stack([stage.dataset[i][k] for i in range(8)]) for k in stage.dataset[0]}
    optimizer = torch.optim.Adam(stage.model.parameters(), 3e-3)
    losses = []
    for _ in range(25):
        loss, _ = stage.loss(stage.model, batch, noise(0, 8))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.8 * losses[0]

    with torch.no_grad():
        figures = stage.export(stage.model, tmp_path)
        stage.sheet(stage.model, tmp_path / "sheet.png")
    assert (tmp_path / "sheet.png").stat().st_size > 0
    fixed = {"loss_0.2", "loss_0.5", "loss_0.8"}
    assert figures.keys() == fixed | {"motion_frame_own", "motion_frame_portrait"}
    assert all(0 < value < 20 for value in figures.values())
    loaded, report = A2VTransformer3DModel.from_pretrained(tmp_path, output_loading_info=True)
    assert not any(report.values())
    state = stage.transformer.state_dict()
    assert state.keys() == loaded.state_dict().keys()
    assert all(torch.equal(value, state[name]) for name, value in loaded.state_dict().items())


def test_halves_of_a_batch_have_the_loss_of_the_whole(stage):
    """Also where a motion frame is clean and does not count: the loss is a mean over samples."""
    batch = random_batch(40)

    def loss(first, last):
        part = {name: value[first:last] for name, value in batch.items()}
        return stage.loss(stage.model, part, SampleNoise(3, range(first, last)))[0].item()

    assert loss(0, 40) == pytest.approx((loss(0, 20) + loss(20, 40)) / 2, rel=1e-5)


def test_gradient_checkpointing_keeps_less_and_changes_no_gradient(stage, config):
    batch = random_batch(4)
    kept: dict[bool, int] = {}

    def gradients(asked):
        made = A2VStage(config.model_copy(update={"gradient_checkpointing": asked}))
        made.model.load_state_dict(stage.model.state_dict())
        made.model.train()

        def keep(tensor):
            kept[asked] = kept.get(asked, 0) + tensor.nbytes
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            loss, _ = made.loss(made.model, batch, noise(1, 4))
        loss.backward()
        return {name: p.grad for name, p in made.model.named_parameters()}

    plain, saving = gradients(False), gradients(True)
    for name, value in plain.items():
        torch.testing.assert_close(saving[name], value)
    assert kept[True] < 0.5 * kept[False]


def test_an_earlier_transformer_is_gone_on_from(config, stage, tmp_path):
    stage.transformer.save_pretrained(tmp_path / "earlier")
    later = A2VStage(config.model_copy(update={"initial": tmp_path / "earlier"}))
    state = stage.transformer.state_dict()
    assert all(torch.equal(value, state[name]) for name, value in later.transformer.state_dict().items())


def test_the_prompt_is_the_same_every_time():
    assert torch.equal(make_prompt(3, 12), make_prompt(3, 12))
    assert make_prompt(3, 12).shape == (1, 3, 12)


def test_missing_components_are_named(config, tmp_path):
    for stage in ("vae", "whisper", "speech_ae"):
        missing = config.model_copy(update={stage: tmp_path / "nothing"})
        with pytest.raises(ConfigError, match=f"train stage {stage} first"):
            A2VStage(missing)


@pytest.mark.parametrize("window", [3, 4])
def test_the_sheet_of_short_windows_can_be_drawn(clips_folder, tiny_checkpoint, tmp_path, window):
    stage = A2VStage(stage_config(clips_folder, tiny_checkpoint, tmp_path, windows=(window,)))
    stage.sheet(stage.model.eval(), tmp_path / "sheet.png")
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.height > sheet.width // 4
