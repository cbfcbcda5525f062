"""``read-core prepare`` from videos to a folder that training reads."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file

from read_core.checkpoint import load_model
from read_core.cli.main import main
from read_core.errors import InputError
from read_core.face.alignment import FaceCrop, FaceLayout, cut_face
from read_core.face.finder import find_faces
from read_core.footage.encode import receptive_latents
from read_core.footage.engines import run_units
from read_core.footage.item import Models, make_item
from read_core.footage.manifest import read_manifest
from read_core.footage.prepare import begin, prepare
from read_core.footage.records import read_plan
from read_core.footage.settings import Settings
from read_core.footage.sources import find_sources
from read_core.footage.units import Unit, current_plan, work
from read_core.media import read_audio, read_image
from read_core.media.frames import FrameReader
from read_core.speech import WhisperFeatures, load_whisper_encoder
from read_core.speech.steps import features_of
from read_core.video import TemporalVAE

from ..footage_videos import placed, write_video


def files(folder):
    """Every file below a folder with its time of change."""
    return {p: p.stat().st_mtime_ns for p in folder.rglob("*") if p.is_file() and "locks" not in p.parts}


def test_the_manifest_tells_of_every_item(footage, videos):
    content = read_manifest(footage).content
    assert content["split_by"] == "identity"
    assert content["license"] == "test footage"
    assert content["settings"]["face"] == FaceLayout().to_dict()
    assert [(i["source"], i["start"], i["stop"]) for i in content["items"]] == [
        ("WDA_Bob_000.mp4", 0, 33),
        ("WRA_Ada_000.mp4", 0, 25),
        ("WRA_Ada_000.mp4", 25, 50),
        ("WRA_Ada_001.mp4", 0, 33),
    ]
    assert {(i["identity"], i["split"]) for i in content["items"]} in (
        {("WDA_Bob", "validation"), ("WRA_Ada", "train")},
        {("WDA_Bob", "train"), ("WRA_Ada", "validation")},
    )
    for item in content["items"]:
        assert item["license"] == "test footage"
        assert len(item["files"]) == 2
        for name, told in item["files"].items():
            data = (footage / item["file"]).with_name(name).read_bytes()
            assert (hashlib.sha256(data).hexdigest(), len(data)) == (told["sha256"], told["bytes"])
    assert content["seam"]["context"] == 1
    assert 0 < content["seam"]["decibels"] < 60
    assert not list(footage.rglob("*.tmp")) + list(footage.rglob("*.partial*")) + list(footage.rglob("*.i16"))


def test_every_crop_has_the_face_in_its_place(footage):
    """Found again in the small videos, which also have the sound."""
    expected = FaceLayout().points((64, 64)) * 64
    for item in read_manifest(footage).content["items"]:
        video = (footage / item["file"]).with_suffix(".mp4")
        frames = list(FrameReader(video).read())
        assert len(frames) == item["stop"] - item["start"]
        middle = torch.from_numpy(frames[len(frames) // 2].pixels()).float() / 255
        points = find_faces(middle).points[0]
        assert float((points - expected).norm(dim=1).max()) < 0.2 * 0.28 * 64
        assert float(read_audio(video).abs().max()) > 0.01


def test_latents_and_features_are_those_of_the_whole_item(tmp_path, footage, videos, settings):
    """With enough context the latents are those of encoding all at once, the features Whisper's own."""
    manifest = read_manifest(footage)
    item = next(i for i in manifest.content["items"] if i["source"] == "WRA_Ada_001.mp4")
    source, plan = videos / item["source"], read_plan((footage / item["file"]).parent)
    vae = TemporalVAE(load_model("vae", settings.vae))
    features = WhisperFeatures(load_whisper_encoder(settings.whisper).float())
    waveform = read_audio(source)
    samples = (waveform.clamp(-1, 1) * 32767).round().to(torch.int16)
    (tmp_path / "sound.i16").write_bytes(samples.numpy().tobytes())
    exact = replace(settings, context=receptive_latents(vae.vae))
    assert plan is not None
    make_item(source, tmp_path, plan, 0, exact, Models(vae, features))
    made = load_file(tmp_path / "0000.safetensors")
    crop = FaceCrop(**item["crop"])
    frames = [torch.from_numpy(one.pixels()).float() / 255 for one in FrameReader(source).read(0, 33)]
    cut = torch.stack([cut_face(frame, crop, (64, 64)) for frame in frames])
    with torch.no_grad():
        whole, portrait = vae.encode(cut[None])[0], vae.encode(cut[None, :1])[0, :, 0]
        spoken = features(samples.float() / 32768, 41)[:33]
    torch.testing.assert_close(made["latents"].float(), whole, rtol=2e-3, atol=2e-3)
    torch.testing.assert_close(made["references"][0].float(), portrait, rtol=2e-3, atol=2e-3)
    torch.testing.assert_close(features_of(made["steps"], 0, 33).float(), spoken, rtol=2e-3, atol=2e-3)


