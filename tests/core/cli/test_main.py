"""The command line: help, bad input in one line with exit status 2, interruption, a full disk."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import wave
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from PIL import Image

from read_core.ans import JointCFG, NoCFG, SplitCFG
from read_core.cli.main import COMMANDS, main
from read_core.errors import InputError
from read_core.generate.guidance import choose_guidance

FRAMES = 30


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    """good.png, good.wav and everything that is not good."""
    folder = tmp_path_factory.mktemp("inputs")
    generator = np.random.default_rng(0)
    Image.fromarray(generator.integers(0, 255, (80, 100, 3), np.uint8)).save(folder / "good.png")
    Image.new("RGB", (1, 1)).save(folder / "dot.png")
    (folder / "text.png").write_text("not a picture\n" * 100)
    (folder / "text.wav").write_text("not a sound\n" * 100)
    os.mkfifo(folder / "pipe")
    for name, count, scale in (
        ("good", FRAMES, 3000),
        ("silent", FRAMES, 0),
        ("empty", 0, 1),
        ("long", 3000, 3000),
    ):
        with wave.open(str(folder / f"{name}.wav"), "wb") as file:
            file.setparams((1, 2, 16000, 0, "NONE", ""))
            file.writeframes(
                generator.normal(0, scale, 640 * count).clip(-30000, 30000).astype("<i2").tobytes()
            )
    for name, value in (("nan", np.nan), ("infinite", np.inf)):
        with av.open(str(folder / f"{name}.wav"), "w") as container:
            stream = container.add_stream("pcm_f32le", rate=16000, layout="mono")
            samples = np.full((1, 8000), 0.1, np.float32)
            samples[0, 4000] = value
            frame = av.AudioFrame.from_ndarray(samples, format="flt", layout="mono")
            frame.sample_rate = 16000
            container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
    return folder


def command(inputs, out, checkpoint, **changes):
    """The arguments of a run that works, with changes; None removes one, True makes a switch of it."""
    options = {
        "portrait": inputs / "good.png",
        "speech": inputs / "good.wav",
        "out": out,
        "checkpoint": checkpoint,
        "device": "cpu",
        **changes,
    }
    words = ["generate"]
    for name, value in options.items():
        if value is True:
            words.append(f"--{name}")
        elif value is not None:
            words.append(f"--{name}={value}")
    return words


def status_of(words):
    try:
        return main(words)
    except SystemExit as stop:
        return stop.code


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_generate_makes_a_video_and_tells_what_it_took(inputs, tmp_path, tiny_checkpoint, capsys):
    assert main(command(inputs, tmp_path / "a.mp4", tiny_checkpoint)) == 0
    assert names(tmp_path) == ["a.mp4"]
    printed = capsys.readouterr()
    for words in (
        f"{FRAMES} frames (1.20 s)",
        "GB of memory for the models and the work",
        "sampling takes about",
        "1.20 s of video",
        "time:",
        "real-time factor:",
        "peak:",
    ):
        assert words in printed.out
    assert (
        printed.out.index("for the models") < printed.out.index("sampling takes") < printed.out.index("time:")
    )
    assert "4/4" in printed.err  # two clips of two steps


def test_the_same_seed_gives_the_same_file(inputs, tmp_path, tiny_checkpoint):
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        assert main(command(inputs, tmp_path / f"{name}.mp4", tiny_checkpoint, seed=seed)) == 0
    frames = {}
    for name in "abc":
        with av.open(str(tmp_path / f"{name}.mp4")) as container:
            frames[name] = np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])
    np.testing.assert_array_equal(frames["a"], frames["b"])
    assert np.abs(frames["a"].astype(int) - frames["c"]).max() > 2


@pytest.mark.parametrize(
    ("changes", "size"),
    [
        ({}, (64, 96)),
        ({"output-size": 200}, (134, 200)),
        ({"fit": "face", "face": "0.5,0.4,0.4"}, (80, 100)),
        ({"fit": "face", "face": "0.5,0.4,0.4", "crop-only": True}, (64, 96)),
        ({"fit": "face", "face": "0.5,0.4,0.4", "output-size": 64}, (52, 64)),
        ({"paste-back": True}, (80, 100)),
    ],
)
def test_face_paste_back_and_output_size(inputs, tmp_path, tiny_checkpoint, changes, size):
    words = command(inputs, tmp_path / "a.mp4", tiny_checkpoint, **changes)
    assert main([*words, "--no-detail"]) == 0
    with av.open(str(tmp_path / "a.mp4")) as container:
        video = container.streams.video[0]
        assert (video.height, video.width) == size
        assert video.frames == FRAMES


def test_info_tells_parts_and_defaults(tiny_checkpoint, capsys):
    assert main(["info", str(tiny_checkpoint)]) == 0
    printed = capsys.readouterr().out
    for words in (
        "96 x 64",
        "not aligned",
        "4 latents, 25 frames",
        "alpha 0.5, beta 1.5",
        "random",
        "transformer",
        "A2VTransformer",
    ):
        assert words in printed


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"portrait": "no.png"}, "no.png: no such file"),
        ({"speech": "no.wav"}, "no.wav: no such file"),
        ({"portrait": "text.png"}, "expected an image"),
        ({"portrait": "good.wav"}, "contains no picture"),
        ({"portrait": "dot.png"}, "1 x 1 pixels"),
        ({"portrait": "."}, "is a folder"),
        ({"portrait": "p" * 300}, "no such file"),
        ({"speech": "pipe"}, "is a pipe or a device"),
        ({"speech": "text.wav"}, "expected a recording"),
        ({"speech": "good.png"}, "no audio stream"),
        ({"speech": "empty.wav"}, "without any samples"),
        ({"speech": "nan.wav"}, "NaN or infinite"),
        ({"speech": "infinite.wav"}, "NaN or infinite"),
        ({"steps": 0}, "steps is 0; expected"),
        ({"steps": "many"}, "invalid int value: 'many'"),
        ({"window": 2}, "window is 2; expected 3 to 64"),
        ({"seed": -1}, "seed is -1"),
        ({"size": "100x64"}, "96 x 64"),
        ({"size": "4096"}, "2048"),
        ({"size": "big"}, "'big' is no size"),
        ({"size": "²"}, "'²' is no size"),
        ({"output-size": 63}, "output size is 63; expected a whole number from 64 to 4096"),
        ({"face": "0.5,0.4"}, "'0.5,0.4' is no place"),
        ({"face": "0.5,0.4,0"}, "size is 0; expected more"),
        ({"face": "0.5,0.4,nan"}, "with size nan"),
        ({"face": "0.5,0.9,0.3", "fit": "face"}, "outside the picture of 100 x 80"),
        ({"face-index": -1}, "index is -1"),
        ({"fit": "zoom"}, "invalid choice"),
        ({"paste-back": True, "crop-only": True}, "not allowed with"),
        ({"alpha": 21}, "alpha is 21"),
        ({"alpha": -11}, "alpha is -11"),
        ({"beta": -1}, "beta is -1"),
        ({"guidance": "joint", "beta": 1}, "joint guidance has no beta"),
        ({"guidance": "none", "alpha": 1}, "none guidance has no alpha"),
        ({"guidance": "both"}, "invalid choice"),
        ({"device": "abacus"}, "device 'abacus' cannot be used"),
        ({"device": "meta"}, "device 'meta' cannot be used"),
        ({"out": "a.avi"}, "ends in '.avi'"),
        ({"out": "a"}, "has no suffix"),
        ({"out": f"{'a' * 300}.mp4"}, "name too long"),
        ({"out": "nowhere/a.mp4"}, "does not exist"),
        ({"out": "there.mp4"}, "--overwrite"),
        ({"sheet": "sheet.jpg"}, "ends in '.jpg'"),
        ({"track": 2}, "1 audio track; there is no track 2"),
        ({"out": f"{'a' * 245}.mp4"}, "name too long"),
        ({"portrait": None}, "arguments are required: --portrait"),
        ({"checkpoint": "nowhere"}, "nowhere is not a folder"),
    ],
)
def test_bad_input_is_one_line_and_status_2(inputs, tmp_path, tiny_checkpoint, capsys, changes, words):
    (tmp_path / "there.mp4").write_bytes(b"mine")
    for name in ("portrait", "speech"):
        if changes.get(name):
            changes = {**changes, name: inputs / changes[name]}
    for name in ("out", "sheet", "checkpoint"):
        if name in changes:
            changes = {**changes, name: tmp_path / changes[name]}
    out = changes.pop("out", tmp_path / "a.mp4")
    assert status_of(command(inputs, out, changes.pop("checkpoint", tiny_checkpoint), **changes)) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert words in error
    assert names(tmp_path) == ["there.mp4"]
    assert (tmp_path / "there.mp4").read_bytes() == b"mine"


def test_silence_and_another_window_are_warnings_of_one_line(inputs, tmp_path, tiny_checkpoint, capsys):
    words = command(inputs, tmp_path / "a.mp4", tiny_checkpoint, speech=inputs / "silent.wav", window=5)
    assert main(words) == 0
    lines = [line for line in capsys.readouterr().err.splitlines() if "warning" in line]
    assert len(lines) == 2
    assert lines[0].endswith("silent.wav is silent: the mouth will stay closed")
    assert "trained for 4" in lines[1]


def test_overwriting_must_be_allowed(inputs, tmp_path, tiny_checkpoint):
    (tmp_path / "a.mp4").write_bytes(b"old")
    assert main(command(inputs, tmp_path / "a.mp4", tiny_checkpoint, overwrite=True)) == 0
    assert (tmp_path / "a.mp4").stat().st_size > 1000
    assert names(tmp_path) == ["a.mp4"]


@pytest.mark.parametrize(
    ("option", "output", "name"),
    [
        ("portrait", "sheet", "mine.png"),
        ("portrait", "out", "mine.mp4"),
        ("speech", "out", "mine.mp4"),
    ],
)
def test_what_is_read_is_never_overwritten(tmp_path, inputs, tiny_checkpoint, capsys, option, output, name):
    mine = tmp_path / name
    mine.write_bytes(b"mine")
    outputs = {"out": tmp_path / "mine.mp4", **({"sheet": mine} if output == "sheet" else {})}
    words = command(inputs, checkpoint=tiny_checkpoint, overwrite=True, **{option: mine, **outputs})
    assert status_of(words) == 2
    assert f"{mine} is also an input and would be overwritten" in capsys.readouterr().err
    assert mine.read_bytes() == b"mine"
    assert names(tmp_path) == [name]


def test_an_interrupt_before_anything_is_made_says_only_that(monkeypatch, capsys):
    def interrupt(args):
        raise KeyboardInterrupt

    monkeypatch.setattr("read_core.cli.info.run", interrupt)
    assert main(["info"]) == 130
    assert capsys.readouterr().err == "read-core: interrupted\n"


def test_the_bar_is_seen_on_a_terminal_that_does_not_tell_its_width():
    code = "from read_core.cli.generate import _Display\nwith _Display(False) as shown: shown.stepped(1, 2)"
    ours, theirs = os.openpty()
    environment = {name: value for name, value in os.environ.items() if name != "COLUMNS"}
    subprocess.run(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=theirs, env=environment, check=True
    )
    assert b"1/2" in os.read(ours, 65536)


def start(words, before="pass", environment=None):
    # A shell's background jobs ignore Ctrl-C, and what they start inherits that.
    code = (
        "import sys, resource, signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
        f"{before}; from read_core.cli.main import main; sys.exit(main(sys.argv[1:]))"
    )
    environment = {**os.environ, "OMP_NUM_THREADS": "1", **(environment or {})}
    return subprocess.Popen(
        [sys.executable, "-c", code, *words], stderr=subprocess.PIPE, stdout=subprocess.PIPE, env=environment
    )


@pytest.mark.slow
@pytest.mark.parametrize(("number", "status"), [("SIGINT", 130), ("SIGTERM", 143), ("SIGHUP", 129)])
def test_ctrl_c_and_its_like_keep_a_partial_video(inputs, tmp_path, tiny_checkpoint, number, status):
    words = command(inputs, tmp_path / "a.mp4", tiny_checkpoint, speech=inputs / "long.wav")
    process = start(words)
    deadline = time.monotonic() + 600
    while (
        not any(path.stat().st_size > 50_000 for path in tmp_path.iterdir()) and time.monotonic() < deadline
    ):
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(getattr(signal, number))
    _, error = process.communicate(timeout=600)
    assert process.returncode == status
    assert f"s of video are kept in {tmp_path / 'a.partial.mp4'}".encode() in error
    assert b"Traceback" not in error
    assert names(tmp_path) == ["a.partial.mp4"]
    with av.open(str(tmp_path / "a.partial.mp4")) as container:
        count = sum(1 for _ in container.decode(video=0))
    assert 0 < count < 3000


@pytest.mark.slow
def test_too_little_main_memory_is_one_line(inputs, tmp_path, tiny_checkpoint):
    words = command(inputs, tmp_path / "a.mp4", tiny_checkpoint, size=2048)
    # The libraries, and a little more.
    limited = (
        "import read_core.pipeline, read_core.generate; "
        "size = int(open('/proc/self/statm').read().split()[0]) * resource.getpagesize() + 400_000_000; "
        "resource.setrlimit(resource.RLIMIT_AS, (size, size))"
    )
    process = start(words, limited)
    _, error = process.communicate(timeout=600)
    assert process.returncode == 2
    assert b"Traceback" not in error
    assert error.splitlines()[-1].startswith(b"read-core: error: out of main memory")
    assert names(tmp_path) == []


@pytest.mark.slow
def test_output_that_nobody_reads_or_cannot_be_spelled_does_not_matter(inputs, tmp_path, tiny_checkpoint):
    name = os.fsdecode("é本".encode() + b"\xe9.mp4")
    words = command(inputs, tmp_path / name, tiny_checkpoint)
    process = start(words, environment={"PYTHONIOENCODING": "ascii"})
    output, error = process.communicate(timeout=600)
    assert (process.returncode, error.count(b"Traceback")) == (0, 0)
    assert b"\\xe9\\u672c" in output
    process = start(command(inputs, tmp_path / "b.mp4", tiny_checkpoint))
    process.stdout.close()
    assert process.wait(timeout=600) == 0
    process.stderr.close()
    assert names(tmp_path) == ["b.mp4", name]


@pytest.mark.slow
def test_a_full_disk_is_one_line_and_leaves_nothing(inputs, tmp_path, tiny_checkpoint):
    words = command(inputs, tmp_path / "a.mp4", tiny_checkpoint, speech=inputs / "long.wav")
    process = start(words, "resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, resource.RLIM_INFINITY))")
    _, error = process.communicate(timeout=600)
    assert process.returncode == 2
    assert b"out of disk space" in error.splitlines()[-1]
    assert b"Traceback" not in error
    assert names(tmp_path) == []


def test_help_needs_nothing_heavy():
    code = """
