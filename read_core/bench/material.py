"""Build models with random weights, and random inputs. Speed does not depend on the weights' values."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import torch
from diffusers import AutoencoderKLLTXVideo
from torch import Tensor
from transformers import WhisperConfig
from transformers.models.whisper.modeling_whisper import WhisperEncoder

from ..ans import DistilledCFG, SplitCFG
from ..checkpoint import Card, Components, Prompt, SamplingDefaults, StudentDefaults
from ..errors import ignore
from ..geometry import SAMPLE_RATE, SAMPLES_PER_FRAME, frames_of_latents, latents_of_clips
from ..pipeline import ReadPipeline
from ..precision import at_precision
from ..records import Reference, SpeechCodes
from ..speech import SpeechAE
from ..transformer import A2VTransformer3DModel, Student
from ..transformer.configs import LTX_2B_CAUSAL, TINY
from ..video import DecodeSettings
from ..video.configs import TINY as TINY_VAE
from ..weights.ltx_vae import RELEASES, halo_of

Scale = Literal["full", "tiny"]
_TEXT_TOKENS = {"full": 128, "tiny": 4}
_RANK = 64  # of the student, as in configs/full/distill.yaml
_SIDE = {"full": 512, "tiny": 64}


@dataclass(frozen=True)
class Material:
    """A pipeline and the inputs of a video of whole clips.

    Attributes:
        pipe: the models.
        waveform: (samples,) at 16 kHz, noise.
        portrait: (H, W, 3), noise in 0..1.
        clips: number of clips.
    """

    pipe: ReadPipeline
    waveform: Tensor
    portrait: Tensor
    clips: int

    def speech(self, window: int) -> SpeechCodes:
        """The codes of as much speech as fills the clips with windows of ``window`` latents."""
        samples = frames_of_latents(1 + latents_of_clips(self.clips, window)) * SAMPLES_PER_FRAME
        return self.pipe.encode_speech(self.waveform[:samples], SAMPLE_RATE, max_window=window)

    def reference(self) -> Reference:
        """The encoded portrait."""
        return self.pipe.encode_reference(self.portrait, fit="crop", on_warning=ignore)


def random_pipeline(scale: Scale, device: torch.device, dtype: torch.dtype) -> ReadPipeline:
    """A pipeline of random weights, made on ``device``.

    Args:
        scale: ``full``: LTX-Video 2B, its VAE of 0.9.5, whisper-tiny; ``tiny``: small layers, for tests.
        device: where.
        dtype: of all models.
    """
    torch.manual_seed(0)
    shape = LTX_2B_CAUSAL if scale == "full" else TINY
    with torch.device(device):
        transformer = A2VTransformer3DModel(**shape)
        student = Student(dict(shape), _RANK, alpha=(0.0, 4.0), beta=(1.0, 8.0))
        vae, whisper, speech_ae = _vae(scale), _whisper(scale), _speech_ae(scale)
        for model in (vae, whisper, speech_ae, transformer, student):
            state = {key: at_precision(key, value, dtype) for key, value in model.state_dict().items()}
            model.load_state_dict(state, assign=True)
            model.eval().requires_grad_(False)
        tokens = _TEXT_TOKENS[scale]
        embedding = torch.randn(tokens, shape["caption_channels"])
        prompt = Prompt(embedding, torch.ones(tokens, dtype=torch.bool), "random")
    decoding = DecodeSettings(halo_of(vae), chunk=8, timestep=0.05, noise_scale=0.025)
    distilled = StudentDefaults(student.steps[0], DistilledCFG(2.0, 6.0))
    defaults = SamplingDefaults("tokens", 8, SplitCFG(2.0, 6.0), 16, decoding, distilled=distilled)
    card = Card(f"random weights, {scale}", "nothing", (_SIDE[scale], _SIDE[scale]), demonstration=True)
    return ReadPipeline(
        Components(card, defaults, vae, whisper, speech_ae, transformer, prompt, distilled=student)
    )


def make_material(pipe: ReadPipeline, clips: int, size: tuple[int, int] | None, window: int) -> Material:
    """Inputs for ``pipe``.

    Args:
        pipe: the models.
        clips: number of clips.
        size: height and width of the video; None: the checkpoint's.
        window: the largest window that will be asked for.
    """
    pipe.card = replace(pipe.card, resolution=size or pipe.card.resolution)
    generator = torch.Generator().manual_seed(0)
    samples = frames_of_latents(1 + latents_of_clips(clips, window)) * SAMPLES_PER_FRAME
    waveform = 0.1 * torch.randn(samples, generator=generator)
    portrait = torch.rand(*pipe.card.resolution, 3, generator=generator)
    return Material(pipe, waveform, portrait, clips)


def _vae(scale: Scale) -> AutoencoderKLLTXVideo:
    if scale == "full":
        return AutoencoderKLLTXVideo(**RELEASES["LTX-Video 0.9.5 to 0.9.8"])
    return AutoencoderKLLTXVideo(**TINY_VAE)


def _whisper(scale: Scale) -> WhisperEncoder:
    shape = {"d_model": 384, "encoder_layers": 4, "encoder_attention_heads": 6, "encoder_ffn_dim": 1536}
    if scale == "tiny":
        shape = {"d_model": 16, "encoder_layers": 2, "encoder_attention_heads": 2, "encoder_ffn_dim": 32}
    return WhisperEncoder(WhisperConfig(**shape, max_source_positions=1500, num_mel_bins=80))


def _speech_ae(scale: Scale) -> SpeechAE:
    tiny = {"speech_window": 30, "feature_dim": 16, "code_window": TINY["code_slots"], "hidden_dim": 12}
    made: SpeechAE = SpeechAE() if scale == "full" else SpeechAE(**tiny, code_dim=TINY["code_dim"])
    return made
