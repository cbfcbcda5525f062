"""A tiny stage distill, for its tests."""

from __future__ import annotations

import torch

from read_core.training.stages.distill import DistillConfig, DistillStage

STEPS, TEACHER = (4, 2), 8


def stage_config(videos, checkpoint, output, **changes) -> DistillConfig:
    parts = {name: checkpoint / name for name in ("vae", "whisper", "speech_ae", "transformer")}
    values = {
        "stage": "distill",
        "output": output,
        "clips": videos,
        **parts,
        "latents": videos.parent / "distill-latents",
        "shift": 1.5,
        "alpha": (-1.0, 1.0),
        "beta": (1.0, 3.0),
        "steps": STEPS,
        "teacher_steps": TEACHER,
        "rank": 4,
        "windows": (4,),
        "prompt_tokens": 2,
        "loop": {"steps": 20, "batch_size": 4, "learning_rate": 1e-3},
    }
    return DistillConfig.model_validate({**values, **changes})


def disturb(stage: DistillStage) -> None:
    """Give the student weights that change its velocities."""
    with torch.no_grad():
        for parameter in stage.student.parameters():
            parameter.normal_(std=0.1, generator=generator(parameter.numel()))


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def batch_of(stage: DistillStage, count: int, steps: int) -> dict[str, torch.Tensor]:
    samples = [stage.dataset.windows[index] for index in range(count)]
    batch = {name: torch.stack([sample[name] for sample in samples]) for name in samples[0]}
    return {**batch, "steps": torch.full((count,), steps)}
