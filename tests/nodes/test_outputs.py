"""What the small outputs of the nodes say, and what the widgets do to the speech codes."""

import av
import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from .prompts import load, node, quick, quick_file

pytestmark = [pytest.mark.comfy, pytest.mark.slow]


def ran(client, prompt, **extra):
    run = client.run(prompt, **extra)
    assert run.status == "success", run.error
    return run


def with_outputs(prompt, source, count, first=0):
    """The prompt with what outputs ``first`` to ``count`` of a node give, under "out 0" and so on."""
    dumps = {
        f"out {index}": node("ReadTest_Dump", value=[source, index], name=f"out{index}")
        for index in range(first, count)
    }
    return prompt | dumps


def value_of(run, index):
    """A number or a text."""
    return run.ui(f"out {index}", "plain")["value"]


def tensors_of(run, index):
    return load_file(run.ui(f"out {index}", "file"))


# Encode Reference

REGIONS = {
    "crop": (50, 0, 100, 100),  # the middle square of 200 x 100
    "pad": (0, -50, 200, 200),
    "stretch": (0, 0, 200, 100),
}


@pytest.mark.parametrize("fit", REGIONS)
def test_where_the_portrait_lies_in_the_original(client, fit):
    prompt = quick(fit=fit, width=64, height=64)
    prompt["2"] = node("ReadTest_Image", width=200, height=100, channels=3, batch=1)
    prompt = with_outputs({number: prompt[number] for number in ("1", "2", "5")}, "5", 6)
    prompt["original"] = node("ReadTest_Dump", value=["2", 0], name="original")
    run = ran(client, prompt)
    x, y, width, height = (value_of(run, index) for index in (2, 3, 4, 5))
    assert (x, y, width, height) == REGIONS[fit]
    seen = tensors_of(run, 1)["value"]
    assert seen.shape == (1, 64, 64, 3)
    original = load_file(run.ui("original", "file"))["value"][0]
    rows = ((torch.arange(64) + 0.5) / 64 * height + y).long().clamp(0, 99)
    columns = ((torch.arange(64) + 0.5) / 64 * width + x).long().clamp(0, 199)
    torch.testing.assert_close(seen[0], original[rows][:, columns], rtol=0, atol=0.02)


def test_the_region_of_another_shape(client):
    prompt = quick(fit="crop", width=64, height=128)
    prompt["2"] = node("ReadTest_Image", width=200, height=300, channels=3, batch=1)
    run = ran(client, with_outputs({number: prompt[number] for number in ("1", "2", "5")}, "5", 6, first=1))
    assert tensors_of(run, 1)["value"].shape == (1, 128, 64, 3)
    assert [value_of(run, index) for index in (2, 3, 4, 5)] == [25, 0, 150, 300]


# Whisper + SpeechAE Encode

SAME = 1e-3
OTHER = 0.02


def encoded(client, level=0.1, kind="noise", **how):
    """The speech codes of half a second of noise of this level, and the sound that is handed on."""
    how = {"normalize_loudness": False} | how
    prompt = quick(start=0.0, duration=0.0, **how)
    prompt["3"] = node("ReadTest_Audio", kind=kind, seconds=0.5, rate=16000, channels=1, batch=1, level=level)
    run = ran(client, with_outputs({number: prompt[number] for number in ("1", "3", "4")}, "4", 3))
    assert value_of(run, 2) == 13
    sound = tensors_of(run, 1)["waveform"]
    assert sound.shape == (1, 1, 13 * 640)
    assert float(sound.std()) == pytest.approx(level if kind == "noise" else 0, rel=0.1)
    return tensors_of(run, 0)["codes"]


def apart(first, second):
    """Root mean square of a difference, relative to that of the second."""
    return float((first - second).square().mean().sqrt() / second.square().mean().sqrt())


def test_normalized_loudness_makes_quiet_and_loud_the_same(client):
    quiet, loud = encoded(client, 0.002), encoded(client, 0.1)
    assert apart(quiet, loud) > OTHER
    leveled = encoded(client, 0.002, normalize_loudness=True)
    assert apart(leveled, encoded(client, 0.1, normalize_loudness=True)) < SAME
    # -23 dB is 0.0708 of full scale
    assert apart(leveled, encoded(client, 10 ** (-23 / 20))) < SAME
    assert apart(leveled, quiet) > OTHER


