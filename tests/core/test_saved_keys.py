"""Files call some arguments of the models otherwise, and are written as they always were."""

from __future__ import annotations

import json

import pytest

from read_core.speech import AveragePool, SpeechAE
from read_core.transformer import TINY, A2VTransformer3DModel

MODELS = [
    (
        lambda: A2VTransformer3DModel(**TINY),
        {"speech_dim": 10, "speech_slots": 3},
        ("code_dim", "code_slots"),
    ),
    (lambda: SpeechAE(12, 6, 3, 10, 12), {"speech_dim": 6, "code_dim": 10}, ("feature_dim", "code_dim")),
    (lambda: AveragePool(12, 6), {"speech_dim": 6}, ("feature_dim",)),
]


@pytest.mark.parametrize(("make", "stored", "names"), MODELS, ids=["transformer", "speech_ae", "average"])
def test_the_file_keeps_its_keys_and_the_model_its_names(make, stored, names, tmp_path):
    model = make()
    model.save_pretrained(tmp_path)
    written = json.loads((tmp_path / "config.json").read_text())
    assert {key: written[key] for key in stored} == stored
    assert not set(names) - set(stored) & written.keys()
    loaded = type(model).from_pretrained(tmp_path, local_files_only=True)
    assert [loaded.config[name] for name in names] == list(stored.values())
    assert dict(loaded.config).items() >= {name: model.config[name] for name in names}.items()


@pytest.mark.parametrize(("make", "stored", "names"), MODELS, ids=["transformer", "speech_ae", "average"])
def test_a_file_with_the_arguments_names_is_read_too(make, stored, names, tmp_path):
    model = make()
    values = {name: model.config[name] for name in names}
    kept = {key: value for key, value in model.config.items() if not key.startswith("_")}
    loaded = type(model).from_config({**kept, **values})
    assert [loaded.config[name] for name in names] == list(stored.values())
