"""The log of a run: its rows, contact sheets and TensorBoard's files, also after a kill."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageSequence
from safetensors.torch import load_file
from torch import nn

from read_core.training.config import ConfigError
from read_core.training.loop import train
from read_core.training.pictures import save_clips, save_rows

from .regression import STEPS, Regression, assert_equal, exported, loop_config


def test_logs_and_sheets_come_when_they_should(tmp_path):
    train(Regression(), loop_config(log_every=4, sheet_every=6), tmp_path)
    rows = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == [4, 8, 12]
    assert all(row["double"] == pytest.approx(2 * row["loss"]) for row in rows)
    sheets = sorted((tmp_path / "sheets").iterdir())
    assert [int(sheet.stem) for sheet in sheets] == [6, 12]
    assert_equal(load_file(sheets[1]), exported(tmp_path))


class Drawing(Regression):
    def sheet(self, model: nn.Module, path: Path) -> None:
        weight = model.get_parameter("0.weight").detach()
        save_rows([[(weight[..., None] * 3 + 0.5).expand(-1, -1, 3)]], path)


class Moving(Drawing):
    """Its sheet has a video: eight frames, each brighter than the last, of twice the GIF's height."""

    def sheet(self, model: nn.Module, path: Path) -> None:
        super().sheet(model, path)
        levels = torch.arange(8.0)[:, None, None, None] / 8
        save_clips(
            [levels.expand(-1, 512, 320, 3), 1 - levels.expand(-1, 512, 320, 3)], path.with_suffix(".mp4")
        )


def test_tensorboard_shows_videos_as_gifs_of_half_of_the_frames(tmp_path):
    reader = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    train(Moving(), loop_config(tensorboard=True, sheet_every=6), tmp_path)
    events = reader.EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    assert [event.step for event in events.Images("video")] == [6, 12]
    event = events.Images("video")[0]
    gif = Image.open(io.BytesIO(event.encoded_image_string))
    frames = ImageSequence.all_frames(gif)
    assert (gif.format, len(frames), gif.size) == ("GIF", 4, (320, 256))
    assert (event.height, event.width) == (256, 320)
    assert gif.info["duration"] == 80
    for index, frame in enumerate(frames):
        shown = np.asarray(frame.convert("RGB")).astype(float) / 255
        assert shown[:, :150].mean() == pytest.approx(2 * index / 8, abs=0.03)
        assert shown[:, 170:].mean() == pytest.approx(1 - 2 * index / 8, abs=0.03)


def test_tensorboard_shows_the_log_and_the_sheets(tmp_path, crash):
    """Once each, though a kill makes some steps come again."""
    reader = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    config = loop_config(tensorboard=True, sheet_every=6)
    train(Drawing(), config, tmp_path, stop_after=4)
    crash()
    with pytest.raises(KeyboardInterrupt):
        train(Drawing(), config, tmp_path, stop_after=4)
    train(Drawing(), config, tmp_path)
    events = reader.EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    rows = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert events.Tags()["scalars"] == ["loss", "double", "norm"]
    for name in ("loss", "double", "norm"):
        found = [(event.step, event.value) for event in events.Scalars(name)]
        assert found == [(row["step"], pytest.approx(row[name], rel=1e-6)) for row in rows]
    assert [event.step for event in events.Images("sheet")] == [6, 12]
    for event in events.Images("sheet"):
        shown = Image.open(io.BytesIO(event.encoded_image_string)).convert("RGB")
        assert shown.tobytes() == Image.open(tmp_path / "sheets" / f"{event.step:07d}.png").tobytes()


def test_a_missing_tensorboard_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(ConfigError, match="package tensorboard"):
        train(Regression(), loop_config(tensorboard=True), tmp_path)


def test_rows_that_come_again_after_a_kill_are_in_the_log_once(tmp_path, crash):
    train(Regression(), loop_config(), tmp_path, stop_after=4)
    crash()
    with pytest.raises(KeyboardInterrupt):
        train(Regression(), loop_config(), tmp_path, stop_after=4)
    with (tmp_path / "log.jsonl").open("a") as log:
        log.write('{"step": 9, "lo')  # a kill in the middle of a row
    train(Regression(), loop_config(), tmp_path)
    rows = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == list(range(1, STEPS + 1))


def test_figures_are_read_only_at_the_steps_that_are_logged(tmp_path):
    """Reading one waits for the device."""

    class Counting(Regression):
        read = 0

        def loss(self, model, batch, noise):
            loss, logged = super().loss(model, batch, noise)
            stage = self

            class Scalar(torch.Tensor):
                def item(self):
                    stage.read += 1
                    return super().item()

            return loss, {name: value.as_subclass(Scalar) for name, value in logged.items()}

    stage = Counting()
    train(stage, loop_config(log_every=4), tmp_path)
    assert stage.read == STEPS / 4
