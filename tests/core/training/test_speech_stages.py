"""The two speech stages from end to end at toy size, and the figures they report."""

from __future__ import annotations

import json
import shutil
import struct
import wave
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import WhisperConfig
from transformers.models.whisper.modeling_whisper import WhisperEncoder

from read_core.corpus.speech.utterance import sample_utterance
from read_core.errors import InputError
from read_core.speech import SpeechAE, WhisperFeatures, encode_speech_codes, load_whisper_encoder
from read_core.training.config import ConfigError
from read_core.training.data import speech as speech_data
from read_core.training.data.speech import RecordingDataset, SpeechConfig, UtteranceDataset
from read_core.training.loop import train
from read_core.training.registry import load_config
from read_core.training.stages.speech_figures import (
    explained_variance,
    probe,
    retrieval,
    ridge,
    track_correlation,
)

from ..footage_videos import with_splits

CONFIGS = Path(__file__).parents[3] / "configs"
QUICK = {"loop.steps": 4, "loop.batch_size": 2, "loop.sheet_every": 4, "loop.log_every": 1, "held_out": 2}


def run(name, output, stop_after=None, **overrides):
    stage, config = load_config(
        CONFIGS / "smoke" / f"{name}.yaml", {**QUICK, "output": str(output), **overrides}
    )
    return train(stage(config), config.loop, config.output, stop_after=stop_after)


@pytest.fixture(scope="module")
def whisper(tmp_path_factory):
    """The folder of one short run of stage ``whisper``."""
    folder = tmp_path_factory.mktemp("whisper")
    figures = run("whisper", folder)
    assert figures == json.loads((folder / "figures.json").read_text())
    return folder


