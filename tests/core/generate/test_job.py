"""From files to a file, by a real pipeline with random weights, against the pipeline's own steps."""

from __future__ import annotations

import resource
import time
import warnings
import wave
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import av
import numpy as np
import pytest
import torch
from einops import reduce
from PIL import Image

from read_core.ans import JointCFG
from read_core.errors import InputError, MediaError, ReadError, ReadWarning
from read_core.finish import Finishing
from read_core.generate.job import (
    Estimate,
    Interrupted,
    Job,
    check_job,
    estimate,
    generate,
    synthesis_tags,
)
from read_core.generate.runtime import read_runtime
from read_core.media import VideoWriter, read_audio, read_image
from read_core.pipeline import ReadPipeline
from read_core.records import FaceChoice, ResolvedSettings, SamplingSettings

FRAMES = 70


@pytest.fixture(scope="module")
def pipe(tiny_checkpoint):
    return ReadPipeline.from_pretrained(tiny_checkpoint, "cpu", torch.float32)


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    """A portrait of another shape than the video, and 2.8 s of sound."""
    folder = tmp_path_factory.mktemp("inputs")
    generator = np.random.default_rng(0)
    Image.fromarray(generator.integers(0, 255, (80, 100, 3), np.uint8)).save(folder / "face.png")
    samples = (generator.normal(0, 3000, 640 * FRAMES)).clip(-30000, 30000).astype("<i2")
    with wave.open(str(folder / "speech.wav"), "wb") as file:
        file.setparams((1, 2, 16000, 0, "NONE", ""))
        file.writeframes(samples.tobytes())
    return folder


@pytest.fixture
def job(inputs, tmp_path):
    return Job(inputs / "face.png", inputs / "speech.wav", tmp_path / "out.mp4", SamplingSettings(seed=3))


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def with_settings(job, **changes):
    return replace(job, settings=replace(job.settings, **changes))


def collected(pipe, job):
    frames: list[torch.Tensor] = []
    generate(pipe, job, on_frames=frames.append)
    return torch.cat(frames)


def test_the_runtime_is_that_of_the_network_and_is_removed_with_its_video(pipe, job, tmp_path):
    calls = []

    def slow(*_):
        time.sleep(0.01)
        calls.append(1)

    hook = pipe.transformer.register_forward_hook(slow, prepend=True)
    report = generate(pipe, replace(job, runtime=True))
    hook.remove()
    found = read_runtime(job.out)
    assert found is not None
    assert names(tmp_path) == ["out.mp4", "out.runtime.json"]
    assert (found.backbone_seconds, found.total_seconds) == (report.backbone_seconds, report.seconds)
    assert 0.01 * len(calls) < found.backbone_seconds < found.total_seconds
    generate(pipe, replace(job, overwrite=True))
    assert names(tmp_path) == ["out.mp4"]
    assert read_runtime(job.out) is None


@pytest.mark.parametrize("content", ["seconds", "[1]", '{"backbone_seconds": 3, "total_seconds": 2}'])
def test_what_is_no_runtime_is_refused(tmp_path, content):
    (tmp_path / "a.runtime.json").write_text(content)
    with pytest.raises(MediaError, match="backbone_seconds"):
        read_runtime(tmp_path / "a.mp4")


def test_the_video_is_what_the_pipeline_makes(pipe, job, tmp_path):
    frames = collected(pipe, job)
    speech = pipe.encode_speech(read_audio(job.speech), 16000)
    reference = pipe.encode_reference(read_image(job.portrait))
    expected = pipe.decode(pipe.sample(speech, reference, SamplingSettings(seed=3)), FRAMES, seed=3)
    torch.testing.assert_close(frames, expected, rtol=0, atol=1e-5)
    assert names(tmp_path) == ["out.mp4"]
    with av.open(str(job.out)) as container:
        picture, sound = container.streams.video[0], container.streams.audio[0]
        assert (picture.height, picture.width) == (64, 96)
        assert picture.frames == FRAMES
        assert picture.average_rate == 25
        assert sound.duration * sound.time_base * 25 == FRAMES
        decoded = np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])
    blocks = "f (h p) (w q) c -> f h w c"  # color is stored at half the resolution
    given = reduce(frames.numpy(), blocks, "mean", p=8, q=8)
    np.testing.assert_allclose(reduce(decoded / 255, blocks, "mean", p=8, q=8), given, atol=0.05)


