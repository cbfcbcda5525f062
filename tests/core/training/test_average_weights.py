"""The mean of two rounds of a part."""

from __future__ import annotations

import average_weights
import pytest
import torch
from average_weights import average_folders
from safetensors.torch import load_file, save_file

from read_core.speech import SpeechAE


def speech_ae(seed: int, hidden: int = 16) -> SpeechAE:
    torch.manual_seed(seed)
    return SpeechAE(feature_dim=8, hidden_dim=hidden)


def test_every_weight_is_the_mean_and_the_part_loads(tmp_path):
    rounds = [speech_ae(seed) for seed in (0, 1)]
    for name, model in zip(("before", "after"), rounds, strict=True):
        model.save_pretrained(tmp_path / name / "speech_ae")
    arguments = [str(tmp_path / "before"), str(tmp_path / "after"), "--share", "0.75"]
    assert average_weights.main([*arguments, "--out", str(tmp_path / "mean")]) == 0
    mean = SpeechAE.from_pretrained(tmp_path / "mean" / "speech_ae").state_dict()
    before, after = (model.state_dict() for model in rounds)
    assert mean.keys() == before.keys()
    for name, weight in mean.items():
        torch.testing.assert_close(weight, before[name] / 4 + 3 * after[name] / 4)


def test_float16_is_averaged_in_float32(tmp_path):
    for name, value in (("before", 1.0), ("after", 1.001)):
        (tmp_path / name).mkdir()
        save_file({"a": torch.tensor([value], dtype=torch.float16)}, tmp_path / name / "model.safetensors")
    average_folders(tmp_path / "before", tmp_path / "after", 0.5, tmp_path / "mean")
    weight = load_file(tmp_path / "mean" / "model.safetensors")["a"]
    assert weight.dtype == torch.float32
    assert weight.item() == (1.0 + torch.tensor(1.001, dtype=torch.float16).item()) / 2


def test_other_sizes_are_refused_and_nothing_is_written(tmp_path):
    speech_ae(0).save_pretrained(tmp_path / "before")
    speech_ae(0, hidden=24).save_pretrained(tmp_path / "after")
    with pytest.raises(ValueError, match="expected two rounds of one model"):
        average_folders(tmp_path / "before", tmp_path / "after", 0.5, tmp_path / "mean")
    assert not (tmp_path / "mean").exists()


@pytest.mark.parametrize("missing", ["before", "after"])
def test_a_folder_without_weights_is_named(tmp_path, capsys, missing):
    for name in {"before", "after"} - {missing}:
        speech_ae(0).save_pretrained(tmp_path / name)
    with pytest.raises(SystemExit):
        average_weights.main(
            [
                str(tmp_path / "before"),
                str(tmp_path / "after"),
                "--share",
                "1",
                "--out",
                str(tmp_path / "mean"),
            ]
        )
    assert str(tmp_path / missing) in capsys.readouterr().err


def test_a_share_out_of_range_is_refused(tmp_path, capsys):
    with pytest.raises(SystemExit):
        average_weights.main([str(tmp_path), str(tmp_path), "--share", "75", "--out", str(tmp_path / "mean")])
    assert "expected 0 to 1" in capsys.readouterr().err
