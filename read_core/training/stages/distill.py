"""Stage ``distill``: a student of A2V-DiT that takes few steps and one evaluation per step.

This is progressive distillation (Salimans and Ho, 2022) in one round, with the guided teacher and its scales
as inputs of the student (Meng et al., 2023): one Euler step of the student from T_i to T_{i+1} equals several
guided Euler steps of the teacher between these times. It is one regression on a frozen teacher, without a
critic or a moving target. In a later round the states come from the student's own videos, over the borders of
clips (backward distillation, Kohler et al., 2024; Self Forcing, Huang et al., 2025): there the motion frame
is the one that the student made.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from itertools import islice, pairwise
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn
from torch.utils.data import Dataset

from ...ans import (
    DistilledCFG,
    Guidance,
    JointCFG,
    SplitCFG,
    add_noise,
    clip_spans,
    reverse,
    shift_of,
    timesteps,
)
from ...ans.cells import euler_step
from ...checkpoint import Card, Components, Prompt, SamplingDefaults, StudentDefaults, load_model
from ...geometry import latents_of_clips
from ...pipeline import ReadPipeline
from ...records import Reference, SamplingSettings, SpeechCodes
from ...speech import SpeechAE, load_whisper_encoder
from ...transformer import A2VTransformer3DModel, Student
from ...video import DecodeSettings
from ..config import ConfigError, require_component
from ..data.latents import WindowDataset
from ..loop import Batch, Figures, Logged, Model
from ..noise import SampleNoise
from ..pictures import save_rows
from ..processes import processes, samples_per_step
from .a2v import motion_weights
from .material import Material, MaterialConfig, open_material
from .prompt import refuse_random, training_prompt
from .speech_variants import FeatureWindows, encode_windows, write_features

_HELD_OUT = 16  # windows
Velocity = Callable[[Tensor, Tensor], Tensor]


class DistillConfig(MaterialConfig):
    """Configuration of the stage.

    Attributes:
        transformer: folder of the teacher, a finished A2V-DiT. If it has a ``speech_ae`` (of a training with
            ``speech: tuned``), the codes are made with that one, in training.
        features: folder for the features of ``clips`` that this needs, such as ``speech`` in the output of
            stage ``a2v``; None: ``speech`` in the output.
        initial: folder of an earlier student to continue from; None: a new one.
        shift: s of the schedule, a number or ``tokens``, as in the checkpoint.
        alpha: least and largest alpha of ``SplitCFG``; with both 0 the teacher is guided by ``JointCFG``.
        beta: least and largest beta, or alpha of ``JointCFG``.
        steps: numbers of steps per clip to learn; the first one is the default.
        teacher_steps: guided steps of the teacher per clip, a multiple of each of ``steps``.
        rank: of the student's corrections.
        rollout: clips of the student's own videos whose states are learned from; 0: the states are noised
            videos.
        gradient_checkpointing: as in stage ``a2v``.
        motion_weight, eyes_weight: as in stage ``a2v``.
    """

    stage: Literal["distill"]
    transformer: Path
    features: Path | None = None
    initial: Path | None = None
    shift: Annotated[float, Field(gt=0)] | Literal["tokens"] = 1.0
    alpha: tuple[float, float] = (0.0, 0.0)
    beta: tuple[float, float]
    steps: tuple[Annotated[int, Field(gt=0)], ...] = Field(default=(4, 2), min_length=1)
    teacher_steps: int = Field(default=8, gt=0)
    rank: int = Field(default=32, gt=0)
    rollout: int = Field(default=0, ge=0)
    gradient_checkpointing: bool = False
    motion_weight: float = Field(default=1.0, ge=0)
    eyes_weight: float = Field(default=0.0, ge=0)

    @model_validator(mode="after")
    def _fitting(self) -> DistillConfig:
        for name, (least, largest) in (("alpha", self.alpha), ("beta", self.beta)):
            if least > largest:
                raise ValueError(f"{name} is from {least} to {largest}; expected the least value first")
        for scales in zip(self.alpha, self.beta, strict=True):
            SplitCFG(*scales)  # within the limits
        uneven = [steps for steps in self.steps if self.teacher_steps % steps]
        if uneven:
            raise ValueError(
                f"teacher_steps is {self.teacher_steps}; expected a multiple of each of the steps, such as "
                f"{uneven[0] * max(1, self.teacher_steps // uneven[0])}"
            )
        return self

    @property
    def middle(self) -> DistilledCFG:
        """Scales in the middle of their ranges."""
        return DistilledCFG(sum(self.alpha) / 2, sum(self.beta) / 2)

    def teacher(self, alpha: float, beta: float) -> Guidance:
        """Guidance of the teacher under the student's scales."""
        return JointCFG(beta) if self.alpha == (0.0, 0.0) else SplitCFG(alpha, beta)


