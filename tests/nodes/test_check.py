"""READ Check: its numbers against the same ones worked out here, plainly, from the frames and the sound."""

import re
import wave

import numpy as np
import pytest
from safetensors.torch import load_file

from read_core.evaluation.metrics.face import read_face
from read_core.mouth.measure import mouth_opening

from .prompts import node, quick

pytestmark = [pytest.mark.comfy, pytest.mark.slow]
START, SECONDS, FRAMES, WINDOW = 1.0, 2.0, 50, 4
LATE = 3  # frames


def talking():
    """The prompt of two seconds of a talking head, decoded by "8"."""
    defaults = {"steps": 0, "guidance": "checkpoint default", "fit": "checkpoint default"}
    prompt = quick(start=START, duration=SECONDS, window=WINDOW, **defaults)
    prompt["8"] = node("READ_Decode", models=["1", 0], latent=["6", 0])
    return prompt


@pytest.fixture(scope="module")
def run(host):
    """The talking head, checked with its own sound, and with sound that comes late."""
    prompt = talking()
    prompt["late"] = prompt["4"] | {"inputs": prompt["4"]["inputs"] | {"start": START - LATE / 25}}
    images = {"images": ["8", 0], "window": WINDOW}
    prompt["check"] = node("READ_Check", audio=["4", 1], reference=["5", 1], **images)
    prompt["check late"] = node("READ_Check", audio=["late", 1], **images)
    own = images | {"window": 0, "models": ["1", 0]}
    prompt["check own"] = node("READ_Check", audio=["4", 1], **own)
    prompt["check 16"] = node("READ_Check", audio=["4", 1], **images | {"window": 16})
    known = images | {"reference": ["5", 1], "models": ["1", 0]}
    prompt["check known"] = node("READ_Check", audio=["4", 1], **known)
    for check in ("check", "check late", "check own", "check 16", "check known"):
        for index, what in enumerate(("plot", "report", "follows", "lag")):
            prompt[f"{check}: {what}"] = node("ReadTest_Dump", value=[check, index])
    sources = {"frames": ["8", 0], "sound": ["4", 1], "late sound": ["late", 1], "portrait": ["5", 1]}
    prompt |= {name: node("ReadTest_Dump", value=source) for name, source in sources.items()}
    found = host.client.run(prompt)
    assert found.status == "success", found.error
    return found


@pytest.fixture(scope="module")
def frames(run):
    return load_file(run.ui("frames", "file"))["value"].double().numpy()


def said(run, what, check="check"):
    return run.ui(f"{check}: {what}", "plain")["value"]


def number(run, pattern, check="check"):
    found = re.search(pattern, said(run, "report", check))
    assert found is not None, pattern
    return float(found[1])


def tracks(run, sound="sound"):
    """Mouth opening and smoothed loudness, a value per frame."""
    frames = load_file(run.ui("frames", "file"))["value"]
    sound = load_file(run.ui(sound, "file"))["waveform"][0].double().numpy()
    loudness = [np.sqrt((piece**2).mean()) for piece in np.array_split(sound[0], FRAMES)]
    smooth = np.convolve(loudness, np.ones(5) / 5, mode="same")
    face = read_face(frames)
    opening = mouth_opening(frames) if face is None else face.mouth[:, 0]
    return opening.double().numpy(), smooth


def test_a_window_of_0_is_that_of_the_checkpoint(run):
    assert said(run, "report", "check own") == said(run, "report", "check 16")


def test_a_window_that_is_not_the_checkpoint_s_stays_and_is_told(run):
    told = f"Warning: window is {WINDOW}, but that of read-tiny is 16"
    *numbers, last = said(run, "report", "check known").splitlines()
    assert last.startswith(told)
    assert any(text.startswith(told) for text in run.texts)
    for check in ("check", "check own"):
        assert "Warning" not in said(run, "report", check)
    assert said(run, "report").splitlines() == numbers


def test_how_well_the_mouth_follows(run):
    opening, loudness = tracks(run)
    expected = np.corrcoef(opening, loudness)[0, 1]
    assert said(run, "follows") == pytest.approx(expected, abs=0.005)
    assert number(run, r"mouth against loudness: r (-?[\d.]+)") == pytest.approx(expected, abs=0.01)


