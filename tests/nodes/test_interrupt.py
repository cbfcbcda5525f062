"""The host's interrupt, at the first, a middle and the last step."""

import json

import av
import pytest

from .host import run_in_host
from .prompts import QUICK, quick, quick_file

pytestmark = [pytest.mark.comfy, pytest.mark.slow]
STEPS = 4


def slow_step(**inputs):
    """One clip of four steps that take long enough to interrupt."""
    prompt = quick(steps=STEPS, window=16, width=192, height=192, **inputs)
    prompt["6"]["inputs"] |= {"guidance": "split", "guidance.alpha": -3.0, "guidance.beta": 5.0}
    return prompt


def interrupt_at(client, node, step):
    """Interrupts once, when ``step`` steps are done; 0: when the estimate has been said."""
    sent: list[str] = []

    def watch(kind, data):
        if sent:
            return
        begun = step == 0 and kind == "text" and "GB for the models" in data
        reached = kind == "progress" and data["node"] == node and data["value"] >= step > 0
        if begun or reached:
            sent.append(kind)
            client.interrupt()

    return watch


@pytest.fixture(scope="module")
def undisturbed(host):
    run = host.client.run(slow_step(seed=31))
    assert run.status == "success", run.error
    return run.ui("7", "digest")


@pytest.mark.parametrize("step", [0, 2, STEPS - 1])
def test_the_sampler_ends_within_a_step_and_the_next_run_is_clean(client, undisturbed, step):
    client.free(free_memory=True)  # else the result may come from the host's cache
    run = client.run(slow_step(seed=31), interrupt_at(client, "6", step))
    assert run.status == "interrupted"
    done = [value for value, _ in run.progress("6")]
    assert max(done, default=0) <= step + 1
    assert "7" not in run.executed
    again = client.run(slow_step(seed=31))
    assert again.status == "success", again.error
    assert again.ui("7", "digest") == undisturbed


def written(host, prefix):
    """Names of all files that have to do with a prefix, hidden ones too."""
    folder = host.output / "video"
    return sorted(path.name for path in folder.iterdir() if prefix in path.name) if folder.is_dir() else []


@pytest.mark.parametrize(("name", "share"), [("begin", 0.0), ("middle", 0.5), ("end", 1.0)])
def test_what_is_finished_of_a_file_stays_and_plays(host, client, name, share):
    prefix = f"interrupted_{name}"
    prompt = quick_file(filename_prefix=f"video/{prefix}", audio="speech.flac", **QUICK | {"window": 6})
    total = 1
    sent: list[str] = []

    def watch(kind, data):
        nonlocal total
        begun = kind == "text" and " GB for the models" in data
        if begun:
            total = int(data.split(" clips")[0].split()[-1])
        stop = min(total - 1, max(1, round(total * share)))
        reached = kind == "progress" and data["max"] == total and data["value"] >= stop
        if not sent and (begun if share == 0 else reached):
            sent.append(kind)
            client.interrupt()

    run = client.run(prompt, watch)
    assert run.status == "interrupted"
    files = written(host, prefix)
    if share == 0:
        assert files == []
    else:
        (file,) = files
        assert file.endswith(".partial.mp4")
        with av.open(str(host.output / "video" / file)) as video:
            count = sum(1 for _ in video.decode(video=0))
        with av.open(str(host.output / "video" / file)) as video:
            seconds = sum(frame.samples for frame in video.decode(audio=0)) / 16000
        assert 0 < count < 225
        assert seconds == pytest.approx(count / 25, abs=0.15)
        assert any(f"{count / 25:.2f} s of video are kept" in text for text in run.texts)
    after = client.run(quick_file(filename_prefix=f"video/after_{name}"))
    assert after.status == "success", after.error
    assert len(written(host, f"after_{name}")) == 1


def test_what_is_finished_stays_after_an_error_too(installation, tmp_path):
    found = json.loads(run_in_host(installation, "keep_partial.py", tmp_path))
    kept = sorted(f"{name}.partial.mp4" for name in found)
    assert sorted(path.name for path in tmp_path.iterdir()) == kept
    for name in kept:
        told = found[name.removesuffix(".partial.mp4")]
        with av.open(str(tmp_path / name)) as video:
            frames = sum(1 for _ in video.decode(video=0))
        assert told["told"] == f"{frames / 25:.2f} s of video are kept in {tmp_path / name}."
        if name == "full.partial.mp4":
            assert "out of disk space" in told["message"]
            assert f"the finished part is {tmp_path / name}" in told["message"]
            assert frames == told["frames"] > 0
        else:
            assert told["raised"]
            assert frames == 50
