"""From videos to a checkpoint that generates: every stage in order, at toy size."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from read_core import ReadPipeline, SamplingSettings
from read_core.checkpoint import describe
from read_core.cli.main import main
from read_core.corpus.video_file import find_clips

CONFIGS = Path(__file__).parents[3] / "configs" / "smoke"


def run(name: str, folder: Path, **values: object) -> None:
    """``read-core train``, or ``checkpoint``, with every path below ``folder``."""
    values = {"output": folder / name, **values}
    settings = [f"--set={key.replace('__', '.')}={value}" for key, value in values.items()]
    command = "checkpoint" if name == "checkpoint" else "train"
    assert main([command, str(CONFIGS / f"{name}.yaml"), *settings]) == 0


@pytest.mark.slow
def test_every_stage_in_order_makes_a_checkpoint_that_generates(clips_folder, tmp_path, capsys):
    few = {"loop__steps": 4, "loop__batch_size": 2, "loop__sheet_every": 4}
    made = {name: tmp_path / name / "export" for name in ("vae", "whisper", "speech_ae", "a2v", "distill")}
    speech = {"whisper": made["whisper"], "speech_ae": made["speech_ae"]}
    run("vae", tmp_path, clips=clips_folder, start_clips=4, **few)
    run("whisper", tmp_path, held_out=2, **few)
    run("speech_ae", tmp_path, whisper=made["whisper"], statistics=1, held_out=1, probe=2, **few)
    latents = {"latents": tmp_path / "latents", "clips": clips_folder}
    run("a2v", tmp_path, vae=made["vae"], **speech, **latents, **few)
    run("distill", tmp_path, vae=made["vae"], transformer=made["a2v"], **speech, **latents, **few)
    for name in made:
        assert (tmp_path / name / "sheets" / "0000004.png").stat().st_size > 0
        assert (tmp_path / name / "figures.json").is_file()

    checkpoint = tmp_path / "checkpoint"
    student = {"distilled": made["distill"], "defaults__distilled": "{steps: 2, alpha: 0.0, beta: 1.5}"}
    run("checkpoint", tmp_path, vae=made["vae"], transformer=made["a2v"], **speech, **student)
    assert "megabytes" in capsys.readouterr().out
    stored = {part.name: set(part.dtypes) for part in describe(checkpoint).parts}
    assert stored["transformer"] <= {"F16", "BOOL"}
    assert stored["vae"] == {"F16", "F32"}  # weights, and statistics

    pipe = ReadPipeline.from_pretrained(checkpoint, device="cpu")
    clip, *others = find_clips(clips_folder, "train")
    portraits = [file.read(0, 1)[0][0].float() / 255 for file in (clip, *others)]
    codes = pipe.encode_speech(clip.waveform()[: 17 * 640], 16_000)
    reference = pipe.encode_reference(portraits[0])
    video = torch.cat(list(pipe.stream(codes, reference)))
    distilled = SamplingSettings(guidance=pipe.defaults.guidance_of("distilled"))
    assert torch.cat(list(pipe.stream(codes, reference, distilled))).shape == video.shape
    assert video.shape == (17, 64, 64, 3)
    assert video.isfinite().all()
    # Frame 0 is the portrait through the VAE, which starts as a linear codec: of all faces it shows this one.
    errors = [(video[0] - portrait).abs().mean().item() for portrait in portraits]
    assert min(errors) == errors[0]
