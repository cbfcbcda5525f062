"""Checkpoint folders: what is saved comes back; everything that is wrong is refused by name."""

from __future__ import annotations

import json
import pickle
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from read_core.ans import JointCFG, NoCFG, SplitCFG
from read_core.checkpoint import MODELS, describe, load_checkpoint, save_checkpoint
from read_core.errors import CheckpointError

WEIGHTS = {
    "vae": "diffusion_pytorch_model.safetensors",
    "whisper": "model.safetensors",
    "speech_ae": "diffusion_pytorch_model.safetensors",
    "transformer": "diffusion_pytorch_model.safetensors",
}


def edit_weights(folder, part, change):
    """Rewrite the weights of a part after ``change(tensors)``; returns the first tensor's name."""
    file = folder / part / WEIGHTS[part]
    tensors = load_file(file)
    name = next(iter(tensors))
    change(tensors, name)
    save_file(tensors, file)
    return name


def edit_json(file, **changes):
    values = json.loads(file.read_text()) | changes
    file.write_text(json.dumps({key: value for key, value in values.items() if value is not None}))


def test_what_is_saved_comes_back(tiny_checkpoint, tiny_components):
    loaded = load_checkpoint(tiny_checkpoint)
    for name in MODELS:
        expected, found = getattr(tiny_components, name).state_dict(), getattr(loaded, name).state_dict()
        assert expected.keys() == found.keys()
        assert all(torch.equal(expected[key], found[key]) for key in expected)
        assert not getattr(loaded, name).training
    assert loaded.card == tiny_components.card
    assert loaded.defaults == tiny_components.defaults
    assert loaded.prompt.text == "a person talks"
    assert torch.equal(loaded.prompt.embedding, tiny_components.prompt.embedding)
    assert torch.equal(loaded.prompt.mask, tiny_components.prompt.mask)


@pytest.mark.parametrize("stored", [torch.float16, torch.bfloat16])
def test_half_precision_is_stored_but_a_cpu_computes_in_float32(tmp_path, tiny_components, stored):
    save_checkpoint(tmp_path / "half", tiny_components, dtype=stored)
    assert tiny_components.transformer.dtype == torch.float32  # what was given is left as it was
    loaded = load_checkpoint(tmp_path / "half")
    for name in MODELS:
        assert getattr(loaded, name).dtype == torch.float32
    expected = tiny_components.transformer.proj_in.weight.to(stored).float()
    assert torch.equal(loaded.transformer.proj_in.weight, expected)
    assert load_checkpoint(tmp_path / "half", dtype=stored).transformer.dtype == stored


@pytest.mark.parametrize("dtype", [None, torch.float16, "stored"])
def test_statistics_are_never_rounded(tmp_path, tiny_components, dtype):
    """Neither where they are stored nor where a model is loaded at half precision."""
    save_checkpoint(tmp_path / "half", tiny_components, dtype=torch.float16)
    loaded = load_checkpoint(tmp_path / "half", dtype=dtype)
    for part, name in (("vae", "latents_std"), ("vae", "latents_mean"), ("speech_ae", "speech_std")):
        exact = getattr(getattr(tiny_components, part), name)
        assert torch.equal(getattr(getattr(loaded, part), name), exact)
    assert loaded.vae.dtype == (torch.float32 if dtype is None else torch.float16)


def test_describe_counts_without_loading(tmp_path, tiny_components):
    save_checkpoint(tmp_path / "half", tiny_components, dtype=torch.float16)
    info = describe(tmp_path / "half")
    parts = {part.name: part for part in info.parts}
    assert list(parts) == [*MODELS, "prompt"]
    for name in MODELS:
        state = getattr(tiny_components, name).state_dict()
        assert parts[name].parameters == sum(tensor.numel() for tensor in state.values())
        assert parts[name].dtypes == (("F16", "F32") if name in {"vae", "speech_ae"} else ("F16",))
        assert parts[name].nbytes == (tmp_path / "half" / name / WEIGHTS[name]).stat().st_size
    assert parts["transformer"].class_name == "A2VTransformer3DModel"
    assert info.card == tiny_components.card
    assert info.defaults.window == 4
    assert info.prompt_text == "a person talks"


def test_an_existing_folder_is_replaced_only_when_asked(tmp_path, tiny_components):
    folder = tmp_path / "deep" / "there"
    save_checkpoint(folder, tiny_components)
    with pytest.raises(CheckpointError, match="exists already"):
        save_checkpoint(folder, tiny_components)
    save_checkpoint(folder, tiny_components, dtype=torch.float16, overwrite=True)
    assert "F16" in describe(folder).parts[0].dtypes
    other = tmp_path / "other"
    other.mkdir()
    (other / "diary.txt").write_text("mine")
    with pytest.raises(CheckpointError, match="exists already"):
        save_checkpoint(other, tiny_components, overwrite=True)
    assert (other / "diary.txt").read_text() == "mine"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["deep", "other"]