@pytest.mark.parametrize(("check", "sound"), [("check", "sound"), ("check late", "late sound")])
def test_the_lag(run, check, sound):
    opening, loudness = tracks(run, sound)
    fits = {}
    for lag in range(-10, 11):
        late, early = max(lag, 0), max(-lag, 0)
        fits[lag] = np.corrcoef(opening[late : FRAMES - early], loudness[early : FRAMES - late])[0, 1]
    best = max(fits, key=lambda lag: fits[lag])
    assert said(run, "lag", check) == best
    assert number(run, r"lag of (-?\d+) frames", check) == best
    assert number(run, r"lag of -?\d+ frames: r (-?[\d.]+)", check) == pytest.approx(fits[best], abs=0.01)


def test_sound_as_loud_as_the_mouth_is_open_fits_it_and_late_sound_makes_it_early(host, run):
    opening, _ = tracks(run)
    prompt = talking()
    for name, loudness in {"fits": opening, "late": np.append(np.zeros(LATE), opening[:-LATE])}.items():
        write_sound(host.base / "input" / f"{name}.wav", loudness)
        prompt[f"{name}: sound"] = node("LoadAudio", audio=f"{name}.wav")
        prompt[name] = node("READ_Check", images=["8", 0], audio=[f"{name}: sound", 0], window=WINDOW)
        for index, what in ((2, "follows"), (3, "lag")):
            prompt[f"{name}: {what}"] = node("ReadTest_Dump", value=[name, index])
    found = host.client.run(prompt)
    assert found.status == "success", found.error
    assert said(found, "follows", "fits") > 0.5  # the check smooths the loudness
    assert said(found, "lag", "fits") == pytest.approx(0, abs=1)
    assert said(found, "lag", "late") == pytest.approx(-LATE, abs=1)


def write_sound(target, loudness):
    """A buzz of 16 kHz with this loudness in each frame, as a WAV file."""
    samples = np.repeat(0.5 * loudness, 640) * np.resize([1, -1], 640 * len(loudness))
    with wave.open(str(target), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16000)
        file.writeframes((samples * 32767).astype("<i2").tobytes())


def test_jumps_between_frames(run, frames):
    jumps = 255 * np.abs(np.diff(frames, axis=0)).mean(axis=(1, 2, 3))
    generated = WINDOW - 1
    clips = range(8 * generated, len(jumps), 8 * (generated - 1))
    latents = [last for last in range(8, len(jumps), 8) if last not in clips]
    inside = [last for last in range(len(jumps)) if last % 8]
    assert len(clips) > 1
    for name, which in (("clips meet", clips), ("latents meet", latents), ("inside", inside)):
        expected = jumps[list(which)].mean()
        assert number(run, rf"{name} (-?[\d.]+)") == pytest.approx(expected, abs=0.006), name


def test_drift_from_the_portrait(run, frames):
    portrait = load_file(run.ui("portrait", "file"))["value"][0].double().numpy()
    end = frames[-25:].mean(axis=0)
    small = [picture.reshape(16, 8, 16, 8, 3).mean(axis=(1, 3)) for picture in (portrait, end)]
    likeness = np.corrcoef(small[0].ravel(), small[1].ravel())[0, 1]
    drift = 255 * np.linalg.norm(portrait.mean(axis=(0, 1)) - end.mean(axis=(0, 1)))
    assert number(run, r"likeness[^:]*: (-?[\d.]+)") == pytest.approx(likeness, abs=0.001)
    assert number(run, r"color drift[^:]*: ([\d.]+)") == pytest.approx(drift, abs=0.01)


def test_the_plot_shows_what_is_measured(run):
    plots = [load_file(run.ui(f"{check}: plot", "file"))["value"] for check in ("check", "check late")]
    for plot in plots:
        assert plot.ndim == 4
        assert plot.shape[3] == 3
        assert plot.shape[2] >= 10 * FRAMES
        assert 0 <= plot.min() < plot.max() <= 1
    assert (plots[0] != plots[1]).any()
