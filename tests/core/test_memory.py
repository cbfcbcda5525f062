"""Memory by arithmetic against what torch's profiler has seen allocated."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace

import pytest
import torch
from allocated import peak_allocated

from read_core.ans import JointCFG, NoCFG, SplitCFG
from read_core.bundled import BUNDLED
from read_core.detail import DetailNetwork, DetailRestorer
from read_core.errors import ignore
from read_core.face.alignment import FaceLayout
from read_core.finish import Finish, Finishing
from read_core.memory import decoding_memory, latents_memory, sampling_memory, weights_memory
from read_core.pipeline import ReadPipeline
from read_core.precision import bfloat16_is_fast
from read_core.records import Reference, SamplingSettings, SpeechCodes
from read_core.video import DecodeSettings, TemporalVAE
from read_core.video.aligned import AlignedAutoencoder
from read_core.video.configs import TINY_INNER


@pytest.fixture(autouse=True)
def _one_thread():
    """The profiler sees this thread alone, and frames that are worked on side by side have others."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def near(expected, peak):
    """Within 15 %."""
    return 0.85 * peak <= expected <= 1.15 * peak


def test_the_measure_sees_what_is_alive_at_once():
    assert peak_allocated(lambda: torch.zeros(1000, 1000) + 1) == pytest.approx(8e6, rel=0.01)
    together = peak_allocated(lambda: [torch.zeros(1000, 1000) for _ in range(5)])
    assert together == pytest.approx(2e7, rel=0.01)
    assert peak_allocated(lambda: [torch.zeros(1000, 1000).shape for _ in range(5)]) < 9e6


@pytest.fixture(scope="module", params=[torch.float32, torch.bfloat16], ids=["float32", "bfloat16"])
def pipe(request):
    """read-tiny: in smaller models what is left out by the arithmetic would count."""
    return ReadPipeline.from_pretrained(BUNDLED, "cpu", request.param)


def sampled(pipe, settings, places, clips):
    """What sampling takes, by arithmetic and measured."""
    chosen, config = settings.resolved(pipe.defaults), pipe.transformer.config
    f = chosen.window - 1
    latents = f + (clips - 1) * (f - 1)
    codes = torch.randn(1, latents, config.code_slots, config.code_dim)
    size = (32 * places[0], 32 * places[1])
    reference = Reference(
        torch.randn(1, config.in_channels, 1, *places), torch.rand(*size, 3), (0, 0, size[1], size[0])
    )
    speech = SpeechCodes(codes, 8 * latents)

    def work():
        pipe.sample(speech, reference, settings, on_warning=ignore)

    work()  # so that nothing kept from other work is freed meanwhile
    expected = sampling_memory(pipe.transformer, pipe.prompt, chosen, size, clips)
    return expected + latents_memory(config.in_channels, chosen.window, size, clips), peak_allocated(work)


@pytest.mark.parametrize(
    ("guidance", "places", "window", "clips", "order"),
    [
        (NoCFG(), (4, 4), 4, 1, "clips"),
        (JointCFG(2.0), (4, 4), 16, 2, "clips"),
        (SplitCFG(0.5, 1.5), (8, 6), 5, 2, "steps"),
        (NoCFG(), (4, 4), 9, 3, "wavefront"),
        (SplitCFG(0.5, 1.5), (4, 4), 4, 4, "wavefront"),
    ],
)
def test_sampling(pipe, guidance, places, window, clips, order):
    settings = SamplingSettings(2, guidance, window, order=order)
    expected, peak = sampled(pipe, settings, places, clips)
    assert near(expected, peak)


def test_several_clips_at_once_take_more_and_so_do_evaluations(pipe):
    size = (128, 128)

    def needed(clips=4, **how):
        settings = SamplingSettings(3, **how).resolved(pipe.defaults)
        return sampling_memory(pipe.transformer, pipe.prompt, settings, size, clips)

    assert needed(order="wavefront") > 2 * needed(order="clips")
    assert needed(order="wavefront", clips=50) < 1.5 * needed(order="wavefront", clips=4)  # 3 steps: 3 clips
    assert needed(guidance=SplitCFG(1.0, 2.0)) > 2 * needed(guidance=NoCFG())
    assert needed(guidance=SplitCFG(0.0, 1.0)) == needed(guidance=NoCFG())


