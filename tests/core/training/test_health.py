"""A loss or gradient that is not finite stops the training before its state is written."""

from __future__ import annotations

import json
import math

import pytest

from read_core.training.health import TrainingError
from read_core.training.loop import train

from .regression import Regression, assert_equal, exported, loop_config


@pytest.mark.parametrize("fault", ["loss", "gradient"])
def test_a_loss_that_is_not_finite_stops_and_leaves_the_last_good_state(tmp_path, fault):
    """Also between two rows of the log, and where only the gradient is broken."""

    class Breaks(Regression):
        steps = 0

        def loss(self, model, batch, noise):
            loss, logged = super().loss(model, batch, noise)
            self.steps += 1
            if self.steps == 3:
                zero = loss - loss.detach()
                loss = loss * math.nan if fault == "loss" else loss + zero.sqrt()
            return loss, logged

    config = loop_config(log_every=4)
    train(Regression(), config, tmp_path / "whole")
    train(Regression(), config, tmp_path / "parts", stop_after=4)
    with pytest.raises(TrainingError, match=r"step 7: .*not finite.*step-00000004"):
        train(Breaks(), config, tmp_path / "parts")
    assert [path.name for path in (tmp_path / "parts" / "state").iterdir()] == ["step-00000004"]
    assert not (tmp_path / "parts" / "export").exists()
    assert [
        json.loads(row)["step"] for row in (tmp_path / "parts" / "log.jsonl").read_text().splitlines()
    ] == [4]
    train(Regression(), config, tmp_path / "parts")
    assert_equal(exported(tmp_path / "parts"), exported(tmp_path / "whole"))


def test_a_run_without_a_state_says_so_when_it_is_not_finite(tmp_path):
    class Broken(Regression):
        def loss(self, model, batch, noise):
            loss, logged = super().loss(model, batch, noise)
            return loss * math.inf, logged

    with pytest.raises(TrainingError, match=r"step 1: .*no state"):
        train(Broken(), loop_config(), tmp_path)
    assert not (tmp_path / "state").exists()