@dataclass(frozen=True)
class States:
    """S states in which one step of the student is compared with several of its teacher.

    Attributes:
        z: (S, C, 1+f, h, w), z_R first.
        times: (m+1, S, 1+f), before, between and after the teacher's m steps.
        codes: (S, f, h_w, d_A).
        continuation: (S,) bool.
        scales: (S, 3): alpha, beta and the student's steps per clip.
        weights: (S, h, w) in the loss.
    """

    z: Tensor
    times: Tensor
    codes: Tensor
    continuation: Tensor
    scales: Tensor
    weights: Tensor


def average_velocity(velocity: Velocity, z: Tensor, times: Tensor) -> Tensor:
    """The velocity with which one Euler step equals several of ``velocity``.

    Args:
        velocity: velocity(z, t) -> (S, C, L, h, w).
        z: (S, C, L, h, w).
        times: (m+1, S, L), falling, or equal for latents that stand still.

    Returns:
        (S, C, L, h, w) float32, 0 for latents that stand still.
    """
    end = z.float()
    for now, after in pairwise(times):
        end = euler_step(end, velocity(end, now), now, after)
    span = (times[-1] - times[0])[:, None, :, None, None]
    return torch.where(span == 0, 0.0, (end - z) / torch.where(span == 0, 1.0, span))


def step_times(schedule: Tensor, index: Tensor, count: int, continuation: Tensor, frames: int) -> Tensor:
    """Times of the teacher's steps within one of the student's, see :class:`States`.

    As in Algorithm 1, the motion frame of a later clip is at the student's next time before the step. It
    stays there while the teacher steps: all that the teacher sees, the student sees too.

    Args:
        schedule: (n+1,) of the teacher.
        index: (S,) the student's step, 0-based.
        count: m, steps of the teacher in one of the student.
        continuation: (S,) bool, whether the clip has a motion frame.
        frames: f.

    Returns:
        (m+1, S, 1+f).
    """
    moving = schedule[count * index + torch.arange(count + 1)[:, None]]
    motion = torch.where(continuation, moving[-1], moving)
    return torch.stack([torch.zeros_like(moving), motion, *[moving] * (frames - 1)], dim=2)


class Distilling(nn.Module):
    """Teacher and student as one module, so that every process sees all gradients."""

    def __init__(self, transformer: A2VTransformer3DModel, student: Student) -> None:
        super().__init__()
        self.transformer = transformer.requires_grad_(False)
        self.student = student.requires_grad_(True)
        student.attach(transformer)

    def forward(
        self,
        noisy: Tensor,
        times: Tensor,
        codes: Tensor,
        prompt: Tensor,
        seen: tuple[Tensor, Tensor],
        continuation: Tensor,
        scales: Tensor | None = None,
    ) -> Tensor:
        """Velocity (S, C, 1+f, h, w) of the student under ``scales`` (S, 3), or of the teacher if None.

        ``seen`` says which items (S,) see speech and reference. The student stays active after a call with
        scales, since gradient checkpointing calls the blocks again.
        """
        self.student.active = scales is not None
        velocity: Tensor = self.transformer(
            noisy,
            times,
            speech=self.transformer.project_speech(codes, seen[0]),
            text=self.transformer.project_text(prompt),
            reference_mask=seen[1],
            continuation=continuation,
            condition=None if scales is None else self.student.condition(scales),
        )
        return velocity


