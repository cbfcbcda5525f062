"""An hour of speech at a studio's rate: begun, followed over several clips, and given up."""

import av
import pytest

from .prompts import node, quick_file
from .test_interrupt import written

pytestmark = [pytest.mark.comfy, pytest.mark.slow]
HOUR = 3600
RATE = 96000
WINDOW, CLIPS = 8, 32  # CLIPS to follow, of 48 frames each
A_CLIP = 48 * 128 * 128 * 3 * 4  # bytes of its frames
CODES = 120 * 2**20  # bytes to grow by while the speech is encoded, of which the codes are kept


@pytest.fixture(scope="module")
def hour(host):
    """The run, and the host's memory in bytes: while it encoded the speech, and after each clip."""
    prompt = quick_file(filename_prefix="video/hour", window=WINDOW)
    prompt["3"] = node("ReadTest_Audio", kind="noise", seconds=HOUR, rate=RATE, channels=2, batch=1)
    encoding: list[int] = []
    clips: list[int] = []

    def watch(kind, data):
        if kind == "progress" and data["node"] == "4" and not clips:
            encoding.append(host.memory())
        if kind == "preview":
            clips.append(host.memory())
            if len(clips) == CLIPS:
                host.client.interrupt()

    run = host.client.run(prompt, watch, preview_method="latent2rgb")
    yield run, encoding, clips
    host.client.free(unload_models=True, free_memory=True)


def test_encoding_an_hour_keeps_little(hour):
    _, encoding, _ = hour
    assert len(encoding) > 20
    assert encoding[-1] - encoding[len(encoding) // 10] < CODES, [used // 2**20 for used in encoding]


def test_no_clip_adds_to_the_memory(hour):
    """The least of many readings, far apart: some are taken in the middle of the work, and the allocator
    keeps some tens of megabytes now and then, but 20 clips that were kept would be 180."""
    run, _, clips = hour
    assert run.status == "interrupted", run.error
    assert any("90000 frames in 1875 clips" in text for text in run.texts)
    assert len(clips) >= CLIPS
    early, late = min(clips[2:12]), min(clips[22:32])
    assert late - early < 10 * A_CLIP, [used // 2**20 for used in clips]


def test_what_is_finished_plays_and_nothing_else_is_left(host, hour):
    run, _, _ = hour
    (name,) = written(host, "hour")
    assert name.endswith(".partial.mp4")
    with av.open(str(host.output / "video" / name)) as file:
        assert file.streams.audio[0].rate == 48000  # the most that AAC carries everywhere
        assert file.streams.audio[0].channels == 2
        frames = sum(1 for _ in file.decode(video=0))
    with av.open(str(host.output / "video" / name)) as file:
        seconds = sum(frame.samples for frame in file.decode(audio=0)) / 48000
    assert frames > (CLIPS - 2) * 48
    assert seconds == pytest.approx(frames / 25, abs=0.1)
    assert any(f"{frames / 25:.2f} s of video are kept" in text for text in run.texts)