import sys
from read_core.cli.main import main
for words in (["--help"], ["generate", "--help"], ["info", "--help"], ["--version"]):
    try:
        main(words)
    except SystemExit as stop:
        assert stop.code == 0
assert not {"torch", "av", "diffusers", "transformers"} & set(sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    for name in COMMANDS:
        assert f"    {name}" in done.stdout
    for option in (
        "--alpha",
        "-10 to 20",
        "--beta",
        "0 to 20",
        "--window",
        "3 to 64",
        "--order",
        "wavefront",
    ):
        assert option in done.stdout
    assert "None" not in done.stdout
    assert "same video (default: 0)" in " ".join(done.stdout.split())


def test_no_command_and_an_unknown_one_are_refused(capsys):
    for words in ([], ["dance"]):
        assert status_of(words) == 2
        assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize(
    ("default", "asked", "expected"),
    [
        (SplitCFG(-1.0, 3.0), (None, None, None), SplitCFG(-1.0, 3.0)),
        (SplitCFG(-1.0, 3.0), (None, None, 5.0), SplitCFG(-1.0, 5.0)),
        (SplitCFG(-1.0, 3.0), ("joint", None, None), JointCFG(3.0)),
        (SplitCFG(-1.0, 3.0), ("joint", 2.0, None), JointCFG(2.0)),
        (SplitCFG(-1.0, 3.0), ("none", None, None), NoCFG()),
        (JointCFG(2.0), ("split", None, None), SplitCFG(0.0, 2.0)),
        (JointCFG(2.0), (None, 4.0, None), JointCFG(4.0)),
        (NoCFG(), ("split", None, None), SplitCFG(0.0, 1.0)),
        (NoCFG(), ("joint", None, None), JointCFG(1.0)),
    ],
)
def test_scales_that_are_not_given_are_the_checkpoints(default, asked, expected):
    assert choose_guidance(default, *asked) == expected


def test_a_scale_that_has_no_meaning_is_refused():
    with pytest.raises(InputError, match="none guidance has no beta"):
        choose_guidance(SplitCFG(1.0, 2.0), "none", None, 2.0)


def test_the_bundled_checkpoint_is_the_default():
    from read_core.bundled import BUNDLED

    package = Path(sys.modules["read_core.cli.main"].__file__).parents[1]
    assert package / "checkpoints" / "read-tiny" == BUNDLED


@pytest.mark.gpu
def test_generate_on_a_gpu(inputs, tmp_path, tiny_checkpoint, capsys):
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    assert main(command(inputs, tmp_path / "a.mp4", tiny_checkpoint, device="cuda")) == 0
    assert "GPU memory" in capsys.readouterr().out