def test_where_a_part_was_loaded_from_is_not_written(tmp_path, tiny_components):
    tiny_components.vae.save_pretrained(tmp_path / "private")
    again = type(tiny_components.vae).from_pretrained(tmp_path / "private")
    assert "private" in str(again.config["_name_or_path"])
    save_checkpoint(tmp_path / "shared", replace(tiny_components, vae=again))
    for config in (tmp_path / "shared").rglob("*.json"):
        assert "private" not in config.read_text(), config
    assert load_checkpoint(tmp_path / "shared").vae.config.latent_channels == again.config.latent_channels


def test_a_failed_save_leaves_nothing(tmp_path, tiny_components, monkeypatch):
    def full_disk(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tiny_components.transformer, "save_pretrained", full_disk)
    with pytest.raises(OSError, match="No space left"):
        save_checkpoint(tmp_path / "new", tiny_components)
    assert list(tmp_path.iterdir()) == []


def test_a_replaced_checkpoint_is_gone_only_when_the_new_one_is_there(tmp_path, tiny_components, monkeypatch):
    save_checkpoint(tmp_path / "a", tiny_components)
    rename = Path.rename

    def fail(path, target):
        if path.name == "a.partial":
            raise OSError(28, "No space left on device")
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", fail)
    with pytest.raises(OSError, match="No space left"):
        save_checkpoint(tmp_path / "a", tiny_components, overwrite=True)
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
    load_checkpoint(tmp_path / "a")


@pytest.mark.parametrize("part", MODELS)
class TestWeights:
    def test_missing_tensor(self, broken_checkpoint, part):
        name = edit_weights(broken_checkpoint, part, lambda tensors, name: tensors.pop(name))
        with pytest.raises(CheckpointError, match=f"{part} .*missing {name}"):
            load_checkpoint(broken_checkpoint)

    def test_foreign_tensor(self, broken_checkpoint, part):
        edit_weights(
            broken_checkpoint, part, lambda tensors, name: tensors.update({"lora.up": torch.zeros(1)})
        )
        with pytest.raises(CheckpointError, match=f"{part} .*foreign lora.up"):
            load_checkpoint(broken_checkpoint)

    def test_renamed_tensor(self, broken_checkpoint, part):
        name = edit_weights(
            broken_checkpoint, part, lambda tensors, name: tensors.update({"other": tensors.pop(name)})
        )
        with pytest.raises(CheckpointError, match=f"missing {name}; foreign other"):
            load_checkpoint(broken_checkpoint)

    def test_another_shape(self, broken_checkpoint, part):
        name = edit_weights(
            broken_checkpoint,
            part,
            lambda tensors, name: tensors.update({name: tensors[name][None].clone()}),
        )
        with pytest.raises(CheckpointError, match=f"{name} has shape"):
            load_checkpoint(broken_checkpoint)

    def test_an_integer_type(self, broken_checkpoint, part):
        name = edit_weights(
            broken_checkpoint,
            part,
            lambda tensors, name: tensors.update({name: tensors[name].to(torch.int8)}),
        )
        with pytest.raises(CheckpointError, match=f"{name} has type I8, expected F64 or F32 or F16 or BF16"):
            load_checkpoint(broken_checkpoint)

    def test_truncated_file(self, broken_checkpoint, part):
        file = broken_checkpoint / part / WEIGHTS[part]
        file.write_bytes(file.read_bytes()[:-1])
        for read in (load_checkpoint, describe):
            with pytest.raises(CheckpointError, match=f"{part}.*truncated"):
                read(broken_checkpoint)

    @pytest.mark.parametrize(
        "content", [b"", b"1234", pickle.dumps({"weight": 1}) * 20, b"\x08" + b"\0" * 30]
    )
    def test_not_a_safetensors_file(self, broken_checkpoint, part, content):
        (broken_checkpoint / part / WEIGHTS[part]).write_bytes(content)
        for read in (load_checkpoint, describe):
            with pytest.raises(CheckpointError, match=f"{part}.*not a safetensors file"):
                read(broken_checkpoint)

    @pytest.mark.parametrize("name", ["pytorch_model.bin", "model.pt", "last.ckpt"])
    def test_a_pickle_is_never_opened(self, broken_checkpoint, part, name):
        (broken_checkpoint / part / WEIGHTS[part]).rename(broken_checkpoint / part / name)
        for read in (load_checkpoint, describe):
            with pytest.raises(CheckpointError, match=f"{part} contains pickles.*{name}"):
                read(broken_checkpoint)

    def test_no_weights(self, broken_checkpoint, part):
        (broken_checkpoint / part / WEIGHTS[part]).unlink()
        with pytest.raises(CheckpointError, match=f"{part} has no weights"):
            load_checkpoint(broken_checkpoint)

    def test_missing_configuration(self, broken_checkpoint, part):
        (broken_checkpoint / part / "config.json").unlink()
        with pytest.raises(CheckpointError, match=f"{part}/config.json is missing"):
            load_checkpoint(broken_checkpoint)

    def test_damaged_configuration(self, broken_checkpoint, part):
        (broken_checkpoint / part / "config.json").write_text("{")
        with pytest.raises(CheckpointError, match=f"{part}/config.json is not valid JSON"):
            load_checkpoint(broken_checkpoint)

    def test_configuration_of_another_model(self, broken_checkpoint, part):
        edit_json(broken_checkpoint / part / "config.json", _class_name="Other", model_type="bert")
        with pytest.raises(CheckpointError, match=f"{part}/config.json has .*expected"):
            load_checkpoint(broken_checkpoint)


