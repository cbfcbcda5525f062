"""Measure stages and variants: sampling, decoding, both end to end, time to the first frames, memory."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from ..errors import InputError, ignore
from ..evaluation.figures import column
from ..geometry import FPS, FRAMES_PER_LATENT
from ..records import ResolvedSettings
from ..transformer import A2VTransformer3DModel
from ..usage import peak_host_memory, reset_peak_memory, settle
from .clock import seconds_of
from .flops import decoder_flops, evaluation_flops, plain_flops
from .material import Material
from .plain import plain_model, plain_video
from .variants import Variant, prepared

_TERA = 1e12


@dataclass(frozen=True)
class Speed:
    """Figures of a variant; seconds are medians. NaN: does not exist here.

    Frames per second are those of a clip after the first, which has 8 (W - 2) new ones; with it, a short
    video would look faster. Memory is that of tensors on a GPU, elsewhere that of the process, with its
    libraries.
    """

    evaluations: int = column("evaluations per clip")
    backbone: float = column("sampling, s per clip")
    decoding: float = column("decoding, s per clip")
    total: float = column("end to end, s per clip")
    fps: float = column("frames per second")
    factor: float = column("real-time factor")
    first: float = column("first frames, s")
    memory: float = column("peak memory, GB")
    teraflops: float = column("TFLOP/s")
    share: float = column("share of the ceiling")  # which is of the models' type: not for float8


@dataclass(frozen=True)
class Stage:
    """Seconds of one stage, and its FLOPs where they are counted."""

    seconds: float = column("s per clip")
    least: float = column("least")
    most: float = column("most")
    teraflop: float = column("TFLOP per clip")


def measure(material: Material, variant: Variant, ceiling: float, rounds: int) -> Speed:
    """Time ``variant`` ``rounds`` times, after a warm-up.

    End to end means from codes and reference to uint8 frames in main memory; writing a file is not included.

    Args:
        material: models and inputs.
        variant: what to change.
        ceiling: FLOP/s of a matrix product, see ``clock.matmul_ceiling``.
        rounds: timed calls of each part.

    Raises:
        InputError: the variant needs a CUDA device, or torchao is missing.
    """
    pipe, settings, clips = material.pipe, variant.settings, material.clips
    device = pipe.transformer.device
    if variant.needs_cuda and device.type != "cuda":
        raise InputError("it needs a CUDA device")
    speech, reference = material.speech(settings.window), material.reference()

    def sample() -> Tensor:
        return pipe.sample(speech, reference, settings, on_warning=ignore)

    def decode(latents: Tensor) -> None:
        for frames in pipe.decode_stream(latents, speech.num_frames):
            to_host(frames)

    def stream() -> None:
        settle(device)
        started, first = time.perf_counter(), math.nan
        for frames in made():
            to_host(frames)
            first = time.perf_counter() - started if math.isnan(first) else first
        firsts.append(first)

    def made() -> Iterator[Tensor]:
        if settings.order == "clips":
            return pipe.stream(speech, reference, settings, on_warning=ignore)
        return pipe.decode_stream(sample(), speech.num_frames)

    firsts: list[float] = []
    with prepared(pipe, variant):
        reset_peak_memory(device)
        backbone = seconds_of(sample, device, rounds).median / clips
        latents = sample()
        decoding = seconds_of(lambda: decode(latents), device, rounds).median / clips

        total = seconds_of(stream, device, rounds).median / clips
        on_gpu = device.type == "cuda"
        peak = torch.cuda.max_memory_allocated(device) if on_gpu else peak_host_memory()
    new = FRAMES_PER_LATENT * (settings.window - 2)
    evaluations = settings.steps * len(settings.guidance.branches)
    flops = evaluations * _one_evaluation(material, settings)
    return Speed(
        evaluations=evaluations,
        backbone=backbone,
        decoding=decoding,
        total=total,
        fps=new / total,
        factor=total * FPS / new,
        first=statistics.median(firsts[-rounds:]),
        memory=math.nan if peak is None else peak / 1e9,
        teraflops=flops / backbone / _TERA,
        share=math.nan if variant.float8 else flops / backbone / ceiling,
    )


def measure_stages(material: Material, settings: ResolvedSettings, rounds: int) -> dict[str, Stage]:
    """Seconds per clip of each stage from inputs to frames in main memory, and of the alternative."""
    pipe, clips = material.pipe, material.clips
    device = pipe.transformer.device
    speech, reference = material.speech(settings.window), material.reference()
    latents = pipe.sample(speech, reference, settings, on_warning=ignore)
    frames = pipe.decode(latents, speech.num_frames)
    other, z_r = plain_model(pipe.transformer), reference.latent.to(device)
    evaluations = settings.steps * len(settings.guidance.branches)
    decoder = decoder_flops(pipe.vae, latents) / clips / _TERA
    sampling = evaluations * _one_evaluation(material, settings) / _TERA
    plainly = evaluations * _one_evaluation(material, settings, plain_flops) / _TERA

    def row(call: Callable[[], object], per: int, teraflop: float = math.nan) -> Stage:
        found = seconds_of(call, device, rounds)
        return Stage(found.median / per, found.least / per, found.most / per, teraflop)

    return {
        "portrait (VAE encoder), once": row(material.reference, 1),
        "speech (Whisper, SpeechAE)": row(lambda: material.speech(settings.window), clips),
        "sampling (A2V-DiT)": row(
            lambda: pipe.sample(speech, reference, settings, on_warning=ignore), clips, sampling
        ),
        "decoding (VAE decoder)": row(lambda: pipe.decode(latents, speech.num_frames), clips, decoder),
        "frames to main memory, uint8": row(lambda: to_host(frames), clips),
        "alternative: a plain loop over diffusers": row(
            lambda: plain_video(other, pipe, z_r, settings, clips), clips, plainly
        ),
    }


def to_host(frames: Tensor) -> Tensor:
    """Frames 0..1 -> uint8 in main memory."""
    return (frames * 255).round_().to(torch.uint8).cpu()


def _one_evaluation(
    material: Material,
    settings: ResolvedSettings,
    count: Callable[[A2VTransformer3DModel, int, int, int], int] = evaluation_flops,
) -> int:
    pipe = material.pipe
    height, width = pipe.card.resolution
    places = height * width // 32**2
    return count(pipe.transformer, settings.window, places, len(pipe.prompt.embedding))
