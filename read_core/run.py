"""What sampling a video needs: its inputs, checked against the checkpoint and made ready for the sampler."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import torch

from .ans import ByStep, DistilledCFG, Guidance, LatentNoise, NoCFG, guided_steps, timesteps
from .errors import InputError
from .geometry import clips_of_latents, latents_of_frames, padded_latents
from .transformer.guided import GuidedVelocity

if TYPE_CHECKING:
    from torch import Tensor

    from .checkpoint import Card, Prompt, SamplingDefaults
    from .errors import OnWarning
    from .records import Reference, ResolvedSettings, SpeechCodes
    from .transformer import A2VTransformer3DModel, Student


class Sampled(Protocol):
    """The parts of a checkpoint that sample; see ``ReadPipeline``."""

    card: Card
    defaults: SamplingDefaults
    prompt: Prompt
    transformer: A2VTransformer3DModel
    student: Student | None


@dataclass(frozen=True)
class Run:
    """Everything that the sampler needs for one video.

    Attributes:
        velocity: v of a window, guided.
        noise: the start of every latent.
        reference: z_R, (1, C, 1, h, w) float32 on the transformer's device.
        times: (steps + 1,), 1 .. 0.
        clips: number of clips.
    """

    velocity: GuidedVelocity | ByStep
    noise: LatentNoise
    reference: Tensor
    times: Tensor
    clips: int


@torch.no_grad()
def prepare_run(
    models: Sampled,
    speech: SpeechCodes,
    reference: Reference,
    settings: ResolvedSettings,
    on_warning: OnWarning,
) -> Run:
    """Check and prepare the inputs of a video.

    Warns of what the checkpoint was not trained for, see ``ReadPipeline.sample``.

    Raises:
        InputError: records of another checkpoint, or too few codes for the window.
    """
    steps, window, defaults = settings.steps, settings.window, models.defaults
    _warn(models, settings, on_warning)
    transformer = models.transformer
    device, dtype = transformer.device, transformer.dtype
    needed = padded_latents(latents_of_frames(speech.num_frames), window)
    _check_records(models, speech, reference, window, needed)
    z_r = reference.latent.to(device, torch.float32)
    prompt = settings.text or models.prompt
    text = transformer.project_text(prompt.embedding[None].to(device, dtype), prompt.mask[None])

    def velocity(guidance: Guidance) -> GuidedVelocity:
        return GuidedVelocity(
            transformer,
            speech.codes[:, :needed],
            text,
            guidance,
            window,
            kept_clips=steps if settings.order == "wavefront" else 1,
            student=models.student,
            steps=steps,
        )

    times = timesteps(steps, defaults.shift_at(window * z_r.shape[3] * z_r.shape[4]))
    guided = guided_steps(times, settings.guidance_end)
    ends = guided < steps and settings.guidance.branches != NoCFG().branches
    own = velocity(settings.guidance)
    return Run(
        velocity=ByStep(own, velocity(NoCFG()), guided) if ends else own,
        noise=LatentNoise(settings.seed, z_r.shape[1], *z_r.shape[3:]),
        reference=z_r,
        times=times,
        clips=clips_of_latents(needed, window),
    )


def _warn(models: Sampled, settings: ResolvedSettings, on_warning: OnWarning) -> None:
    name, defaults = models.card.name, models.defaults
    if settings.window not in defaults.windows:
        trained = f"{name} was trained for {' or '.join(map(str, defaults.windows))}"
        on_warning(f"window is {settings.window}, but {trained}: expect worse videos")
    if isinstance(settings.guidance, DistilledCFG):
        for complaint in (
            () if models.student is None else models.student.complaints(settings.guidance, settings.steps)
        ):
            on_warning(complaint)
    elif settings.steps < defaults.min_steps:
        needed = f"{name} needs {defaults.min_steps} or more"
        on_warning(f"steps is {settings.steps}, but {needed}: expect broken colors")


def _check_records(
    models: Sampled, speech: SpeechCodes, reference: Reference, window: int, needed: int
) -> None:
    """Refuse records of another checkpoint, and fewer than ``needed`` codes."""
    config = models.transformer.config
    latent, codes = tuple(reference.latent.shape), tuple(speech.codes.shape)
    if len(latent) != 5 or latent[:3] != (1, config.in_channels, 1):
        raise InputError(
            f"the reference's latent is {latent}; this checkpoint expects (1, {config.in_channels}, 1, h, w)"
        )
    slots = (config.code_slots, config.code_dim)
    if len(codes) != 4 or codes[0] != 1 or codes[2:] != slots:
        raise InputError(
            f"the speech codes are {codes}; this checkpoint expects (1, M, {slots[0]}, {slots[1]})"
        )
    if codes[1] < needed:
        raise InputError(f"the speech has {codes[1]} codes; a window of {window} needs {needed}")
