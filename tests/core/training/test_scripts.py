"""Around the training: published figures, and the configurations of the variants and for a GPU."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import publish_figures
import pytest
import torch
from PIL import Image

from read_core.training.config import read_config

ROOT = Path(__file__).parents[3]
CONFIGS = ROOT / "configs"
STAGES = ("vae", "whisper", "speech_ae", "a2v")


@pytest.fixture
def docs(tmp_path) -> Path:
    """A card and tables of an earlier checkpoint."""
    for name in ("figures", "images"):
        (tmp_path / "docs" / name).mkdir(parents=True)
    old = "| aim | found |\n|---|---|\n| lips | 0.1 |\n"
    (tmp_path / "docs" / "read-tiny.md").write_text(f"before\n\n{old}\nafter\n")
    (tmp_path / "docs" / "figures" / "tiny.md").write_text(f"# old\n\n{old}\n")
    return tmp_path / "docs"


def test_tables_pictures_and_aims_are_published(docs, tmp_path):
    for kind, names in (("md", publish_figures.TABLES), ("png", publish_figures.PICTURES)):
        for source in names:
            found = tmp_path / source
            found.parent.mkdir(parents=True, exist_ok=True)
            if kind == "md":
                found.write_text(f"# {source}\n\n| aim | found |\n|---|---|\n| lips | 0.8 |\n\nnote\n")
            else:
                Image.new("RGB", (2200, 400), (200, 30, 60)).save(found)
    folders = ["--tiny", str(tmp_path / "tiny"), "--variants", str(tmp_path / "variants")]
    assert publish_figures.main([*folders, "--docs", str(docs)]) == 0
    assert (docs / "read-tiny.md").read_text() == (
        "before\n\n| aim | found |\n|---|---|\n| lips | 0.8 |\n\nafter\n"
    )
    for source, name in publish_figures.TABLES.items():
        assert (docs / "figures" / name).read_text().startswith(f"# {source}\n")
    for name in publish_figures.PICTURES.values():
        picture = np.asarray(Image.open(docs / "images" / name).convert("RGB"), int)
        assert picture.shape == (200, 1100, 3)
        assert abs(picture[100, 550] - (200, 30, 60)).max() < 5


def test_what_was_not_evaluated_is_named_and_stays(docs, tmp_path, capsys):
    before = {path: path.read_text() for path in docs.rglob("*.md")}
    folders = ["--tiny", str(tmp_path / "tiny"), "--variants", str(tmp_path / "variants")]
    assert publish_figures.main([*folders, "--docs", str(docs)]) == 1
    said = capsys.readouterr().err
    assert all(
        f"not there: {tmp_path / name}\n" in said
        for name in publish_figures.TABLES | publish_figures.PICTURES
    )
    assert {path: path.read_text() for path in docs.rglob("*") if path.is_file()} == before


def test_docs_without_a_table_of_aims_are_named(docs, tmp_path, capsys):
    (docs / "figures" / "tiny.md").unlink()
    folders = ["--tiny", str(tmp_path / "tiny"), "--variants", str(tmp_path / "variants")]
    assert publish_figures.main([*folders, "--docs", str(docs)]) == 1
    assert f"a table of aims in {docs / 'figures' / 'tiny.md'}" in capsys.readouterr().err


def settings(path: Path) -> dict[str, Any]:
    """Every value of a configuration under its dotted key."""

    def flat(values: dict, prefix: str = "") -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key, value in values.items():
            found |= flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {prefix + key: value}
        return found

    return flat(read_config(path))


@pytest.mark.parametrize(
    ("variant", "changed"),
    [
        ("tuned", {"speech"}),
        ("scratch", {"speech"}),
        ("linear", {"speech"}),
        ("pooled", {"speech", "model.code_slots"}),
        ("synchronous", {"times.synchronous"}),
        ("shift-tokens", {"times.shift"}),
    ],
)
def test_a_variant_differs_in_the_one_thing(variant, changed):
    reference = settings(CONFIGS / "variants" / "pretrained" / "a2v.yaml")
    ours = settings(CONFIGS / "variants" / variant / "a2v.yaml")
    assert {key for key in reference | ours if reference.get(key) != ours.get(key)} == {"output", *changed}


def test_the_unchanged_variant_is_read_tiny_at_another_budget():
    shipped = settings(CONFIGS / "photo" / "a2v.yaml")
    ours = settings(CONFIGS / "variants" / "pretrained" / "a2v.yaml")
    own = {"output", "initial", "new_speech", "speech"}  # speech attention from nothing, frozen codes
    model = settings(CONFIGS / "tiny" / "a2v.yaml")  # what the shipped one starts from
    differing = {key for key in shipped | ours if shipped.get(key) != ours.get(key)}
    assert all(ours[key] == model[key] for key in differing if key.startswith("model."))
    assert {key for key in differing if not key.startswith(("loop.", "model."))} == own
    assert ours["loop.steps"] < shipped["loop.steps"]
    assert ours["loop.batch_size"] == shipped["loop.batch_size"]
    assembled = settings(CONFIGS / "photo" / "checkpoint.yaml")
    assert (ours["initial"], ours["new_speech"]) == (f"{assembled['output']}/transformer", True)


@pytest.mark.parametrize(
    "folder", ["pretrained", "tuned", "scratch", "linear", "pooled", "synchronous", "shift-tokens"]
)
def test_a_variants_checkpoint_is_made_of_its_own_parts(folder):
    stage = settings(CONFIGS / "variants" / folder / "a2v.yaml")
    made = settings(CONFIGS / "variants" / folder / "checkpoint.yaml")
    export = f"{stage['output']}/export"
    own = stage["speech"] != "codes"
    assert made["transformer"] == export
    assert made["speech_ae"] == (f"{export}/speech_ae" if own else stage["speech_ae"])
    assert made["output"] == f"output/variants/{folder}/checkpoint"
    finished = settings(CONFIGS / "photo" / "vae-3.yaml")  # its encoder is that of the latents
    assert (made["vae"], finished["initial"]) == (f"{finished['output']}/export", stage["vae"])
    assert not finished["encoder"]
    assert made["whisper"] == stage["whisper"]
    assert (made["defaults.shift"] == "tokens") == (stage.get("times.shift") == "tokens")


def test_the_larger_read_tiny_fits_together_and_in_96_megabytes():
    from diffusers import AutoencoderKLLTXVideo

    from read_core.speech import SpeechAE
    from read_core.training.assemble import load_checkpoint_config
    from read_core.training.registry import load_config
    from read_core.training.stages.whisper import PhonemeModel
    from read_core.transformer import A2VTransformer3DModel

    config = {name: load_config(CONFIGS / "tiny-gpu" / f"{name}.yaml")[1] for name in STAGES}
    checkpoint = load_checkpoint_config(CONFIGS / "tiny-gpu" / "checkpoint.yaml")
    with torch.device("meta"):
        whisper = PhonemeModel(config["whisper"].encoder).encoder
        speech = config["speech_ae"]
        parts = [
            AutoencoderKLLTXVideo(**config["vae"].model),
            whisper,
            SpeechAE(
                10 * (whisper.config.encoder_layers + 1),
                whisper.config.d_model,
                speech.code_window,
                speech.code_dim,
                speech.hidden_dim,
                speech.expansion,
            ),
            A2VTransformer3DModel(**config["a2v"].model),
        ]
    vae, _, speech_ae, transformer = (part.config for part in parts)
    assert vae.latent_channels == transformer.in_channels == transformer.out_channels
    assert (speech_ae.code_window, speech_ae.code_dim) == (transformer.code_slots, transformer.code_dim)
    assert max(config["a2v"].windows) == checkpoint.defaults["window"]
    parameters = sum(p.numel() for part in parts for p in part.parameters())
    assert checkpoint.dtype == "float16"
    assert 80e6 < 2 * parameters < 95e6
    assert math.prod(checkpoint.card.resolution) == 256 * 256