def test_the_tag_says_when_guidance_ends():
    settings = ResolvedSettings(8, JointCFG(2.0), seed=7, window=4)
    named = cast(ReadPipeline, SimpleNamespace(card=SimpleNamespace(name="tiny")))
    assert "until" not in synthesis_tags(named, "a", settings)["comment"]
    early = synthesis_tags(named, "a", replace(settings, guidance_end=0.25))["comment"]
    assert early.endswith("guidance kind=joint alpha=2.0 until 0.25 of the steps")


@pytest.mark.parametrize("order", ["steps", "wavefront"])
def test_all_orders_make_the_same_video(pipe, job, order, tmp_path):
    clips = collected(pipe, job)
    other = collected(pipe, replace(with_settings(job, order=order), out=tmp_path / "other.mp4"))
    torch.testing.assert_close(other, clips, rtol=0, atol=1e-4)


def test_everything_can_be_chosen(pipe, job):
    sampled = with_settings(job, steps=1, guidance=JointCFG(2.0), seed=7)
    chosen = replace(sampled, size=(96, 64), fit="pad")
    frames = collected(pipe, chosen)
    assert frames.shape == (FRAMES, 96, 64, 3)
    with av.open(str(job.out)) as container:
        comment = container.metadata["comment"]
    for words in ("Synthesized", "checkpoint tiny", "seed 7", "steps 1", "window 4", "kind=joint alpha=2.0"):
        assert words in comment


def test_the_report_and_the_estimate_count_right(pipe, job):
    calls: list[Any] = []
    times = []
    report = generate(
        pipe,
        job,
        on_estimate=calls.append,
        on_step=lambda done, total: calls.append((done, total)),
        on_window=lambda done, total: calls.append(f"window {done}/{total}"),
        on_time=lambda seconds: times.append((len(calls), seconds)),
    )
    windows = [call for call in calls if isinstance(call, str)]
    assert windows == [f"window {done}/{len(windows)}" for done in range(1, len(windows) + 1)]
    assert calls[: len(windows)] == windows  # heard before the estimate
    found, *calls = calls[len(windows) :]
    assert (found.num_frames, found.size, found.steps, found.window) == (FRAMES, (64, 96), 2, 4)
    assert found.clips == 4  # 9 latents: 3 + 3 x 2
    assert calls == [(done, 8) for done in range(1, 9)]
    ((at, seconds),) = times
    assert at == len(windows) + 1  # after the estimate, as the first step is done
    assert seconds > 0
    assert report.num_frames == FRAMES
    assert report.duration == FRAMES / 25
    assert report.real_time_factor == report.seconds / report.duration
    assert report.memory > found.memory > 1e6


def test_the_estimate_runs_nothing_and_grows_only_where_the_whole_video_is_held(pipe, job, monkeypatch):
    reference = pipe.encode_reference(read_image(job.portrait))
    speech = pipe.encode_speech(read_audio(job.speech), 16000)
    for model in (pipe.transformer, pipe.vae.vae.decoder):
        monkeypatch.setattr(model, "forward", lambda *_, **__: pytest.fail("the estimate ran a model"))
    monkeypatch.setattr(torch, "empty", lambda *_, **__: pytest.fail("the estimate made a tensor"))
    found = {
        (frames, streamed): estimate(
            pipe, replace(speech, num_frames=frames), reference, job.settings, streamed=streamed
        )
        for frames in (25, 25_000)
        for streamed in (False, True)
    }
    assert (found[25, True].clips, found[25_000, True].clips) == (1, 1562)
    assert found[25, True].memory == found[25_000, True].memory < found[25_000, False].memory


