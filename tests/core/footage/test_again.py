"""A second run of ``read-core prepare``: what is finished stays, and what is lost is made again."""

from __future__ import annotations

import errno
import json
import os
import shutil
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file

from read_core.cli.main import main
from read_core.errors import InputError, MediaError
from read_core.footage import item as items_module
from read_core.footage import seam, units
from read_core.footage.detectors import make_detector
from read_core.footage.item import Models
from read_core.footage.looks import LOOKS, kept_looks
from read_core.footage.manifest import read_manifest
from read_core.footage.prepare import Requests, begin, prepare
from read_core.footage.records import read_plan
from read_core.footage.scan import scan
from read_core.footage.sources import find_sources
from read_core.footage.units import Unit, current_plan, work
from read_core.media import VideoWriter

from ..footage_videos import placed, write_video


@pytest.fixture
def out(tmp_path, footage):
    """A copy of prepared footage, with its times of change."""
    return shutil.copytree(footage, tmp_path / "out")


def licenses(folder):
    return {item["source"]: item["license"] for item in read_manifest(folder).content["items"]}


def contents(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_each_item_keeps_the_license_that_it_was_made_under(tmp_path, videos, talk, out, settings):
    folder = shutil.copytree(videos, tmp_path / videos.name)
    prepare(folder, out, replace(settings, license=None))
    assert set(licenses(out).values()) == {"test footage"}
    write_video(folder / "WDA_Cy_000.mp4", placed(talk.frames[20:57]), talk.waveform[20 * 640 :])
    said: list[str] = []
    prepare(folder, out, replace(settings, license="CC0"), on_warning=said.append)
    assert licenses(out) == {
        "WDA_Bob_000.mp4": "test footage",
        "WDA_Cy_000.mp4": "CC0",
        "WRA_Ada_000.mp4": "test footage",
        "WRA_Ada_001.mp4": "test footage",
    }
    assert set(read_manifest(out).content["license"].split("; ")) == {"test footage", "CC0"}
    assert [told for told in said if "4 finished items keep their license (test footage)" in told]
    prepare(folder, out, replace(settings, license="CC0"), requests=Requests(relicense=True))
    assert set(licenses(out).values()) == {"CC0"}
    assert read_manifest(out).content["license"] == "CC0"
    with pytest.raises(InputError, match="--license"):
        prepare(folder, out, replace(settings, license=None), requests=Requests(relicense=True))


def test_records_without_a_license_have_that_of_their_folder(videos, out, settings):
    """Those of an earlier version; also if one of them is made again."""
    for path in out.glob("sources/*/0000.json"):
        record = json.loads(path.read_text())
        del record["license"]
        path.write_text(json.dumps(record))
    next(out.glob("sources/WDA_Bob*/0000.safetensors")).unlink()
    prepare(videos, out, replace(settings, license="CC0"), on_warning=lambda _: None)
    assert set(licenses(out).values()) == {"test footage"}


@pytest.mark.parametrize("lost", ["0000.safetensors", "0000.mp4", "0000.json"])
def test_an_item_that_is_lost_is_made_again(footage, videos, out, settings, lost):
    (folder,) = out.glob("sources/WRA_Ada_000*")
    (folder / lost).unlink()
    done = prepare(videos, out, settings)
    assert done.made == 1
    assert not list(out.rglob("*.i16"))
    places = (folder, footage / "sources" / folder.name)
    made, first = (load_file(place / "0000.safetensors") for place in places)
    for name, value in first.items():
        torch.testing.assert_close(made[name], value, rtol=2e-3, atol=2e-3)
    assert len(done.manifest.items("train") + done.manifest.items("validation")) == 4
    assert prepare(videos, out, settings).made == 0


def test_a_shard_that_is_cut_or_damaged_is_made_again(videos, out, settings):
    """A change of size is seen by every run, another one on request."""
    shards = sorted(out.glob("sources/*/0000.safetensors"))
    whole = shards[0].read_bytes()
    shards[0].write_bytes(whole[:-100])
    assert prepare(videos, out, settings).made == 1
    content = bytearray(shards[1].read_bytes())
    content[-1] ^= 1
    shards[1].write_bytes(content)
    assert prepare(videos, out, settings).made == 0
    said: list[str] = []
    done = prepare(videos, out, settings, on_warning=said.append, requests=Requests(check=True))
    assert done.made == 1
    assert [told for told in said if str(shards[1]) in told and "damaged" in told]
    assert shards[1].read_bytes() != bytes(content)


def test_a_copy_of_the_videos_changes_nothing(tmp_path, videos, out, settings):
    """As of ``cp -r``: equal files with another time of change."""
    copy = tmp_path / "elsewhere" / videos.name
    shutil.copytree(videos, copy, copy_function=shutil.copyfile)
    for path in copy.iterdir():
        os.utime(path, ns=(0, 10**18))
    caption = next(out.glob("sources/*/0000.json")).with_suffix(".txt")
    caption.write_text("a person")
    before = {path: data for path, data in contents(out / "sources").items() if path.name != "plan.json"}
    done = prepare(copy, out, settings)
    assert done.made == 0
    after = contents(out / "sources")
    assert {path: after[path] for path in before} == before
    for source in find_sources(copy, "hdtf"):
        plan = read_plan(out / "sources" / source.key)
        assert plan is not None
        assert plan.state == source.state()  # the content is not read again next time


def test_a_plan_of_an_earlier_version_without_a_checksum_stays(tmp_path, videos, out, settings):
    for path in out.glob("sources/*/plan.json"):
        plan = json.loads(path.read_text())
        plan["state"][1] += 1
        del plan["sha256"]
        path.write_text(json.dumps(plan))
    assert prepare(videos, out, settings).made == 0


def test_texts_stay_when_a_video_is_replaced(tmp_path, talk, settings):
    path, out = tmp_path / "in" / "a.mp4", tmp_path / "out"
    write_video(path, placed(talk.frames[25:]), talk.waveform[25 * 640 :])
    plain = replace(settings, layout="plain")
    prepare(path.parent, out, plain)
    (folder,) = (out / "sources").iterdir()
    names = ("0000.txt", "0000.prompt.safetensors", "prompt.txt", "prompt.safetensors")
    mine = {name: name.encode() for name in names}
    for name, data in mine.items():
        (folder / name).write_bytes(data)
    size = path.stat().st_size
    write_video(tmp_path / "new.mp4", placed(talk.frames), talk.waveform)
    (tmp_path / "new.mp4").replace(path)
    assert path.stat().st_size != size
    said: list[str] = []
    assert prepare(path.parent, out, plain, on_warning=said.append).made == 2
    assert {name: (folder / name).read_bytes() for name in mine} == mine
    assert [told for told in said if "has been replaced" in told and "0000.txt" in told and "check" in told]


def test_a_video_of_equal_size_and_other_content_is_made_again(tmp_path, talk, settings):
    path, out = tmp_path / "in" / "a.mp4", tmp_path / "out"
    write_video(path, placed(talk.frames), talk.waveform)
    plain = replace(settings, layout="plain")
    prepare(path.parent, out, plain)
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    (source,) = find_sources(path.parent, "plain")
    assert current_plan(out, source) is None
    assert prepare(path.parent, out, plain).made == 2


def test_a_group_that_is_held_out_stays_so_when_people_are_added(tmp_path, videos, talk, out, settings):
    folder = shutil.copytree(videos, tmp_path / videos.name)
    before = {item["identity"]: item["split"] for item in read_manifest(out).content["items"]}
    assert set(before.values()) == {"train", "validation"}
    # The hash of this name holds it out: the fallback that held another one out no longer decides.
    write_video(folder / "RD_Radio6_000.mp4", placed(talk.frames[20:57]), talk.waveform[20 * 640 :])
    items = prepare(folder, out, settings).manifest.content["items"]
    assert {item["identity"]: item["split"] for item in items} == before | {"RD_Radio6": "validation"}


def test_an_error_of_writing_refuses_no_item(tmp_path, talk, settings, monkeypatch):
    """The next run makes it."""
    write_video(tmp_path / "in" / "a.mp4", placed(talk.frames[25:]), talk.waveform[25 * 640 :])
    plain, out = replace(settings, layout="plain"), tmp_path / "out"

    def fail(*_):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with monkeypatch.context() as patched:
        patched.setattr(VideoWriter, "_encode_frame", fail)
        with pytest.raises(MediaError, match=os.strerror(errno.EIO)):
            prepare(tmp_path / "in", out, plain)
    assert read_manifest(out).content["skipped"] == []
    assert prepare(tmp_path / "in", out, plain).made == 1


def test_an_error_of_writing_refuses_no_video(tmp_path, videos, settings):
    out = tmp_path / "out"
    begin(out, settings, videos)
    (source, *_) = find_sources(videos, "hdtf")
    looks = out / "sources" / source.key / LOOKS
    looks.mkdir(parents=True)  # nothing can be written under that name
    assert work(out, settings, Unit(source, 1)).fatal
    assert current_plan(out, source) is None
    looks.rmdir()
    assert not work(out, settings, Unit(source, 1)).refused


def test_too_little_memory_names_options_that_help(tmp_path, videos, settings, monkeypatch):
    def fail(*_):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB.")

    monkeypatch.setattr(items_module, "make_item", fail)
    with pytest.raises(MediaError, match=r"out of GPU memory.* fewer --workers.* smaller --span"):
        prepare(videos, tmp_path / "out", settings)
    assert read_manifest(tmp_path / "out").content["items"] == []


def test_a_scan_that_was_killed_looks_at_no_frame_twice(tmp_path, videos, settings):
    (source, *_) = find_sources(videos, "hdtf")
    detect = make_detector("own")
    calls: list[int] = []

    def killed_at(count):
        def counting(picture):
            if len(calls) == count:
                raise KeyboardInterrupt
            calls.append(0)
            return detect(picture)

        return counting

    def scanned(finder, sha256="1"):
        with kept_looks(tmp_path / LOOKS, sha256) as see:
            return scan(source.path, tmp_path, settings, finder, None, see)

    with pytest.raises(KeyboardInterrupt):
        scanned(killed_at(3))
    with (tmp_path / LOOKS).open("a") as file:
        file.write("[99, [[1.0")  # what a kill has cut
    resumed = scanned(killed_at(-1))
    assert len(calls) == -(-37 // 5)
    whole = scan(source.path, tmp_path, settings, detect, None)
    assert resumed == whole
    scanned(killed_at(-1), "another video")
    assert len(calls) == 2 * -(-37 // 5)


def test_sheets_that_a_kill_left_out_are_drawn(videos, out, settings):
    arguments = ["--vae", settings.vae, "--whisper", settings.whisper, "--size", 64, "--seconds", 1, 1.5]
    arguments += ["--span", 2, "--context", 1, "--voice", "loudness", "--layout", "hdtf", "--device", "cpu"]
    command = ["prepare", *map(str, [videos, out, *arguments])]
    assert main(command) == 0
    drawn = (out / "kept.png").stat().st_mtime_ns
    assert main(command) == 0
    assert (out / "kept.png").stat().st_mtime_ns == drawn
    record = next(out.glob("sources/*/0000.json"))
    os.utime(record, ns=(0, drawn + 10**9))  # newer than the sheets
    assert main(command) == 0
    assert (out / "kept.png").stat().st_mtime_ns > drawn


def test_the_spans_are_compared_by_the_models_that_encode(videos, out, settings, monkeypatch):
    """On their device; without memory for it, the folder is finished without the figure."""
    settings_file = out / "settings.json"
    content = json.loads(settings_file.read_text())
    told = content.pop("seam")
    settings_file.write_text(json.dumps(content))
    used = []
    models_of = units.models_of

    def noted(*given) -> Models:
        used.append(models_of(*given))
        return used[-1]

    monkeypatch.setattr(seam, "models_of", noted)
    said: list[tuple[str, float]] = []
    done = prepare(videos, out, settings, on_units=lambda *units: said.append(units))
    assert done.manifest.content["seam"] == told
    assert used[0].vae is models_of(settings).vae
    assert said[-1] == ("comparing spans", 25 / 25)
    settings_file.write_text(json.dumps(content))

    def fail(*_):
        raise torch.OutOfMemoryError("CUDA out of memory.")

    monkeypatch.setattr(seam, "seam_db", fail)
    warned: list[str] = []
    done = prepare(videos, out, settings, on_warning=warned.append)
    assert "seam" not in done.manifest.content
    assert "out of GPU memory" in warned[-1]