def test_a_second_run_does_nothing(footage, videos, settings, capsys):
    before = files(footage)
    said = []
    done = prepare(videos, footage, settings, on_units=lambda what, seconds: said.append((what, seconds)))
    assert done.made == 0
    assert said == [("scanning", 0), ("encoding", 0)]
    changed = {path.name for path, time in files(footage).items() if before.get(path) != time}
    assert changed <= {"manifest.json"}


def test_the_command_prints_what_there_is_and_draws_it(tmp_path, videos, settings, capsys):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.mp4").symlink_to(videos / "WRA_Ada_001.mp4")
    write_video(tmp_path / "in" / "wall.mp4", torch.full((30, 64, 96, 3), 0.4), torch.randn(19_200) / 9)
    arguments = ["--vae", settings.vae, "--whisper", settings.whisper, "--size", 64, "--seconds", 1, 1.5]
    arguments += ["--span", 2, "--context", 1, "--voice", "loudness", "--license", "mine"]
    assert main(["prepare", *map(str, [tmp_path / "in", tmp_path / "out", *arguments])]) == 0
    told = capsys.readouterr().out
    assert "1 items, 0.0 minutes" in told
    assert "left out 1 times: no face" in told
    assert (
        read_image(tmp_path / "out" / "kept.png").shape[0]
        < read_image(tmp_path / "out" / "kept.png").shape[1]
    )
    assert read_image(tmp_path / "out" / "skipped.png").shape[2] == 3


def test_a_change_of_scene_ends_a_shot_and_its_crop(tmp_path, talk, settings):
    frames = torch.cat([placed(talk.frames[:30], 20, 0.2), placed(talk.frames[30:], 70, 0.9)])
    write_video(tmp_path / "in" / "two.mp4", frames, talk.waveform)
    manifest = prepare(tmp_path / "in", tmp_path / "out", replace(settings, layout="plain")).manifest
    first, second = manifest.content["items"]
    assert (first["start"], second["start"]) == (0, 30)
    assert second["crop"]["x"] - first["crop"]["x"] == pytest.approx(50, abs=4)


