"""Node READ ANS Sampler, and what it shares with READ Talking Head to File."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import comfy.model_management as mm
import torch
from comfy_api.latest import io

from ..read_core.geometry import clips_of_latents, latents_of_frames
from ..read_core.limits import ALPHA, BETA, ORDERS, SEED, STEPS, WINDOW, Order
from ..read_core.memory import decoding_memory, latents_memory, sampling_memory, weights_memory
from ..read_core.usage import gigabytes
from .discovery import LIP_SYNC, found_by
from .feedback import Progress, Remarks, show_text
from .incoming import LENGTH, counted, embedded_text
from .placement import place
from .sockets import Models, Portrait, ReadModels, Speech

if TYPE_CHECKING:
    from ..read_core import ReadPipeline, Reference, SpeechCodes
    from ..read_core.ans import Guidance, OnStep
    from ..read_core.records import ResolvedSettings

GUIDANCE: dict[str, dict[str, float]] = {
    "checkpoint default": {},
    "split (checkpoint's)": {},
    "joint (checkpoint's)": {},
    "split": {"alpha": -1.0, "beta": 3.0},
    "joint": {"alpha": 2.5},
    "none": {},
    "distilled (checkpoint's)": {},
    "distilled": {"alpha": 0.0, "beta": 2.5},
}
"""Options of the guidance widget -> their scales, with values for read-tiny."""
_CHECKPOINTS = " (checkpoint's)"


def _scale(name: str, value: float) -> io.Input:
    """The widget of a scale of guidance."""
    span, tooltip = {
        "alpha": (
            ALPHA,
            "Strength of the reference (for joint, of both conditions); 0 means 0, not the default. The "
            "value at the start fits read-tiny; the paper's, for full-size checkpoints, is 2.",
        ),
        "beta": (
            BETA,
            "Strength of the speech: higher for livelier lips; 0 means 0, not the default. The value at the "
            "start fits read-tiny; the paper's, for full-size checkpoints, is 6.",
        ),
    }[name]
    return io.Float.Input(
        name, default=value, min=float(span.least), max=float(span.largest), step=0.1, tooltip=tooltip
    )


def sampling_inputs() -> list[io.Input]:
    """Widgets that the sampler shares with READ Talking Head to File."""
    options = [
        io.DynamicCombo.Option(kind, [_scale(name, value) for name, value in scales.items()])
        for kind, scales in GUIDANCE.items()
    ]
    return [
        io.Int.Input(
            "seed",
            default=0,
            min=SEED.least,
            max=SEED.largest,
            control_after_generate=True,
            tooltip="The same seed gives the same video, up to rounding, on any device and in any order.",
        ),
        io.Int.Input(
            "steps",
            default=0,
            min=0,
            max=STEPS.largest,
            tooltip="Updates per clip: more are slower and give finer pictures. 0: the checkpoint's default "
            "(with distilled guidance, its student's), which the node shows. Below the checkpoint's minimum "
            "colors break.",
        ),
        io.DynamicCombo.Input(
            "guidance",
            options=options,
            tooltip="checkpoint default is best. distilled (checkpoint's): faster, for checkpoints with a "
            "student, as read-tiny. split: one scale for the reference and one for the speech, 3 evaluations "
            "per step; joint: one scale for both, 2; none: 1. (checkpoint's): scales that fit the loaded "
            "checkpoint.",
        ),
        io.Int.Input(
            "window",
            default=0,
            min=0,
            max=WINDOW.largest,
            tooltip=f"Latents per clip, {WINDOW}, including the reference; 0: the length that the checkpoint "
            "was trained with. Others work, but worse.",
        ),
    ]


def conditioning_input() -> io.Input:
    """The optional input for text."""
    return io.Conditioning.Input(
        "conditioning",
        optional=True,
        tooltip="Text from CLIPTextEncode with LTX-Video's T5, for full-size checkpoints. Without it the "
        "checkpoint's prompt is used.",
    )


class Sampler(io.ComfyNode):
    """Sample a video with A2V-DiT and the asynchronous noise scheduler."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="READ_ANSSampler",
            display_name="READ ANS Sampler",
            category="READ",
            description="Samples the latents of a whole talking-head video, clip by clip. Each clip "
            "continues the one before: lip sync from speech, audio to video.",
            **found_by(*LIP_SYNC, "ksampler"),
            inputs=[
                Models.Input("models", tooltip="From Load READ Models."),
                Speech.Input("speech", tooltip="From READ Whisper + SpeechAE Encode."),
                Portrait.Input("reference", tooltip="From READ Encode Reference."),
                *sampling_inputs(),
                io.Combo.Input(
                    "order",
                    options=list(ORDERS),
                    default=ORDERS[0],
                    tooltip="clips: one after the other, least memory. wavefront: several at once, faster on "
                    "a large GPU. steps: as the paper prints it. All give the same video, up to rounding.",
                ),
                conditioning_input(),
            ],
            outputs=[
                io.Latent.Output(
                    display_name="latent",
                    tooltip="The video in LTX-Video's latents, the portrait's latent first. For READ "
                    "Temporal VAE Decode.",
                )
            ],
        )

    @classmethod
    def execute(
        cls,
        models: ReadModels,
        speech: SpeechCodes,
        reference: Reference,
        seed: int,
        steps: int,
        window: int,
        order: Order,
        guidance: dict[str, Any] | None = None,
        conditioning: list[Any] | None = None,
    ) -> io.NodeOutput:
        pipe, remarks = models.pipe, Remarks()
        settings = sampling_settings(pipe, seed, steps, window, guidance, conditioning, order)
        size = (reference.image.shape[0], reference.image.shape[1])
        chosen = settings_text(settings, size)
        clips = clips_of_latents(latents_of_frames(speech.num_frames), settings.window)
        needed = working_memory(pipe, settings, size, clips)
        place(models.vae, *models.for_sampling(settings.guidance), activations=needed)
        needed += weights_memory(pipe.vae.vae, pipe.transformer, pipe.student)
        show_text(f"{chosen} {estimate_text(speech.num_frames, clips, needed)}")
        started = time.perf_counter()
        share = pipe.share_of_step(reference, settings)
        step = timed(Progress(pipe.preview), pipe, chosen, remarks, share)
        latents = pipe.sample(speech, reference, settings, step, remarks)
        latents = latents.to(mm.intermediate_device())
        show_text(f"{chosen} {sampling_text(speech.num_frames, time.perf_counter() - started)}", remarks)
        latent = {
            "samples": latents,
            "read_num_frames": speech.num_frames,
            "read_seed": seed,
            "read_checkpoint": pipe.card.name,
            LENGTH: latents.shape[2],
        }
        return io.NodeOutput(latent)


