"""A checkpoint from its parts: what arrives, and what is refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from read_core import ReadPipeline
from read_core.ans import JointCFG
from read_core.checkpoint import describe
from read_core.cli.main import main
from read_core.detail import DetailNetwork
from read_core.errors import CheckpointError
from read_core.eyelids.network import EyelidNetwork
from read_core.face.alignment import FaceLayout
from read_core.precision import STATISTICS
from read_core.speech import SpeechAE
from read_core.training.assemble import assemble, load_checkpoint_config
from read_core.training.config import ConfigError
from read_core.training.stages.prompt import make_prompt
from read_core.weights.origin import Origin, read_origin, write_origin

FACE = FaceLayout(0.25, 0.4, 0.7)
CONFIG = Path(__file__).parents[3] / "configs" / "smoke" / "checkpoint.yaml"


def make_config(parts: Path, output: Path, **changes):
    values = {name: str(parts / name) for name in ("vae", "whisper", "speech_ae", "transformer")}
    return load_checkpoint_config(CONFIG, {**values, "output": str(output), **changes})


def test_parts_prompt_and_defaults_arrive(tiny_checkpoint, tiny_components, tmp_path):
    guidance = {"kind": "joint", "alpha": 1.5}
    figures = assemble(
        make_config(tiny_checkpoint, tmp_path / "made", dtype="float32", **{"defaults.guidance": guidance})
    )
    pipe = ReadPipeline.from_pretrained(tmp_path / "made", "cpu", torch.float32)
    for ours, theirs in (
        (pipe.vae.vae, tiny_components.vae),
        (pipe.transformer, tiny_components.transformer),
        (pipe.speech_ae, tiny_components.speech_ae),
        (pipe.features.encoder, tiny_components.whisper),
    ):
        state = theirs.state_dict()
        assert all(torch.equal(value, state[name]) for name, value in ours.state_dict().items())
    assert torch.equal(pipe.prompt.embedding, make_prompt(4, 12)[0])
    assert pipe.prompt.mask.all()
    assert (pipe.card.name, pipe.card.resolution, pipe.card.demonstration) == ("read-smoke", (64, 64), True)
    assert (pipe.defaults.guidance, pipe.defaults.window) == (JointCFG(1.5), 5)
    assert figures["transformer_parameters"] == sum(
        p.numel() for p in tiny_components.transformer.parameters()
    )


def test_without_a_halo_the_vae_has_its_own(tiny_checkpoint, tmp_path):
    config = make_config(tiny_checkpoint, tmp_path / "made")
    del config.defaults["halo"]
    assemble(config)
    assert describe(tmp_path / "made").defaults.decode.halo == 3


def test_none_drops_an_entry_of_the_base(tiny_checkpoint, tmp_path):
    """As the ablations do, which have no student."""
    config = make_config(tiny_checkpoint, tmp_path / "made", **{"defaults.distilled": None})
    assemble(config)
    assert describe(tmp_path / "made").defaults.distilled is None
    variants = sorted((CONFIG.parents[1] / "variants").glob("*/checkpoint.yaml"))
    dropped = [load_checkpoint_config(path).defaults["distilled"] for path in variants]
    assert dropped == [None] * 7


def test_weights_are_stored_in_the_type_that_is_asked_for(tiny_checkpoint, tmp_path):
    assemble(make_config(tiny_checkpoint, tmp_path / "made"))
    found: dict[torch.dtype, set[str]] = {}
    for path in (tmp_path / "made").rglob("*.safetensors"):
        for name, value in load_file(path).items():
            found.setdefault(value.dtype, set()).add(name)
    assert set(found) == {torch.float16, torch.bool, torch.float32}
    assert found[torch.float32] <= STATISTICS  # rounding these would shift everything


def test_nothing_is_replaced_unasked(tiny_checkpoint, tmp_path):
    assemble(make_config(tiny_checkpoint, tmp_path / "made"))
    with pytest.raises(CheckpointError, match="exists already"):
        assemble(make_config(tiny_checkpoint, tmp_path / "made", overwrite=False))
    assemble(make_config(tiny_checkpoint, tmp_path / "made", overwrite=True))
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "one.png").write_text("")
    with pytest.raises(CheckpointError, match="exists already"):
        assemble(make_config(tiny_checkpoint, tmp_path / "photos", overwrite=True))


def test_the_origin_of_parts_and_the_place_of_faces_arrive(broken_checkpoint, tmp_path, capsys):
    origin = Origin("LTX-Video 0.9.5 to 0.9.8", "ltx.safetensors", "0" * 64, "theirs")
    write_origin(broken_checkpoint / "vae", origin)
    (broken_checkpoint / "transformer" / "footage.json").write_text(json.dumps({"face": FACE.to_dict()}))
    assemble(make_config(broken_checkpoint, tmp_path / "made"))
    assert describe(tmp_path / "made").card.face == FACE
    assert read_origin(tmp_path / "made" / "vae") == origin
    capsys.readouterr()
    assert main(["info", str(tmp_path / "made")]) == 0
    told = capsys.readouterr().out
    assert "LTX-Video 0.9.5 to 0.9.8, from ltx.safetensors; license: theirs" in told
    assert "eyes at 0.4" in told


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"vae": "nowhere"}, "train stage vae first"),
        ({"transformer": "nowhere"}, "train stage a2v first"),
        ({"defaults.guidance": {"kind": "loud"}}, "kind"),
        ({"defaults.steps": 0}, "steps"),
        ({"defaults.color": 1}, "color"),
        ({"card.resolution": [60, 64]}, "size"),
        ({"detail": "nowhere"}, "train stage detail first"),
        ({"eyelids": "nowhere"}, "run scripts/fit_eyelids.py first"),
        ({"face": {"eye_distance": 0.3, "eyes": 0.7, "mouth": 0.6}}, "eyes above mouth"),
    ],
)
def test_what_is_wrong_is_named_and_nothing_is_written(tiny_checkpoint, tmp_path, changes, words):
    with pytest.raises(ConfigError, match=words):
        assemble(make_config(tiny_checkpoint, tmp_path / "made", **changes))
    assert not list(tmp_path.iterdir())


def test_parts_that_do_not_fit_or_are_damaged_are_refused(broken_checkpoint, tmp_path):
    weights = next((broken_checkpoint / "transformer").glob("*.safetensors"))
    content = load_file(weights)
    save_file({name: value for name, value in content.items() if name != "null_speech"}, weights)
    with pytest.raises(CheckpointError, match="missing null_speech"):
        assemble(make_config(broken_checkpoint, tmp_path / "made"))
    save_file(content, weights)
    other = shutil.copytree(broken_checkpoint, tmp_path / "other")
    foreign = SpeechAE(speech_window=30, feature_dim=16, code_window=3, code_dim=14, hidden_dim=12)
    foreign.save_pretrained(other / "speech_ae")
    with pytest.raises(CheckpointError, match="code_dim"):
        assemble(make_config(other, tmp_path / "made"))
    assert not (tmp_path / "made").exists()


def test_the_command_assembles(tiny_checkpoint, tmp_path, capsys):
    parts = [f"--set={n}={tiny_checkpoint / n}" for n in ("vae", "whisper", "speech_ae", "transformer")]
    assert main(["checkpoint", str(CONFIG), "--output", str(tmp_path / "made"), *parts]) == 0
    assert "megabytes" in capsys.readouterr().out
    again = ["--set", "overwrite=false", "--output", str(tmp_path / "made")]
    assert main(["checkpoint", str(CONFIG), *again, *parts]) == 2
    assert "exists already" in capsys.readouterr().err


def test_train_names_the_command_that_assembles(capsys):
    assert main(["train", str(CONFIG)]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert f"read-core checkpoint {CONFIG}" in error


def test_the_file_of_a_stage_is_no_checkpoints(capsys):
    assert main(["checkpoint", str(CONFIG.with_name("vae.yaml"))]) == 2
    assert "stage: Input should be 'checkpoint'" in capsys.readouterr().err


def test_detail_and_the_layout_of_the_face_arrive(tiny_checkpoint, tmp_path):
    DetailNetwork(widths=(8, 8, 16), features=3, refine_width=4).save_pretrained(tmp_path / "detail")
    EyelidNetwork((8, 8, 8)).save_pretrained(tmp_path / "eyelids")
    face = {"eye_distance": 0.34, "eyes": 0.4, "mouth": 0.72}
    figures = assemble(
        make_config(
            tiny_checkpoint,
            tmp_path / "made",
            face=face,
            detail=str(tmp_path / "detail"),
            eyelids=str(tmp_path / "eyelids"),
        )
    )
    pipe = ReadPipeline.from_pretrained(tmp_path / "made", "cpu", torch.float32)
    assert pipe.card.face is not None
    assert pipe.detail is not None
    assert pipe.eyelids is not None
    assert pipe.card.face.to_dict() == face
    assert figures["detail_parameters"] == sum(p.numel() for p in pipe.detail.parameters())