def test_silence_is_left_out(tmp_path, talk, settings):
    quiet = talk.waveform.clone()
    quiet[: len(quiet) // 2] *= 1e-3
    write_video(tmp_path / "in" / "quiet.mp4", placed(talk.frames), quiet)
    manifest = prepare(tmp_path / "in", tmp_path / "out", replace(settings, layout="plain")).manifest
    (skipped,) = manifest.content["skipped"]
    assert skipped["start"] == 0
    assert "speech in" in skipped["reason"]
    assert manifest.content["items"][0]["start"] == 25


def test_other_settings_or_another_vae_are_refused(tmp_path, footage, videos, settings):
    with pytest.raises(InputError, match="another size"):
        prepare(videos, footage, replace(settings, size=96))
    (tmp_path / "a.mp4").symlink_to(next(videos.glob("*Bob*")))
    with pytest.raises(InputError, match="another footage"):
        prepare(tmp_path, footage, replace(settings, layout="plain"))
    vae = load_model("vae", settings.vae)
    vae.encoder.conv_in.conv.weight.mul_(2)
    vae.save_pretrained(tmp_path / "vae")
    with pytest.raises(InputError, match="another vae"):
        prepare(videos, footage, replace(settings, vae=tmp_path / "vae"))


def test_clips_of_a_few_seconds_are_kept_whole(tmp_path, talk, settings):
    """At the defaults from 121 frames on: what MEAD has."""
    usual = Settings(settings.vae, settings.whisper)
    assert (usual.kept_from, usual.frames) == (121, (257, 497))
    write_video(tmp_path / "in" / "M003" / "a.mp4", placed(talk.frames[:45]), talk.waveform)
    mead = replace(settings, layout="mead", seconds=(2.0, 2.4), shortest=1.2)
    out = tmp_path / "out"
    begin(out, mead, tmp_path / "in")
    (source,) = find_sources(tmp_path / "in", "mead")
    assert work(out, mead, Unit(source, 2.0)).refused == ""
    plan = current_plan(out, source)
    assert plan is not None
    assert [(span.start, span.stop, span.crop is None) for span in plan.spans] == [(0, 41, False)]
    with pytest.raises(InputError, match=r"shortest is 3 s; expected .* to 2 s"):
        replace(mead, shortest=3.0)


def test_a_folder_of_an_earlier_version_goes_on_by_its_rule(tmp_path, footage, videos, settings):
    """Its settings have no shortest stretch."""
    long = replace(settings, seconds=(8.0, 9.0))
    out = tmp_path / "out"
    said: list[str] = []
    assert begin(out, long, videos).kept_from == 121
    assert begin(out, long, videos).kept_from == 121
    written = json.loads((out / "settings.json").read_text())
    del written["settings"]["shortest"]
    (out / "settings.json").write_text(json.dumps(written))
    goes_on = begin(out, long, videos)
    assert goes_on.kept_from == goes_on.frames[0] == 201
    assert json.loads((out / "settings.json").read_text()) == written
    with pytest.raises(InputError, match="another shortest"):
        begin(out, replace(long, shortest=5.0), videos)
    done = prepare(videos, out, long, on_warning=said.append)
    assert done.manifest.content["items"] == []
    assert all("one steady face for" in span["reason"] for span in done.manifest.content["skipped"])
    assert [told for told in said if "begun by an earlier version" in told and "from 4.84 s on" in told]


def test_a_video_that_was_replaced_is_made_again(tmp_path, videos, talk, settings):
    path = tmp_path / "in" / "a.mp4"
    write_video(path, placed(talk.frames[25:]), talk.waveform[25 * 640 :])
    plain = replace(settings, layout="plain")
    first = prepare(tmp_path / "in", tmp_path / "out", plain)
    path.unlink()
    write_video(path, placed(talk.frames), talk.waveform)
    second = prepare(tmp_path / "in", tmp_path / "out", plain)
    assert (first.made, second.made) == (1, 2)
    assert len(second.manifest.content["items"]) == 2


def test_ray_makes_the_same_items(tmp_path, footage, videos, settings):
    ray = pytest.importorskip("ray")
    prepare(videos, tmp_path / "out", settings, engine="ray", workers=1)
    ours, theirs = (read_manifest(folder).content["items"] for folder in (footage, tmp_path / "out"))
    told = ("file", "source", "start", "stop", "crop", "spoken", "split")
    assert [[item[name] for name in told] for item in ours] == [[i[name] for name in told] for i in theirs]
    for item in ours:
        one, other = (load_file(folder / item["file"]) for folder in (footage, tmp_path / "out"))
        for name, value in one.items():
            torch.testing.assert_close(other[name], value, rtol=2e-3, atol=2e-3)
    assert not ray.is_initialized()


def test_an_engine_that_is_unknown_is_refused(tmp_path, settings):
    with pytest.raises(InputError, match="expected one of processes, ray"):
        list(run_units("spark", 1, tmp_path, settings, []))
