"""Decoding while sampling, previews, and what waits for the device."""

from __future__ import annotations

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from read_core.ans import JointCFG, NoCFG, SplitCFG
from read_core.records import SamplingSettings, SpeechCodes

from .inputs import FRAMES, SIZE, random_codes


@pytest.mark.parametrize(("frames", "window"), [(FRAMES, 4), (FRAMES, 6), (2, 4), (122, 8)])
@pytest.mark.filterwarnings("ignore::read_core.errors.ReadWarning")
def test_streaming_gives_the_frames_of_decoding_the_sample(pipe, reference, frames, window):
    speech = SpeechCodes(random_codes(90), frames)
    latents = pipe.sample(speech, reference, SamplingSettings(window=window, seed=4))
    whole = pipe.decode(latents, frames, seed=4)
    parts = list(pipe.stream(speech, reference, SamplingSettings(window=window, seed=4)))
    assert whole.shape == (frames, *SIZE, 3)
    assert float(whole.min()) >= 0
    assert float(whole.max()) <= 1
    assert all(len(part) for part in parts)
    assert torch.equal(torch.cat(parts), whole)


def test_decoding_in_pieces_gives_the_frames_of_decoding(pipe, speech, reference):
    latents = pipe.sample(speech, reference)
    parts = list(pipe.decode_stream(latents, FRAMES, seed=4))
    assert len(parts) > 1
    assert torch.equal(torch.cat(parts), pipe.decode(latents, FRAMES, seed=4))


def test_no_latent_is_decoded_for_frames_that_nobody_wants(pipe, speech, reference, monkeypatch):
    latents = pipe.sample(speech, reference, SamplingSettings(seed=4, window=4))
    decoded, whole = list[int](), pipe.vae._decode_chunk

    def counted(decoder, few, first, count, seed):
        decoded.append(count)
        return whole(decoder, few, first, count, seed)

    monkeypatch.setattr(pipe.vae, "_decode_chunk", counted)
    assert sum(len(part) for part in pipe.decode_stream(latents, 18, seed=4)) == 18
    assert sum(decoded) == 4  # z_R and 3 latents: frames 1 to 24


def test_a_preview_is_a_frame_of_the_clip(pipe, speech, reference):
    latents = pipe.sample(speech, reference)
    picture = pipe.preview(latents[:, :, 1:])
    assert picture.shape == (*SIZE, 3)
    assert torch.equal(picture, pipe.decode(latents[:, :, -3:])[-1])


def test_the_stream_starts_before_the_sampling_ends(pipe, speech, reference):
    done = []
    stream = pipe.stream(speech, reference, on_step=lambda now, total, _: done.append((now, total)))
    assert done == []
    assert len(next(stream)) == 17  # 3 latents
    assert done[-1] == (4, 8)  # 2 of 4 clips: a halo of 2 latents is awaited
    rest = list(stream)
    assert done[-1] == (8, 8)
    assert 17 + sum(len(frames) for frames in rest) == FRAMES


def test_on_step_may_interrupt(pipe, speech, reference):
    shapes = []

    def stop(done, total, finished):
        if finished is not None:
            shapes.append((done, tuple(finished.shape)))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pipe.sample(speech, reference, on_step=stop)
    assert shapes == [(2, (1, 8, 3, 2, 2))]


class _Reads(TorchDispatchMode):
    """Counts operations that read a value of a tensor: for each of them the host waits for a GPU."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name = func.overloadpacket.__name__
        if name in ("_local_scalar_dense", "equal", "is_nonzero", "nonzero", "masked_select", "unique"):
            self.found.append(name)
        return func(*args, **(kwargs or {}))


def test_the_measure_counts_what_reads_a_value():
    with _Reads() as reads:
        bool(torch.ones(3).all())
        torch.ones(3)[0].item()
        torch.ones(3)[torch.ones(3) > 0] + 1
    assert reads.found[:2] == ["_local_scalar_dense"] * 2


@pytest.mark.parametrize("guidance", [NoCFG(), JointCFG(1.0), SplitCFG(1.0, 2.0)])
def test_no_step_and_no_chunk_waits_for_the_device(pipe, speech, reference, guidance):
    frames = pipe.stream(speech, reference, SamplingSettings(2, guidance))
    with _Reads() as reads:
        assert sum(len(part) for part in frames) == FRAMES
    assert reads.found == []