@pytest.mark.parametrize("part", [*MODELS, "scheduler", "prompt"])
def test_a_missing_part(broken_checkpoint, part):
    (broken_checkpoint / part).rename(broken_checkpoint / "elsewhere")
    for read in (load_checkpoint, describe):
        with pytest.raises(CheckpointError, match=f"{part}.* is missing"):
            read(broken_checkpoint)


@pytest.mark.parametrize("content", [None, "[1, 2]", "{", '{"_class_name": "LTXPipeline"}'])
def test_a_folder_that_is_no_checkpoint(broken_checkpoint, content):
    index = broken_checkpoint / "model_index.json"
    index.unlink()
    if content is not None:
        index.write_text(content)
    for read in (load_checkpoint, describe):
        with pytest.raises(CheckpointError, match=r"model_index\.json"):
            read(broken_checkpoint)


def test_no_folder(tmp_path):
    with pytest.raises(CheckpointError, match="nowhere is not a folder"):
        load_checkpoint(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format": 3}, "format 3; this version reads 1 and 2"),
        ({"format": True}, "format True"),
        ({"face": [0.28, 0.36, 0.66]}, "face is .*expected eye_distance, eyes, mouth"),
        ({"face": {"eye_distance": 0.28, "eyes": 0.36}}, "face is .*expected eye_distance"),
        ({"detail": ["read_core.detail", "DetailNetwork"]}, "detail"),
        ({"resolution": [100, 64]}, "multiples of 32"),
        ({"resolution": None}, "resolution"),
        ({"resolution": 128}, "resolution is 128; expected"),
        ({"name": None}, "name"),
        ({"name": 3}, "name is 3; expected a text"),
        ({"surprise": 1}, "surprise"),
        ({"vae": ["diffusers", "AutoencoderKL"]}, "other classes"),
    ],
)
def test_wrong_entries_of_the_index(broken_checkpoint, changes, message):
    edit_json(broken_checkpoint / "model_index.json", **changes)
    with pytest.raises(CheckpointError, match=rf"model_index\.json .*{message}"):
        load_checkpoint(broken_checkpoint)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"steps": 0}, "steps"),
        ({"window": 2}, "window"),
        ({"shift": 0}, "shift"),
        ({"shift": "frames"}, "shift is .frames.; expected a number or .tokens."),
        ({"halo": 0}, "halo"),
        ({"decode_timestep": 3}, "timestep"),
        ({"guidance": {"kind": "triple"}}, "triple"),
        ({"guidance": None}, "guidance"),
        ({"guidance": "split"}, "guidance is 'split'; expected"),
        ({"window": "wide"}, "window is 'wide'; expected a number"),
        ({"steps": [4]}, r"steps is \[4\]; expected a number"),
        ({"sigma": 1}, "sigma"),
        ({"min_steps": 0}, "steps is 0"),
        ({"min_steps": "few"}, "min_steps is 'few'; expected"),
        ({"guidance_end": "late"}, "guidance_end is 'late'; expected a number"),
        ({"guidance_end": 1.5}, "guidance_end is 1.5; expected 0 to 1"),
        ({"windows": 8}, r"windows is 8; expected a list"),
        ({"windows": [1]}, "window is 1; expected"),
        ({"split": {"alpha": 1.0}}, "split.*beta"),
        ({"joint": 2.0}, "joint is 2.0; expected"),
    ],
)
def test_wrong_defaults(broken_checkpoint, changes, message):
    edit_json(broken_checkpoint / "scheduler" / "scheduler_config.json", **changes)
    for read in (load_checkpoint, describe):
        with pytest.raises(CheckpointError, match=rf"scheduler_config\.json .*{message}"):
            read(broken_checkpoint)