def test_audio_scale_is_a_factor_on_what_the_encoder_hears(client):
    plain = encoded(client, 0.02)
    scaled = encoded(client, 0.02, audio_scale=4.0)
    assert apart(scaled, plain) > OTHER
    assert apart(scaled, encoded(client, 0.08)) < SAME
    assert apart(encoded(client, 0.02, audio_scale=0.0), encoded(client, kind="silence")) < SAME
    loud = encoded(client, 0.3, audio_scale=10.0)
    assert apart(loud, encoded(client, 0.6, audio_scale=5.0)) < SAME
    assert apart(loud, encoded(client, 0.15, audio_scale=10.0)) > OTHER  # neither is brought to one peak


def test_the_gate_silences_what_is_quieter_and_nothing_else(client):
    silence = encoded(client, kind="silence")
    hiss, speech = encoded(client, 0.001), encoded(client, 0.1)  # -60 and -20 dB
    assert apart(hiss, silence) > OTHER
    assert apart(encoded(client, 0.001, silence_gate=-45.0), silence) < SAME
    assert apart(encoded(client, 0.001, silence_gate=-75.0), hiss) < SAME
    assert apart(encoded(client, 0.1, silence_gate=-45.0), speech) < SAME


# Temporal VAE Decode


@pytest.mark.parametrize(("duration", "frames"), [(0.5, 13), (0.04, 1), (1.0, 25)])
def test_rate_and_number_of_frames(client, duration, frames):
    prompt = quick(duration=duration)
    prompt["8"] = node("READ_Decode", models=["1", 0], latent=["6", 0])
    run = ran(client, with_outputs(prompt, "8", 3))
    assert tensors_of(run, 0)["value"].shape == (frames, 128, 128, 3)
    assert value_of(run, 1) == 25.0
    assert value_of(run, 2) == frames


def test_frames_of_a_latent_that_does_not_say_how_many(client):
    prompt = {"1": load(), "2": node("ReadTest_Latent", frames=3, height=2, width=4)}
    prompt["8"] = node("READ_Decode", models=["1", 0], latent=["2", 0])
    run = ran(client, with_outputs(prompt, "8", 3))
    assert tensors_of(run, 0)["value"].shape == (17, 64, 128, 3)
    assert (value_of(run, 1), value_of(run, 2)) == (25.0, 17)


# READ Talking Head to File: the same widgets


def written_frames(host, run):
    (item,) = run.files("4")
    with av.open(str(host.output / item["subfolder"] / item["filename"])) as file:
        frames = [frame.to_ndarray(format="rgb24") for frame in file.decode(video=0)]
    return np.stack(frames).astype(float)


def test_the_file_is_what_the_five_nodes_make(host, client):
    """Cut, leveled, gated, sized and sampled alike; what differs is the compression."""
    heard = {"start": 1.2, "duration": 0.6, "audio_scale": 1.5, "silence_gate": -40.0}
    shaped = {"width": 96, "height": 160, "fit": "stretch", "seed": 7, "steps": 2}
    five = quick(**heard, **shaped)
    five["8"] = node("READ_Decode", models=["1", 0], latent=["6", 0])
    five["7"] = node("ReadTest_Dump", value=["8", 0])
    expected = load_file(ran(client, five).ui("7", "file"))["value"].numpy() * 255
    found = written_frames(host, ran(client, quick_file(audio="speech.flac", **heard, **shaped)))
    assert found.shape == expected.shape == (15, 160, 96, 3)
    assert np.abs(found - expected).mean() < 4


def test_the_file_node_levels_the_speech(host, client):
    with_it, without = (
        written_frames(host, ran(client, quick_file(normalize_loudness=level, audio_scale=0.2, seed=8)))
        for level in (True, False)
    )
    assert with_it.shape == without.shape
    assert np.abs(with_it - without).mean() > 0.05
