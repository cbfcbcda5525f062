"""Stage ``distill``: a student of A2V-DiT that takes few steps and one evaluation per step.

This is progressive distillation (Salimans and Ho, 2022) in one round, with the guided teacher and its scales
as inputs of the student (Meng et al., 2023): one Euler step of the student from T_i to T_{i+1} equals several
guided Euler steps of the teacher between these times. It is one regression on a frozen teacher, without a
critic or a moving target. In a later round the states come from the student's own videos, over the borders of
clips (backward distillation, Kohler et al., 2024; Self Forcing, Huang et al., 2025): there the motion frame
is the one that the student made.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from ...ans import DistilledCFG, Guidance, JointCFG, SplitCFG
from ...checkpoint import Card, Components, Prompt, SamplingDefaults, StudentDefaults, load_model
from ...geometry import latents_of_clips
from ...pipeline import ReadPipeline
from ...records import Reference, SamplingSettings, SpeechCodes
from ...speech import SpeechAE, load_whisper_encoder
from ...transformer import A2VTransformer3DModel, Student
from ...video import DecodeSettings
from ...weights.fingerprint import weights_print
from ..config import ConfigError, require_component
from ..data.latents import WindowDataset
from ..loop import Batch, Figures, Logged, Model
from ..noise import SampleNoise
from ..pictures import save_clips, save_rows
from ..processes import processes, samples_per_step
from .a2v import motion_weights
from .distill_loss import Velocity, average_velocity, velocity_error
from .distill_model import Distilling, student_velocity, teacher_velocity
from .distill_states import StateMaker, States, StepWindows
from .material import Material, MaterialConfig, open_material
from .prompt import refuse_random, training_prompt
from .speech_variants import FeatureWindows, encode_windows, write_features

_HELD_OUT = 16  # windows


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
        self.maker = StateMaker(config.alpha, config.beta, config.teacher_steps, config.shift, config.rollout)
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
        tie = weights_print(self.transformer.state_dict())
        made: Student
        if config.initial is not None:
            made = load_model("distilled", config.initial, dtype=torch.float32)
            if (made.alpha, made.beta) != (config.alpha, config.beta):
                raise ConfigError(
                    f"initial is {config.initial}, a student for alpha {made.alpha} and beta {made.beta}; "
                    f"expected the ranges of this training, {config.alpha} and {config.beta}"
                )
            made.register_to_config(steps=list(config.steps), base_print=tie)
            made.steps, made.base_print = config.steps, tie
        else:
            sizes = A2VTransformer3DModel.extract_init_dict(dict(base))[0]
            scales = list(config.alpha), list(config.beta)
            made = Student(sizes, config.rank, list(config.steps), *scales, base_print=tie)
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
            target = average_velocity(self.teacher(model, states), states.z, states.times)
        velocity = student_velocity(model, self.prompt, states)
        return velocity_error(velocity, target, states.times, states.weights), {}

    def states(self, model: Model, batch: Batch, noise: SampleNoise) -> States:
        """States for the samples of a batch, with scales drawn from their ranges."""
        config, latents = self.config, batch["latents"]
        with torch.no_grad():
            codes = self._codes(batch["speech"])
            weights = motion_weights(latents, config.motion_weight, config.eyes_weight * batch["eyes"])
            scales = self.maker.draw_scales(noise, batch["steps"].cpu())
            if config.rollout:
                student = partial(student_velocity, model, self.prompt)
                return self.maker.from_videos(latents, codes, scales, weights, noise, student)
            return self.maker.from_windows(latents, batch["continuation"], codes, scales, weights, noise)

    def teacher(self, model: Model, states: States) -> Velocity:
        """The teacher's velocity (z, t) under each state's scales."""
        forms = [self.config.teacher(alpha, beta) for alpha, beta, _ in states.scales.tolist()]
        return partial(teacher_velocity, model, self.prompt, states, forms)

    def _codes(self, speech: Tensor) -> Tensor:
        """Codes (B, f, h_w, d_A) of the dataset's speech."""
        return speech if self.speech_ae is None else encode_windows(self.speech_ae, speech)

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
        """Held-out windows: the true video through the VAE, that of the teacher, and those of the student.

        The first ones move in the MP4 of the same name.
        """
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
            clips = [pipeline.decode(sequence, 8 * f + 1) for sequence in (latents, *made)]
            rows += [[frames[i] for i in range(min(20, 8 * f), 8 * f + 1, 10)] for frames in clips]
            if video == 0:
                save_clips(clips, path.with_suffix(".mp4"))
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
            guided = self.teacher(self.model, states)
            target = average_velocity(guided, states.z, states.times)
            found = {
                "student": student_velocity(self.model, self.prompt, states),
                "one_step": guided(states.z, states.times[0]),
            }
            for name, velocity in found.items():
                error = velocity_error(velocity, target, states.times, states.weights)
                totals[name] += error.item() / len(samples)
        yield from ((f"{name}_{steps}", total) for name, total in totals.items())