def write_recordings(folder: Path, count: int) -> None:
    for index in range(count):
        samples = (8000 * np.sin(np.arange(40_000) * (0.02 + 0.01 * index))).astype("<i2")
        with wave.open(str(folder / f"{index:02d}.wav"), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(16_000)
            file.writeframes(struct.pack(f"<{len(samples)}h", *samples.tolist()))


def test_whisper_stage_exports_the_encoder_alone(whisper):
    encoder = load_whisper_encoder(whisper / "export")
    assert encoder.config.max_source_positions == 150
    figures = json.loads((whisper / "figures.json").read_text())
    assert figures.keys() == {"babble_phonemes", "babble_open_r", "babble_width_r", "babble_round_r"}
    assert (whisper / "sheets" / "0000004.png").is_file()


@pytest.mark.slow
def test_whisper_stage_learns(tmp_path):
    figures = run("whisper", tmp_path, **{"loop.steps": 30, "loop.batch_size": 4, "held_out": 8})
    rows = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert sum(row["loss"] for row in rows[-5:]) < 0.8 * sum(row["loss"] for row in rows[:5])
    assert figures["babble_open_r"] > 0.3


def test_whisper_stage_resumes_to_the_same_weights(whisper, tmp_path):
    assert run("whisper", tmp_path, stop_after=2) == {}
    run("whisper", tmp_path)
    once = load_whisper_encoder(whisper / "export").state_dict()
    twice = load_whisper_encoder(tmp_path / "export").state_dict()
    assert all(torch.equal(value, twice[name]) for name, value in once.items())


@pytest.mark.slow
def test_speech_ae_stage_on_the_corpus(whisper, tmp_path):
    figures = run(
        "speech_ae",
        tmp_path,
        **{"whisper": str(whisper / "export"), "loop.steps": 12, "probe": 4, "statistics": 4},
    )
    assert figures.keys() == {"explained_variance", "retrieval", "open_r", "width_r", "round_r"}
    rows = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert sum(row["loss"] for row in rows[-3:]) < sum(row["loss"] for row in rows[:3])

    features = WhisperFeatures(load_whisper_encoder(whisper / "export"))
    speech_ae = SpeechAE.from_pretrained(tmp_path / "export").eval()
    assert (speech_ae.speech_std > 0).all()
    assert not torch.equal(speech_ae.speech_mean, torch.zeros_like(speech_ae.speech_mean))
    assert encode_speech_codes(features, speech_ae, torch.randn(32_000)).shape == (1, 8, 4, 32)


def test_speech_ae_stage_on_recordings(tmp_path):
    """Real recordings have no mouth track, so there are no figures of it; eq. 8 as printed runs as well."""
    torch.manual_seed(0)
    config = WhisperConfig(
        d_model=16, encoder_layers=1, encoder_attention_heads=2, encoder_ffn_dim=32, max_source_positions=150
    )
    WhisperEncoder(config).save_pretrained(tmp_path / "whisper")
    recordings = tmp_path / "recordings"
    recordings.mkdir()
    write_recordings(recordings, 3)
    figures = run(
        "speech_ae",
        tmp_path / "run",
        **{
            "whisper": str(tmp_path / "whisper"),
            "speech.recordings": str(recordings),
            "statistics": 2,
            "printed": True,
        },
    )
    assert figures.keys() == {"explained_variance", "retrieval"}


@pytest.mark.parametrize(
    "path", sorted(CONFIGS.rglob("whisper*.yaml")) + sorted(CONFIGS.rglob("speech_ae*.yaml"))
)
def test_every_configuration_is_valid(path):
    stage, config = load_config(path)
    name = path.stem.split("-")[0]
    assert config.stage == name
    assert stage.__name__.removesuffix("Stage").lower() == name.replace("_", "")


def test_unusable_configurations(tmp_path):
    with pytest.raises(ConfigError, match="window of 3 s"):
        run("whisper", tmp_path, **{"speech.seconds": 2.0})
    with pytest.raises(ConfigError, match="no phonemes"):
        run("whisper", tmp_path, **{"speech.recordings": str(tmp_path)})
    with pytest.raises(ConfigError, match="train stage whisper first"):
        run("speech_ae", tmp_path, whisper=str(tmp_path / "nothing"))


def make(name, output, **overrides):
    """A stage that has not been trained."""
    stage, config = load_config(
        CONFIGS / "smoke" / f"{name}.yaml", {**QUICK, "output": str(output), **overrides}
    )
    return stage(config)


def test_an_earlier_encoder_is_gone_on_from(whisper, tmp_path):
    earlier = load_whisper_encoder(whisper / "export")
    earlier.half().save_pretrained(tmp_path / "half")
    later = make("whisper", tmp_path, initial=str(tmp_path / "half")).phoneme_model.encoder.state_dict()
    assert later.keys() == earlier.state_dict().keys()
    assert all(torch.equal(value.float(), later[name]) for name, value in earlier.state_dict().items())
    assert all(value.dtype == torch.float32 for value in later.values())
    for other in ({"encoder.feed_forward": 40}, {"encoder.heads": 4}):
        with pytest.raises(ConfigError, match="another size"):
            make("whisper", tmp_path, initial=str(whisper / "export"), **other)
    with pytest.raises(ConfigError, match="train stage whisper first"):
        make("whisper", tmp_path, initial=str(tmp_path / "nothing"))


def test_an_earlier_speech_ae_is_gone_on_from(whisper, tmp_path):
    encoder = str(whisper / "export")
    earlier = make("speech_ae", tmp_path, whisper=encoder).speech_ae
    with torch.no_grad():
        for parameter in earlier.parameters():
            parameter.add_(0.1)
    earlier.save_pretrained(tmp_path / "earlier")
    initial = str(tmp_path / "earlier")
    later = make("speech_ae", tmp_path, whisper=encoder, initial=initial).speech_ae.state_dict()
    assert later.keys() == earlier.state_dict().keys()
    assert all(torch.equal(value, later[name]) for name, value in earlier.state_dict().items())
    with pytest.raises(ConfigError, match="code_dim"):
        make("speech_ae", tmp_path, whisper=encoder, initial=initial, code_dim=48)
    with pytest.raises(ConfigError, match="train stage speech_ae first"):
        make("speech_ae", tmp_path, whisper=encoder, initial=str(tmp_path / "nothing"))


def test_a_sample_is_a_function_of_seed_and_index():
    config = SpeechConfig(seconds=2.0, short_share=0.5, synthesizer="babble")
    first, again = UtteranceDataset(config, seed=1), UtteranceDataset(config, seed=1)
    sample = first[3]
    assert {name: tuple(value.shape) for name, value in sample.items()} == {
        "waveform": (32_000,),
        "mouth": (50, 3),
        "phonemes": (100,),
    }
    assert all(torch.equal(value, again[3][name]) for name, value in sample.items())
    assert not torch.equal(sample["waveform"], first[4]["waveform"])
    assert not torch.equal(sample["waveform"], UtteranceDataset(config, seed=2)[3]["waveform"])


def test_several_synthesizers_speak_in_turn(monkeypatch):
    asked = []

    def spoken(seed, seconds, split, synthesizer):
        asked.append(synthesizer)
        return sample_utterance(seed, seconds, split, "babble")

    monkeypatch.setattr(speech_data, "sample_utterance", spoken)
    dataset = UtteranceDataset(SpeechConfig(seconds=2.0, synthesizer=("espeak", "festival")), seed=0)
    for index in range(4):
        assert dataset[index]["waveform"].any()
    assert asked == ["espeak", "festival"] * 2
    UtteranceDataset(dataset.config, 0, "validation", "flite")[1]
    assert asked[-1] == "flite"


def test_short_samples_end_in_digital_silence():
    dataset = UtteranceDataset(SpeechConfig(seconds=4.0, short_share=1.0, synthesizer="babble"), seed=0)
    ended = 0
    for index in range(6):
        sample = dataset[index]
        spoken = int(sample["waveform"].nonzero().max()) // 640 + 1
        assert spoken >= 20
        assert not sample["mouth"][spoken + 5 :].any()
        assert not sample["phonemes"][2 * spoken + 10 :].any()
        ended += spoken < 95
    assert ended >= 3


def test_recordings_are_split_and_cut(tmp_path):
    write_recordings(tmp_path, 21)
    config = SpeechConfig(seconds=2.0, recordings=tmp_path)
    train_set, held_out = RecordingDataset(config, 0), RecordingDataset(config, 0, "validation")
    assert len(train_set.files) == 19
    assert not set(train_set.files) & set(held_out.files)
    assert train_set[0]["waveform"].shape == (32_000,)
    assert torch.equal(train_set[5]["waveform"], RecordingDataset(config, 0)[5]["waveform"])
    long = RecordingDataset(SpeechConfig(seconds=3.0, recordings=tmp_path), 0)[0]["waveform"]
    assert long.shape == (48_000,)
    assert long[:40_000].abs().max() > 0.2
    assert not long[40_000:].any()


@pytest.mark.parametrize("below", [".", "sources"])
@pytest.mark.parametrize("held_out", [0, 2])
def test_recordings_of_footage_are_held_out_as_its_manifest_says(tmp_path, footage, below, held_out):
    folder, names = with_splits(footage, tmp_path / "footage", held_out)
    shutil.copy(next(folder.glob("sources/*/0000.mp4")), folder / "sources" / "stray.mp4")
    config = SpeechConfig(seconds=1.0, recordings=folder / below)
    for split, expected in names.items():
        dataset = RecordingDataset(config, 0, split)
        assert dataset.files == [folder / "sources" / f"{name}.mp4" for name in expected]
        assert dataset[0]["waveform"].abs().max() > 0.01


def test_one_video_of_footage_is_of_one_split(tmp_path, footage):
    folder, names = with_splits(footage, tmp_path / "footage", 0)
    (name,) = names["validation"]
    config = SpeechConfig(seconds=1.0, recordings=(folder / "sources" / name).parent)
    assert len(RecordingDataset(config, 0, "validation").files) == 1
    with pytest.raises(ConfigError, match="no item of the split train"):
        RecordingDataset(config, 0, "train")


def test_footage_without_a_manifest_is_no_heap_of_recordings(tmp_path, footage):
    folder, _ = with_splits(footage, tmp_path / "footage", 0)
    (folder / "manifest.json").unlink()
    with pytest.raises(InputError, match=r"has no manifest\.json; make it with 'read-core prepare"):
        RecordingDataset(SpeechConfig(seconds=1.0, recordings=folder / "sources"), 0)


def test_recordings_need_a_folder_with_files(tmp_path):
    with pytest.raises(ConfigError, match="expected a folder"):
        RecordingDataset(SpeechConfig(seconds=1.0, recordings=tmp_path / "none"), 0)
    with pytest.raises(ConfigError, match="0 recordings"):
        RecordingDataset(SpeechConfig(seconds=1.0, recordings=tmp_path), 0)


def test_track_correlation_is_pearsons():
    generator = torch.Generator().manual_seed(0)
    true = torch.randn(4, 30, 3, generator=generator)
    predicted = true * torch.tensor([1.0, -1.0, 0.5]) + torch.randn(true.shape, generator=generator)
    figures = track_correlation(predicted, true)
    for index, name in enumerate(("open_r", "width_r", "round_r")):
        expected = np.corrcoef(predicted[..., index].flatten(), true[..., index].flatten())[0, 1]
        assert figures[name] == pytest.approx(expected, abs=1e-6)


def test_explained_variance_of_the_mean_is_zero_and_of_the_truth_one():
    speech = torch.randn(3, 5, 2, 4)
    mean = speech.mean(dim=(0, 1), keepdim=True).expand_as(speech)
    assert explained_variance(speech, speech) == 1
    assert explained_variance(speech, mean) == pytest.approx(0, abs=1e-6)


def test_retrieval_counts_the_frames_nearest_to_their_own():
    similarity = torch.eye(4)[None].repeat(2, 1, 1)
    similarity[1, 2] = torch.tensor([1.0, 0.0, 0.5, 0.0])
    assert retrieval(similarity) == 7 / 8


def test_ridge_finds_a_linear_map():
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(200, 5, generator=generator)
    weights, bias = torch.randn(5, 2, generator=generator), torch.tensor([3.0, -1.0])
    found = ridge(inputs, inputs @ weights + bias, strength=1e-8)
    torch.testing.assert_close(found[:-1], weights, atol=1e-4, rtol=0)
    torch.testing.assert_close(found[-1], bias, atol=1e-4, rtol=0)


def test_probe_reads_frames_from_their_own_code():
    """Codes that hold frames 8i-7 .. 8i word for word tell the mouth exactly."""
    generator = torch.Generator().manual_seed(0)
    mouth = torch.randn(40, 25, 3, generator=generator)
    codes = torch.zeros(40, 4, 4, 6)
    for i in range(1, 4):
        codes[:, i] = mouth[:, 8 * i - 7 : 8 * i + 1].reshape(40, 4, 6)
    figures = probe((codes[:30], mouth[:30]), (codes[30:], mouth[30:]))
    assert min(figures.values()) > 0.999


def test_what_is_no_recording_is_left_out(tmp_path):
    write_recordings(tmp_path, 3)
    (tmp_path / "speaker").mkdir()
    (tmp_path / ".cache").mkdir()
    first = next(iter(sorted(tmp_path.glob("*.wav"))))
    wanted = {*tmp_path.glob("*.wav"), shutil.copy(first, tmp_path / "speaker" / "LOUD.WAV")}
    for name in (".cache/a.wav", "._a.wav"):
        shutil.copy(first, tmp_path / name)
    for name in ("a.txt", "a.trans.txt", "speaker/notes.json", "README"):
        (tmp_path / name).write_text("hello")
    config = SpeechConfig(seconds=1.0, recordings=tmp_path)
    sets = [RecordingDataset(config, 0, split) for split in ("train", "validation")]
    assert {file for part in sets for file in part.files} == wanted
