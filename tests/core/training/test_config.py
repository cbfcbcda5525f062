"""Configurations: what is wrong with one is said in one clear message."""

from __future__ import annotations

from pathlib import Path

import pytest

from read_core.cli.main import main
from read_core.errors import ReadError
from read_core.training.assemble import load_checkpoint_config
from read_core.training.config import ConfigError
from read_core.training.registry import load_config

ROOT = Path(__file__).parents[3]
WHISPER = """
stage: whisper
output: somewhere
speech: {seconds: 10.0}
loop: {steps: 5, batch_size: 2, learning_rate: 0.001}
"""


@pytest.fixture
def write(tmp_path):
    def write_text(text: str) -> Path:
        path = tmp_path / "config.yaml"
        path.write_text(text)
        return path

    return write_text


@pytest.mark.parametrize(
    "path", sorted((ROOT / "configs").rglob("*.yaml")), ids=lambda p: f"{p.parent.name}-{p.stem}"
)
def test_shipped_configurations_are_valid(path):
    config = load_checkpoint_config(path) if path.stem == "checkpoint" else load_config(path)[1]
    assert config.stage == path.stem.split("-")[0]
    assert not config.output.is_absolute()


def test_values_and_defaults_arrive(write):
    _, config = load_config(write(WHISPER))
    assert (config.loop.steps, config.loop.optimizer, config.encoder.dim) == (5, "adamw", 128)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("steps: 5", "stepz: 5"), ["loop.stepz", "loop.steps"]),
        (("output:", "outputt:"), ["outputt", "output"]),
        (("steps: 5", "steps: 0"), ["loop.steps", "0"]),
        (("steps: 5", "steps: many"), ["loop.steps", "many"]),
        (("seconds: 10.0", "seconds: 10.0, noise: 1"), ["speech.noise"]),
        (("stage: whisper", "stage: wisper"), ["stage", "whisper", "vae", "speech_ae", "a2v"]),
        (("stage: whisper", ""), ["stage", "whisper"]),
        (("stage: whisper", "stage: ["), ["YAML"]),
        (("stage: whisper", "stage: [whisper]"), ["stage", "whisper"]),
        (("steps: 5", "steps: 5, log_every: 0"), ["loop.log_every", "0"]),
        (("steps: 5", "steps: 5, warmup: -1"), ["loop.warmup", "-1"]),
        (("steps: 5", "steps: 5, clip: 0"), ["loop.clip", "0"]),
        ((WHISPER, "just a sentence"), ["stage"]),
        ((WHISPER, ""), ["stage"]),
    ],
)
def test_a_mistake_is_named_with_its_file(write, change, words):
    path = write(WHISPER.replace(*change))
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    assert isinstance(caught.value, ReadError)
    for word in [str(path), *words]:
        assert word in str(caught.value)


def test_a_file_that_is_missing_or_no_text_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"nothing\.yaml"):
        load_config(tmp_path / "nothing.yaml")
    (tmp_path / "weights.yaml").write_bytes(b"\xff\xfe\x80")
    with pytest.raises(ConfigError, match=r"weights\.yaml: not YAML"):
        load_config(tmp_path / "weights.yaml")


@pytest.mark.parametrize("setting", ["loop.steps=[", "loop.steps", "loop.log_every=0"])
def test_a_wrong_setting_of_the_command_is_named(write, capsys, setting):
    assert main(["train", str(write(WHISPER)), "--set", setting]) == 2
    assert setting.split("=")[0] in capsys.readouterr().err


@pytest.mark.parametrize(
    ("stage", "key", "value"),
    [
        ("vae", "held_out", 0),
        ("vae", "start_clips", -1),
        ("vae", "whitening", 2.0),
        ("a2v", "start_share", 1.5),
        ("a2v", "times.schedule", -0.1),
        ("a2v", "times.std", 0.0),
        ("a2v", "dropout.both", 2.0),
    ],
)
def test_values_out_of_range_are_refused_before_anything_is_encoded(stage, key, value):
    with pytest.raises(ConfigError, match=key):
        load_config(ROOT / "configs" / "smoke" / f"{stage}.yaml", {key: value})


@pytest.mark.parametrize("other", [("loop.optimizer", "muon"), ("loop.mixed_precision", "fp16")])
def test_what_cannot_be_shared_is_refused(other):
    key, value = other
    given = {"loop.optimizer": "adamw", "loop.parallel": "fsdp", key: value}
    with pytest.raises(ConfigError, match=f"fsdp .*{value}"):
        load_config(ROOT / "configs" / "smoke" / "a2v.yaml", given)


def test_overrides_replace_values_before_they_are_checked(write):
    path = write(WHISPER)
    _, config = load_config(path, {"loop.steps": 7, "encoder.dim": 64, "output": "elsewhere"})
    assert (config.loop.steps, config.encoder.dim, config.output) == (7, 64, Path("elsewhere"))
    with pytest.raises(ConfigError, match=r"loop\.stepz"):
        load_config(path, {"loop.stepz": 7})
    with pytest.raises(ConfigError, match="output is a value"):
        load_config(path, {"output.steps": 7})


@pytest.fixture
def chain(tmp_path):
    """Three files in two folders, each of which builds on the one before."""
    (tmp_path / "base.yaml").write_text(WHISPER)
    (tmp_path / "second").mkdir()
    second, third = tmp_path / "second" / "a.yaml", tmp_path / "second" / "b.yaml"
    second.write_text("base: ../base.yaml\noutput: second\nloop: {steps: 9}\nencoder: {dim: 64}\n")
    third.write_text("base: a.yaml\nloop: {batch_size: 4}\nheld_out_synthesizers: [babble]\n")
    return third


def test_a_file_says_what_differs_from_its_base(chain):
    _, config = load_config(chain, {"loop.learning_rate": 0.5})
    assert config.output == Path("second")
    assert (config.loop.steps, config.loop.batch_size, config.loop.learning_rate) == (9, 4, 0.5)
    assert (config.encoder.dim, config.speech.seconds) == (64, 10.0)
    assert list(config.held_out_synthesizers) == ["babble"]


def test_earlier_names_of_keys_are_read(chain):
    """In a file, in a base below and in an override, whatever name the others use."""
    chain.write_text("base: a.yaml\nheld_out_synthesisers: [babble]\nspeech: {synthesiser: flite}\n")
    _, config = load_config(chain)
    assert (list(config.held_out_synthesizers), config.speech.synthesizer) == (["babble"], "flite")
    chain.write_text("base: a.yaml\nspeech: {synthesizer: flite}\n")
    assert load_config(chain, {"speech.synthesiser": "babble"})[1].speech.synthesizer == "babble"


def test_a_base_that_is_missing_or_no_path_is_named(chain):
    chain.with_name("a.yaml").write_text("base: nowhere.yaml\n")
    with pytest.raises(ConfigError, match=r"nowhere\.yaml: no such file; expected a base of .*a\.yaml"):
        load_config(chain)
    chain.write_text("base: {stage: whisper}\n")
    with pytest.raises(ConfigError, match=r"b\.yaml: base is {'stage'.*expected the path"):
        load_config(chain)


def test_bases_in_a_circle_are_named(chain):
    chain.parent.parent.joinpath("base.yaml").write_text("base: second/b.yaml\n")
    with pytest.raises(ConfigError, match=r"b\.yaml -> .*a\.yaml -> .*base\.yaml -> .*b\.yaml"):
        load_config(chain)


def test_a_configuration_cannot_be_changed_afterwards(write):
    _, config = load_config(write(WHISPER))
    with pytest.raises(ValueError, match="frozen"):
        config.loop.steps = 6