def test_the_estimate_counts_the_pieces_that_several_processes_hold(pipe, job, monkeypatch):
    picture = read_image(job.portrait)
    reference = pipe.encode_reference(picture)
    speech = replace(pipe.encode_speech(read_audio(job.speech), 16000), num_frames=25_000)
    finish = pipe.finish(reference, picture, Finishing(detail=False, paste_back=False, size=1024))
    alone = estimate(pipe, speech, reference, job.settings, finish)
    monkeypatch.setattr(pipe, "ring", SimpleNamespace(size=2))
    shared = estimate(pipe, speech, reference, job.settings, finish)
    frames = 8 * pipe.vae.settings.chunk  # a piece is one chunk at least
    assert shared.memory - alone.memory >= 2 * frames * 3 * finish.size[0] * finish.size[1]


def test_interrupted_it_keeps_what_was_finished(pipe, job, tmp_path):
    def interrupt(done, total):
        if done == 7:
            raise KeyboardInterrupt

    with pytest.raises(Interrupted, match=r"s of video are kept in .*out\.partial\.mp4"):
        generate(pipe, job, on_step=interrupt)
    assert names(tmp_path) == ["out.partial.mp4"]
    with av.open(str(tmp_path / "out.partial.mp4")) as container:
        count = sum(1 for _ in container.decode(video=0))
        sound = container.streams.audio[0]
        assert sound.duration * sound.time_base * 25 == count
    assert 0 < count < FRAMES


def test_interrupted_at_once_it_keeps_nothing(pipe, job, tmp_path):
    def interrupt(*_):
        raise KeyboardInterrupt

    with pytest.raises(Interrupted, match="nothing was kept"):
        generate(pipe, job, on_step=interrupt)
    with pytest.raises(Interrupted, match="nothing was kept"):
        generate(pipe, job, on_estimate=interrupt)
    assert names(tmp_path) == []


def test_a_full_disk_keeps_what_was_finished(pipe, job, tmp_path):
    """The system refuses to let the file grow, as a full disk does."""
    generate(pipe, job)
    room = round(0.8 * job.out.stat().st_size)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, before[1]))
    try:
        with pytest.raises(MediaError, match=r"out of disk space.* the finished part is .*out\.partial\.mp4"):
            generate(pipe, replace(job, overwrite=True))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    with av.open(str(tmp_path / "out.partial.mp4")) as container:
        assert 0 < sum(1 for _ in container.decode(video=0)) < FRAMES


def test_a_failure_in_the_middle_leaves_nothing(pipe, job, tmp_path):
    def fail(done, total):
        if done == 7:
            raise RuntimeError("sampler")

    with pytest.raises(RuntimeError, match="sampler"):
        generate(pipe, job, on_step=fail)
    assert names(tmp_path) == []


def test_inputs_are_never_overwritten(pipe, job, tmp_path):
    talk = tmp_path / "talk.mp4"
    talk.write_bytes(b"mine")
    with pytest.raises(MediaError, match="choose another name"):
        generate(pipe, replace(job, speech=talk, out=talk, overwrite=True))
    assert talk.read_bytes() == b"mine"


@pytest.mark.parametrize("change", [{"size": (100, 64)}, {"fit": "zoom"}])
def test_values_out_of_range_are_refused(pipe, job, change, tmp_path):
    with pytest.raises(InputError, match="expected"):
        generate(pipe, replace(job, **change))
    assert names(tmp_path) == []


