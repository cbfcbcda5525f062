"""What the pipeline refuses, and when."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from read_core.checkpoint import Prompt
from read_core.errors import InputError
from read_core.records import SamplingSettings


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"steps": 0}, "steps is 0"),
        ({"steps": 101}, "steps is 101"),
        ({"window": 2}, "window is 2"),
        ({"window": 65}, "window is 65"),
        ({"seed": -1}, "seed is -1"),
        ({"seed": 2**64}, "seed is"),
        ({"seed": 1.5}, "seed is 1.5"),
        ({"steps": 2.5}, "steps is 2.5"),
        ({"window": 4.5}, "window is 4.5"),
        ({"order": "random"}, "order is"),
        ({"steps": "many"}, "steps is 'many'"),
        ({"seed": float("nan")}, "seed is nan"),
    ],
)
def test_settings_out_of_range(options, message):
    with pytest.raises(InputError, match=message):
        SamplingSettings(**options)


@pytest.mark.parametrize("order", ["steps", "wavefront"])
def test_a_stream_is_made_clip_by_clip(pipe, speech, reference, order):
    with pytest.raises(InputError, match=f"order is '{order}'.*expected clips"):
        pipe.stream(speech, reference, SamplingSettings(order=order))  # at once


@pytest.mark.parametrize("use", ["sample", "stream"])
def test_records_that_do_not_fit_are_refused_at_once(pipe, speech, reference, use):
    run = getattr(pipe, use)
    with pytest.raises(InputError, match="has 8 codes; a window of 4 needs 9"):
        run(replace(speech, codes=speech.codes[:, :8]), reference)
    with pytest.raises(InputError, match=r"codes are .* expects \(1, M, 3, 10\)"):
        run(replace(speech, codes=speech.codes[..., :4]), reference)
    with pytest.raises(InputError, match=r"latent is \(1, 4, 1, 2, 2\); .* expects \(1, 8, 1, h, w\)"):
        run(speech, replace(reference, latent=reference.latent[:, :4]))
    with pytest.raises(InputError, match=r"latent is \(8, 1, 2, 2\)"):
        run(speech, replace(reference, latent=reference.latent[0]))
    text = SamplingSettings(text=Prompt(torch.zeros(2, 7), torch.ones(2, dtype=torch.bool)))
    with pytest.raises(InputError, match="text embedding"):
        run(speech, reference, text)


@pytest.mark.parametrize(
    "waveform",
    [
        torch.zeros(0),
        torch.zeros(2, 0),
        torch.zeros(1, 1, 5),
        torch.tensor([0.0, float("nan")]),
        torch.tensor([0.0, float("inf")]),
        torch.zeros(5, dtype=torch.int16),
    ],
)
def test_waveforms_that_are_refused(pipe, waveform):
    with pytest.raises(InputError):
        pipe.encode_speech(waveform, 16_000)


@pytest.mark.parametrize(
    ("image", "size"),
    [
        (torch.zeros(64, 64), None),
        (torch.zeros(64, 64, 2), None),
        (torch.full((64, 64, 3), float("nan")), None),
        (torch.zeros(64, 64, 3, dtype=torch.uint8), None),
        (torch.zeros(64, 64, 3), (100, 64)),
        (torch.zeros(64, 64, 3), (32, 64)),
        (torch.zeros(64, 64, 3), (64, 4096)),
    ],
)
def test_portraits_and_sizes_that_are_refused(pipe, image, size):
    with pytest.raises(InputError):
        pipe.encode_reference(image, size)


@pytest.mark.parametrize(
    ("shape", "frames"), [((1, 4, 3, 2, 2), None), ((8, 3, 2, 2), None), ((1, 8, 3, 2, 2), 18)]
)
def test_latents_that_are_refused(pipe, shape, frames):
    with pytest.raises(InputError):
        pipe.decode(torch.zeros(shape), frames)
    with pytest.raises(InputError):
        pipe.decode_stream(torch.zeros(shape), frames)


def test_a_decoding_seed_out_of_range_is_refused(pipe, reference):
    with pytest.raises(InputError, match="seed is -1"):
        pipe.decode(reference.latent, seed=-1)
    with pytest.raises(InputError, match="seed is -1"):
        pipe.decode_stream(reference.latent, seed=-1)