@pytest.mark.parametrize("rounded", [False, True])
def test_decoding(pipe, rounded, monkeypatch):
    if not bfloat16_is_fast() and (rounded or pipe.vae.vae.dtype == torch.bfloat16):
        pytest.skip("this processor needs minutes for convolutions in bfloat16")
    monkeypatch.setattr("read_core.video.vae.bfloat16_is_fast", lambda: True)
    monkeypatch.setattr(pipe.vae, "rounded", rounded)
    places, latents = (4, 6), torch.randn(1, 128, 2 * pipe.vae.settings.chunk, 4, 6)
    peak = peak_allocated(lambda: [frames.shape for frames in pipe.vae.decode_stream([latents])])
    assert near(decoding_memory(pipe.vae, (32 * places[0], 32 * places[1])), peak)


def test_decoding_aligned_faces():
    """The autoencoder that has an LTX-Video autoencoder inside."""
    inner = {**TINY_INNER, "block_out_channels": [16, 16], "decoder_block_out_channels": [64, 128]}
    vae = TemporalVAE(AlignedAutoencoder(inner, (4, 4), 6).eval(), DecodeSettings(halo=2, chunk=8))
    latents = torch.randn(1, 6, 16, 4, 4)
    peak = peak_allocated(lambda: [frames.shape for frames in vae.decode_stream([latents])])
    assert near(decoding_memory(vae, (128, 128)), peak)


def test_weights(pipe):
    models = (pipe.features.encoder, pipe.speech_ae, pipe.vae.vae, pipe.transformer)
    stored = sum(t.nbytes for model in models for t in model.state_dict().values())
    assert weights_memory(*models, None) == pytest.approx(stored, rel=0.1)  # what is not stored is little


@pytest.mark.parametrize("paste", [False, True])
def test_moving_heads(paste):
    side, frame = 1024, torch.rand(1024, 1024, 3)
    points = FaceLayout().points((side, side))
    reference = Reference(torch.zeros(1), frame, (0, 0, side, side), original=(side, side), points=points)
    finish = Finish(Finishing(False, paste, side, head_motion=True), reference, frame)
    frames = torch.rand(8, side, side, 3)
    peak = peak_allocated(lambda: [few.shape for _, few in finish.with_faces(frames)])
    assert near(finish.memory, peak)


@pytest.mark.parametrize("network", [None, DetailNetwork()], ids=["unlearned", "network"])
@pytest.mark.parametrize("paste", [False, True])
def test_finishing(network, paste):
    """At a size at which no more than four pictures are made at a time, more than once."""
    side, frame = 1024, torch.rand(128, 128, 3)
    portrait = torch.rand(side, side, 3)
    reference = Reference(
        torch.zeros(1), frame, (0, 0, side, side), None, None, portrait, frame, original=(side, side)
    )
    restorer = DetailRestorer(None if network is None else network.eval())
    finish = Finish(Finishing(True, paste, side), reference, portrait, restorer)
    peak = peak_allocated(lambda: [few.shape for _, few in finish.with_faces(torch.rand(8, 128, 128, 3))])
    assert near(finish.memory, peak)
    idle = Finish(Finishing(False, False), replace(reference, image=frame))
    assert idle.memory == 0


_LIMITED = """
import resource, sys, torch
from read_core.bundled import BUNDLED
from read_core.memory import decoding_memory
from read_core.pipeline import ReadPipeline
from read_core.usage import out_of_memory

torch.set_num_threads(1)
vae = ReadPipeline.from_pretrained(BUNDLED, "cpu", torch.float32).vae


@torch.no_grad()
def decode(side):
    places = side // 32
    return [frames.shape for frames in vae.decode_stream([torch.zeros(1, 128, 16, places, places)])]


decode(64)  # what is kept from now on is not counted
held = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
budget = float(sys.argv[1]) * decoding_memory(vae, (512, 512)) + 64e6
resource.setrlimit(resource.RLIMIT_AS, (int(held + budget),) * 2)
try:
    decode(512)
except (RuntimeError, MemoryError) as error:
    print(out_of_memory(error))
else:
    print("decoded")
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="address space is limited as Linux does")
@pytest.mark.parametrize(("share", "said"), [(0.75, "out of main memory"), (1.15, "decoded")])
def test_what_is_announced_is_enough_and_needed(share, said):
    command = [sys.executable, "-c", _LIMITED, str(share)]
    environment = os.environ | {"MALLOC_ARENA_MAX": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.startswith(said)