class StepWindows(Dataset[Batch]):
    """Windows with the student's steps per clip, drawn once for all samples of an optimizer step.

    Args:
        windows: the windows.
        choices: numbers of steps.
        step: samples per optimizer step.
        seed: of the draw.
    """

    def __init__(self, windows: WindowDataset, choices: tuple[int, ...], step: int, seed: int) -> None:
        self.windows, self.choices, self.step, self.seed = windows, choices, step, seed

    def __getitem__(self, index: int) -> Batch:
        generator = torch.Generator().manual_seed(self.seed * 7_907 + index // self.step)
        chosen = self.choices[int(torch.randint(len(self.choices), (), generator=generator))]
        return {**self.windows[index], "steps": torch.tensor(chosen)}


class DistillStage:
    """Stage ``distill``, see ``loop.Stage``."""

    def __init__(self, config: DistillConfig) -> None:
        self.config = config
        for stage in ("vae", "whisper", "speech_ae"):
            require_component(stage, getattr(config, stage), stage)
        require_component("transformer", config.transformer, "a2v")
        if config.initial is not None:
            require_component("initial", config.initial, "distill")
        refuse_random(config.prompt, config.transformer)
        self.transformer: A2VTransformer3DModel = load_model("transformer", config.transformer)
        lengths = tuple(
            latents_of_clips(config.rollout, window) + 1 if config.rollout else window
            for window in config.windows
        )
        own = config.transformer / "speech_ae"
        spoken = own if own.is_dir() else config.speech_ae
        material = open_material(
            config, lengths, WindowDataset if spoken == config.speech_ae else FeatureWindows
        )
        self.held_out = material.held_out
        step, seed = samples_per_step(config.loop), config.loop.seed
        self.dataset = StepWindows(material.dataset, config.steps, step, seed)
        self.speech_ae = self._speech(spoken, material)
        torch.manual_seed(config.loop.seed)
        self.student = self._student()
        if config.gradient_checkpointing:
            self.transformer.enable_gradient_checkpointing()
        self.model = Distilling(self.transformer, self.student)
        channels = self.transformer.config.caption_channels
        self.prompt = training_prompt(config.prompt, config.prompt_tokens, channels).embedding[None]

    def _speech(self, folder: Path, material: Material) -> SpeechAE | None:
        """The SpeechAE that makes the codes in training, of features; None: the windows have codes."""
        config = self.config
        if material.footage is None and folder == config.speech_ae:
            return None
        features = config.features or config.output / "speech"
        for windows, split in ((material.dataset, "train"), (material.held_out, "validation")):
            if isinstance(windows, FeatureWindows):
                clips = material.clips[split]
                windows.features = write_features(clips, features, config.whisper, processes().device)
        made: SpeechAE = load_model("speech_ae", folder)
        return made

    def _student(self) -> Student:
        config, base = self.config, self.transformer.config
        made: Student
        if config.initial is not None:
            made = load_model("distilled", config.initial, dtype=torch.float32)
            if (made.alpha, made.beta) != (config.alpha, config.beta):
                raise ConfigError(
                    f"initial is {config.initial}, a student for alpha {made.alpha} and beta {made.beta}; "
                    f"expected the ranges of this training, {config.alpha} and {config.beta}"
                )
            made.register_to_config(steps=list(config.steps))
            made.steps = config.steps
        else:
            sizes = A2VTransformer3DModel.extract_init_dict(dict(base))[0]
            made = Student(sizes, config.rank, list(config.steps), list(config.alpha), list(config.beta))
        return made

    def prepare(self, device: torch.device) -> None:
        """Move the prompt and the SpeechAE to the device."""
        self.prompt = self.prompt.to(device)
        if self.speech_ae is not None:
            self.speech_ae.to(device)

    def loss(self, model: Model, batch: Batch, noise: SampleNoise) -> tuple[Tensor, Logged]:
        """Squared error of the student's velocity, mean over the frames that move and over samples."""
        states = self.states(model, batch, noise)
        with torch.no_grad():
            target = average_velocity(lambda z, t: self._guided(model, states, z, t), states.z, states.times)
        return _error(self._distilled(model, states), target, states), {}

    def states(self, model: Model, batch: Batch, noise: SampleNoise) -> States:
        """States for the samples of a batch, with scales drawn from their ranges."""
        with torch.no_grad():
            codes = self._codes(batch["speech"])
            scales = self._scales(noise, batch["steps"].cpu())
            made = self._rolled if self.config.rollout else self._noised
            return made(model, batch, codes, scales, noise)

    def _scales(self, noise: SampleNoise, steps: Tensor) -> Tensor:
        """(B, 3): alpha and beta drawn evenly from their ranges, and ``steps`` (B,).

        An alpha below 1 - beta, where the reference counts less than without guidance, is raised to that.
        """
        shares = noise.uniform(2)
        (low, high), (least, largest) = self.config.alpha, self.config.beta
        beta = least + (largest - least) * shares[:, 1]
        alpha = low + (high - low) * shares[:, 0]
        alpha = torch.maximum(alpha, 1 - beta).clamp(max=high)
        return torch.stack([alpha, beta, steps.float()], dim=1)

    def _codes(self, speech: Tensor) -> Tensor:
        """Codes (B, f, h_w, d_A) of the dataset's speech."""
        return speech if self.speech_ae is None else encode_windows(self.speech_ae, speech)

    def _noised(self, _: Model, batch: Batch, codes: Tensor, scales: Tensor, noise: SampleNoise) -> States:
        """One state per sample: a window of the video with noise, at a step drawn evenly."""
        clean, continuation = batch["latents"], batch["continuation"]
        steps = int(scales[0, 2])
        schedule = self._schedule(clean, clean.shape[2])
        index = (noise.uniform() * steps).long()
        count = self.config.teacher_steps // steps
        times = step_times(schedule, index, count, continuation.cpu(), clean.shape[2] - 1).to(clean.device)
        eps = noise.normal(*clean.shape[1:]).to(clean)
        z = add_noise(clean, eps, times[0])
        return States(z, times, codes, continuation, scales.to(clean.device), self._weights(batch))

    def _rolled(
        self, model: Model, batch: Batch, codes: Tensor, scales: Tensor, noise: SampleNoise
    ) -> States:
        """Every state that the student meets while it makes a video of each sample's speech."""
        latents = batch["latents"]
        eps = noise.normal(*latents[:, :, 1:].shape[1:]).to(latents)
        of_samples = latents[:, :, :1], eps, codes, scales.to(latents.device), self._weights(batch)
        seen = [
            state
            for sample in zip(*(each.split(1) for each in of_samples), strict=True)
            for state in self._video(model, *sample)
        ]
        parts = {each.name: [getattr(state, each.name) for state in seen] for each in fields(States)}
        return States(**{name: torch.cat(found, int(name == "times")) for name, found in parts.items()})

    def _video(
        self, model: Model, reference: Tensor, eps: Tensor, codes: Tensor, scales: Tensor, weights: Tensor
    ) -> list[States]:
        """States of one video by Algorithm 1, clip by clip; the arguments are those of one sample."""
        clips, steps = self.config.rollout, int(scales[0, 2])
        count = self.config.teacher_steps // steps
        window = (eps.shape[2] + clips - 1) // clips + 1
        schedule, spans = self._schedule(reference, window), clip_spans(eps.shape[2], window)
        seen: list[States] = []

        def velocity(z: Tensor, t: Tensor, at: list[int]) -> Tensor:
            (clip,) = at
            later = torch.tensor([clip > 0])
            index = torch.tensor([len(seen) % steps])
            times = step_times(schedule, index, count, later, window - 1)
            spoken = codes[:, slice(*spans[clip])]
            seen.append(States(z, times.to(z.device), spoken, later.to(z.device), scales, weights))
            return self._distilled(model, seen[-1], t).float()

        reverse(velocity, eps, reference, schedule[::count], window)
        return seen

    def _schedule(self, latents: Tensor, window: int) -> Tensor:
        """The teacher's times for windows of latents (B, C, L, h, w), on the CPU."""
        tokens = window * latents.shape[3] * latents.shape[4]
        return timesteps(self.config.teacher_steps, shift_of(self.config.shift, tokens))

    def _weights(self, batch: Batch) -> Tensor:
        config = self.config
        return motion_weights(batch["latents"], config.motion_weight, config.eyes_weight * batch["eyes"])

    def _guided(self, model: Model, states: States, z: Tensor, t: Tensor) -> Tensor:
        """The teacher's velocity under each state's scales, branch by branch."""
        forms = [self.config.teacher(alpha, beta) for alpha, beta, _ in states.scales.tolist()]
        weights = torch.tensor([form.weights for form in forms], device=z.device)
        total = torch.zeros_like(z)
        for branch, weight in zip(forms[0].branches, weights.unbind(dim=1), strict=True):
            sees = _all(z, branch.speech), _all(z, branch.reference)
            velocity = model(z, t, states.codes, self.prompt, sees, states.continuation)
            total += weight[:, None, None, None, None] * velocity.float()
        return total

    def _distilled(self, model: Model, states: States, t: Tensor | None = None) -> Tensor:
        """The student's velocity, with all conditions; at the states' own times unless ``t`` is given."""
        sees, times = _all(states.z, True), states.times[0] if t is None else t
        velocity: Tensor = model(
            states.z, times, states.codes, self.prompt, (sees, sees), states.continuation, states.scales
        )
        return velocity

    def pipeline(self) -> ReadPipeline:
        """A pipeline with teacher and student, and the middle of the scales."""
        config = self.config
        self.student.active = False
        device = self.transformer.device
        size = 32 * self.held_out.items[0]["latents"].shape[-1]
        tokens = Prompt(self.prompt[0].cpu(), torch.ones(self.prompt.shape[1], dtype=torch.bool))
        middle = config.middle
        return ReadPipeline(
            Components(
                card=Card("training", "training in progress", (size, size)),
                defaults=SamplingDefaults(
                    config.shift,
                    config.teacher_steps,
                    config.teacher(middle.alpha, middle.beta),
                    max(config.windows),
                    DecodeSettings(),
                    distilled=StudentDefaults(config.steps[0], middle),
                ),
                vae=load_model("vae", config.vae).to(device).eval(),
                whisper=load_whisper_encoder(config.whisper),
                speech_ae=self.speech_ae or load_model("speech_ae", config.speech_ae),
                transformer=self.transformer,
                prompt=tokens,
                distilled=self.student,
            )
        )

    def sheet(self, _model: nn.Module, path: Path) -> None:
        """Held-out windows: the true video through the VAE, that of the teacher, and those of the student."""
        pipeline = self.pipeline()
        f = max(self.config.windows) - 1
        forms = [SamplingSettings()]
        forms += [SamplingSettings(steps, self.config.middle) for steps in self.config.steps]
        rows = []
        for video, item in enumerate(islice(self.held_out.items, 2)):
            speech = self.held_out.speech(video, 1, f)[None].to(self.transformer.device)
            codes = self._codes(speech)
            latents = item["latents"][None, :, : f + 1].float().to(self.transformer.device)
            reference = Reference(latent=latents[:, :, :1], image=torch.zeros(1), box=(0, 0, 1, 1))
            made = [pipeline.sample(SpeechCodes(codes, 8 * f + 1), reference, form) for form in forms]
            for sequence in (latents, *made):
                frames = pipeline.decode(sequence, 8 * f + 1)
                rows.append([frames[i] for i in range(min(20, 8 * f), 8 * f + 1, 10)])
        save_rows(rows, path)

    def export(self, _model: nn.Module, folder: Path) -> Figures:
        """Save the student; measure it on held-out windows."""
        self.student.save_pretrained(folder)
        figures: Figures = {}
        for steps in self.config.steps:
            figures |= dict(self._held_out(steps))
        return figures

    def _held_out(self, steps: int) -> Iterator[tuple[str, float]]:
        """Error against the teacher's steps: of the student, and of one guided step of the teacher."""
        samples = [self.held_out[index] for index in range(_HELD_OUT)]
        device = self.prompt.device
        totals = {"student": 0.0, "one_step": 0.0}
        for index, sample in enumerate(samples):
            batch: dict[str, Any] = {name: value[None].to(device) for name, value in sample.items()}
            batch["steps"] = torch.tensor([steps])
            states = self.states(self.model, batch, SampleNoise(0, [index]))

            def guided(z: Tensor, t: Tensor, states: States = states) -> Tensor:
                return self._guided(self.model, states, z, t)

            target = average_velocity(guided, states.z, states.times)
            found = {
                "student": self._distilled(self.model, states),
                "one_step": guided(states.z, states.times[0]),
            }
            for name, velocity in found.items():
                totals[name] += _error(velocity, target, states).item() / len(samples)
        yield from ((f"{name}_{steps}", total) for name, total in totals.items())


def _all(z: Tensor, value: bool) -> Tensor:
    return torch.full((len(z),), value, device=z.device)


def _error(velocity: Tensor, target: Tensor, states: States) -> Tensor:
    """Weighted squared error, mean over the frames that move, then over states."""
    error = (velocity.float() - target).square().mean(1) * states.weights[:, None]
    moves = (states.times[0] != states.times[-1]).to(error)
    return ((error.mean((2, 3)) * moves).sum(1) / moves.sum(1)).mean()