def test_another_window_and_silence_are_warnings(pipe, job, tmp_path):
    with wave.open(str(tmp_path / "still.wav"), "wb") as file:
        file.setparams((1, 2, 16000, 0, "NONE", ""))
        file.writeframes(bytes(2 * 640 * 30))
    words: list[str] = []
    chosen = replace(with_settings(job, window=5), speech=tmp_path / "still.wav")
    with warnings.catch_warnings():
        warnings.simplefilter("error", ReadWarning)  # what the caller hears of, Python's filter does not
        report = generate(pipe, chosen, on_warning=words.append)
    assert report.num_frames == 30
    assert sum("silent" in text for text in words) == 1
    assert sum("window is 5" in text for text in words) == 1
    with pytest.warns(ReadWarning, match="window is 5"):
        generate(pipe, replace(chosen, overwrite=True))


def test_pasted_back_it_is_the_whole_portrait(pipe, job, tmp_path):
    """By hand, so that no face is looked for: a square of 40 pixels in a portrait of 100 x 80."""
    chosen = replace(job, fit="face", face=FaceChoice(0, 0.5, 0.4, 0.4), finishing=Finishing(detail=False))
    seen = collected(pipe, chosen)
    assert seen.shape == (FRAMES, 64, 96, 3)  # what the model makes
    with av.open(str(job.out)) as container:
        pictures = np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])
    assert pictures.shape == (FRAMES, 80, 100, 3)
    portrait = read_image(job.portrait).numpy()
    corners = pictures[:, :16, :16] / 255  # the crop begins at column 20
    blocks = "... (h p) (w q) c -> ... h w c"
    np.testing.assert_allclose(
        reduce(corners, blocks, "mean", p=8, q=8),
        np.broadcast_to(reduce(portrait[:16, :16], blocks, "mean", p=8, q=8), (FRAMES, 2, 2, 3)),
        atol=0.05,
    )
    middle = reduce(pictures[:, 32:48, 40:56] / 255, blocks, "mean", p=16, q=16)
    expected = reduce(seen[:, 26:39, 38:58].numpy(), "f h w c -> f 1 1 c", "mean")
    np.testing.assert_allclose(middle, expected, atol=0.06)


@pytest.mark.parametrize(("size", "shape"), [(128, (86, 128))])
def test_the_result_has_the_size_that_is_asked_for(pipe, job, size, shape):
    found: list[Estimate] = []
    generate(pipe, replace(job, finishing=Finishing(size=size)), on_estimate=found.append)
    with av.open(str(job.out)) as container:
        video = container.streams.video[0]
        assert (video.height, video.width) == shape
        assert video.frames == FRAMES
    assert found[0].size == shape


@pytest.fixture
def two_tracks(tmp_path):
    """Silence, then noise as long as it is loud: 1 s and 1.4 s."""
    generator = np.random.default_rng(0)
    with av.open(str(tmp_path / "two.mkv"), "w") as container:
        streams = [container.add_stream("flac", rate=16000, layout="mono") for _ in range(2)]
        for stream, (count, scale) in zip(streams, ((16000, 0), (22400, 3000)), strict=True):
            samples = generator.normal(0, scale, (1, count)).astype(np.int16)
            frame = av.AudioFrame.from_ndarray(samples, format="s16", layout="mono")
            frame.sample_rate, frame.pts = 16000, 0
            container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
    return tmp_path / "two.mkv"


def test_the_chosen_track_is_both_heard_and_kept(pipe, job, two_tracks):
    report = generate(pipe, replace(job, speech=two_tracks, track=2))
    assert report.num_frames == 35
    with av.open(str(job.out)) as container:
        sound = np.concatenate([frame.to_ndarray() for frame in container.decode(audio=0)], axis=1)
    assert np.abs(sound).max() > 0.1


def test_a_video_that_another_process_writes_is_refused_before_the_work(pipe, job):
    writer = VideoWriter(job.out, (64, 96))
    with pytest.raises(MediaError, match="being written by another process"):
        check_job(job)
    writer.abort()
    check_job(job)


def test_too_little_memory_is_one_error(pipe, job, tmp_path):
    def refuse(*_):
        torch.empty(2**60)

    with pytest.raises(ReadError, match=r"out of main memory .*; choose a smaller result"):
        generate(pipe, job, on_step=refuse)
    assert names(tmp_path) == []