def test_scales_and_a_minimum_of_its_own_are_kept(tmp_path, tiny_components):
    own = {"min_steps": 2, "guidance_end": 0.5, "split": SplitCFG(-1.0, 3.0), "joint": JointCFG(2.5)}
    defaults = replace(tiny_components.defaults, guidance=JointCFG(9.0), windows=(4, 8), **own)
    save_checkpoint(tmp_path / "own", replace(tiny_components, defaults=defaults))
    kept = describe(tmp_path / "own").defaults
    assert kept == defaults
    assert (kept.guidance_of("split"), kept.guidance_of("joint")) == (own["split"], own["joint"])
    assert kept.guidance_of("none") == NoCFG()


def test_without_scales_of_its_own_speech_is_as_strong_as_in_the_default(tiny_components):
    defaults = tiny_components.defaults
    assert not {"min_steps", "guidance_end", "windows", "split", "joint"} & defaults.to_dict().keys()
    assert defaults.guidance_of("split") == SplitCFG(0.5, 1.5)
    assert defaults.guidance_of("joint") == JointCFG(1.5)


@pytest.mark.parametrize(
    ("tensors", "message"),
    [
        ({"mask": torch.ones(5, dtype=torch.bool)}, "missing embedding"),
        ({"embedding": torch.zeros(5, 11), "mask": torch.ones(5, dtype=torch.bool)}, "embedding has shape"),
        ({"embedding": torch.zeros(5, 12), "mask": torch.ones(4, dtype=torch.bool)}, "mask has shape"),
        ({"embedding": torch.zeros(5, 12), "mask": torch.zeros(5, dtype=torch.bool)}, "excludes all tokens"),
        ({"embedding": torch.zeros(5, 12), "mask": torch.ones(5)}, "mask has type F32"),
    ],
)
def test_a_wrong_prompt(broken_checkpoint, tensors, message):
    save_file(tensors, broken_checkpoint / "prompt" / "prompt.safetensors")
    with pytest.raises(CheckpointError, match=rf"prompt\.safetensors .*{message}"):
        load_checkpoint(broken_checkpoint)


def test_parts_that_do_not_fit_each_other(broken_checkpoint):
    edit_json(broken_checkpoint / "transformer" / "config.json", in_channels=4, speech_slots=7)
    with pytest.raises(CheckpointError, match=r"latent channels .* are 8 and 4; .*slots are 3 and 7"):
        load_checkpoint(broken_checkpoint)


def test_impossible_configuration(broken_checkpoint):
    edit_json(broken_checkpoint / "transformer" / "config.json", num_attention_heads="many")
    with pytest.raises(CheckpointError, match=r"transformer/config\.json does not describe"):
        load_checkpoint(broken_checkpoint)


def test_sharded_weights_load(broken_checkpoint, tiny_components):
    folder = broken_checkpoint / "transformer"
    (folder / WEIGHTS["transformer"]).unlink()
    tiny_components.transformer.save_pretrained(folder, max_shard_size="20KB")
    assert len(list(folder.glob("*.safetensors"))) > 1
    loaded = load_checkpoint(broken_checkpoint).transformer
    assert torch.equal(loaded.proj_out.weight, tiny_components.transformer.proj_out.weight)
    next(folder.glob("*-00002-*.safetensors")).unlink()
    with pytest.raises(CheckpointError, match=r"00002.*is missing"):
        load_checkpoint(broken_checkpoint)


@pytest.mark.parametrize("content", ["{}", '{"weight_map": ["a"]}', '{"weight_map": {"a": 1}}'])
def test_an_index_of_shards_that_names_no_files(broken_checkpoint, content):
    (broken_checkpoint / "vae" / WEIGHTS["vae"]).unlink()
    (broken_checkpoint / "vae" / f"{WEIGHTS['vae']}.index.json").write_text(content)
    for read in (load_checkpoint, describe):
        with pytest.raises(CheckpointError, match=r"index\.json has no weight_map"):
            read(broken_checkpoint)


def test_a_header_that_does_not_fit_its_tensors(broken_checkpoint):
    file = broken_checkpoint / "whisper" / WEIGHTS["whisper"]
    raw = file.read_bytes()
    length = int.from_bytes(raw[:8], "little")
    header = json.loads(raw[8 : 8 + length])
    next(entry for name, entry in header.items() if name != "__metadata__")["data_offsets"][1] -= 2
    text = json.dumps(header).encode()
    file.write_bytes(len(text).to_bytes(8, "little") + text + raw[8 + length :])
    with pytest.raises(CheckpointError, match=f"{file} is .*damaged"):
        load_checkpoint(broken_checkpoint)