def sampling_settings(
    pipe: ReadPipeline,
    seed: int,
    steps: int,
    window: int,
    guidance: dict[str, Any] | None,
    conditioning: list[Any] | None,
    order: Order = ORDERS[0],
) -> ResolvedSettings:
    """Convert the widgets to settings; 0 and "checkpoint default" become the checkpoint's values.

    Raises:
        InputError: a value is out of range or missing.
    """
    from ..read_core.records import SamplingSettings

    chosen = _guidance(pipe, guidance)
    text = None if conditioning is None else embedded_text(conditioning)
    settings = SamplingSettings(steps or None, chosen, window or None, seed, order, text)
    return settings.resolved(pipe.defaults)


def settings_text(settings: ResolvedSettings, size: tuple[int, int]) -> str:
    """What is used where the widgets say "the checkpoint's": ``steps 6, window 16, joint 2.5, 128 x 128.``.

    Args:
        settings: result of :func:`sampling_settings`.
        size: (height, width) that the model works at.
    """
    guidance = settings.guidance.to_dict()
    scales = "".join(f" {value:g}" for name, value in guidance.items() if name != "kind")
    used = f"steps {settings.steps}, window {settings.window}, {guidance['kind']}{scales}"
    return f"{used}, {size[1]} x {size[0]}."


def working_memory(
    pipe: ReadPipeline, settings: ResolvedSettings, size: tuple[int, int], clips: int = 1
) -> int:
    """Bytes that sampling and decoding need beyond the weights.

    Args:
        size: (height, width) that the model works at.
        clips: number of clips whose latents are held at once; 1 for clip-by-clip streaming.
    """
    sampling = sampling_memory(pipe.transformer, pipe.prompt, settings, size, clips)
    latents = latents_memory(pipe.transformer.config.in_channels, settings.window, size, clips)
    return latents + max(sampling, decoding_memory(pipe.vae, size))


def estimate_text(num_frames: int, clips: int, memory: int) -> str:
    """Text with the expected work, before it starts; ``memory`` in bytes."""
    made = f"{counted(num_frames, 'frame')} in {counted(clips, 'clip')}"
    return f"{made}: {gigabytes(memory)} for the models and the work."


def timed(
    progress: Progress, pipe: ReadPipeline, chosen: str, remarks: Remarks, share: float = 1.0
) -> OnStep:
    """Wrap ``progress`` as an ``on_step`` that also says, after the first step, how long sampling takes.

    Args:
        chosen: text before that message.
        remarks: warnings after it.
        share: see ``ReadPipeline.share_of_step``.
    """
    from ..read_core.usage import StepTimer

    timer = StepTimer(
        pipe.transformer.device,
        lambda seconds: show_text(f"{chosen} Sampling takes {_about(seconds)}.", remarks),
        share,
    )

    def step(done: int, total: int, finished: torch.Tensor | None) -> None:
        timer(done, total)
        progress(done, total, finished)

    return step


def sampling_text(num_frames: int, seconds: float) -> str:
    """Text with the speed of the sampler."""
    rate = seconds / (num_frames / 25)
    made = counted(num_frames, "frame")
    return f"{made} in {seconds:.1f} s: {rate:.2f} s of sampling per second of video."


def speed_text(num_frames: int, seconds: float) -> str:
    """Text with the speed from inputs to file."""
    made = counted(num_frames, "frame")
    return f"{made} in {seconds:.1f} s: real-time factor {seconds / (num_frames / 25):.2f}."


def _about(seconds: float) -> str:
    return f"about {seconds:.0f} s" if seconds >= 1 else "less than 1 s"


def _guidance(pipe: ReadPipeline, chosen: dict[str, Any] | None) -> Guidance | None:
    """Convert the dynamic combo to guidance. The host does not check its values from the API.

    Raises:
        InputError: the kind is unknown, or a scale is missing or out of range.
    """
    from ..read_core.ans import DistilledCFG, JointCFG, NoCFG, SplitCFG
    from ..read_core.errors import InputError

    chosen = chosen or {}
    kind = chosen.get("guidance")
    if kind not in GUIDANCE:
        raise InputError(f"guidance is missing or unknown; expected one of {', '.join(GUIDANCE)}")
    missing = [f"guidance.{name}" for name in GUIDANCE[kind] if name not in chosen]
    if missing:
        raise InputError(f"{' and '.join(missing)} missing; expected with guidance {kind}")
    if kind.endswith(_CHECKPOINTS):
        return pipe.defaults.guidance_of(kind.removesuffix(_CHECKPOINTS))
    scales = [chosen[name] for name in GUIDANCE[kind]]
    makers = {"split": SplitCFG, "joint": JointCFG, "none": NoCFG, "distilled": DistilledCFG}
    return makers[kind](*scales) if kind in makers else None
