"""Train A2V-DiT with another speech encoder than the finished, frozen SpeechAE.

The encoder is tuned, trained from scratch, linear, or an average. All but the first are the ablations of the
paper's Table 2. Their results are assembled and loaded like any other checkpoint.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from torch import Tensor

from ...corpus.video_file import ClipFile
from ...geometry import frames_of_latents, latents_of_frames
from ...speech import (
    AveragePool,
    LinearProjection,
    SpeechAE,
    SpeechEncoder,
    WhisperFeatures,
    encode_speech_codes,
    load_whisper_encoder,
)
from ...speech.speech_ae import CONTEXT_FRAMES
from ...transformer import A2VTransformer3DModel
from ...weights.fingerprint import fingerprint
from ...weights.ltx_transformer import is_addition
from ..data.latents import WindowDataset, encode_missing

TRAINED_ALONG = ("tuned", "scratch", "linear")
"""Variants whose encoder is trained with A2V-DiT, by eq. 15 only."""


def tuned(trained: SpeechAE) -> SpeechAE:
    """The finished SpeechAE; only its encoder is trained."""
    _train_encoder_alone(trained)
    return trained


def scratch(trained: SpeechAE) -> SpeechAE:
    """A SpeechAE of the same size and statistics with random weights; only its encoder is trained."""
    made: SpeechAE = SpeechAE.from_config(trained.config)
    _copy_statistics(trained, made)
    _train_encoder_alone(made)
    return made


def linear(trained: SpeechAE) -> LinearProjection:
    """Linear projections of the features to codes of the same shape; all of it is trained."""
    config = trained.config
    made: LinearProjection = LinearProjection(
        config.speech_window, config.feature_dim, config.code_window, config.code_dim
    )
    _copy_statistics(trained, made)
    return made


def pooled(trained: SpeechAE) -> AveragePool:
    """Averages of the features instead of a SpeechAE, with the statistics of ``trained``."""
    made: AveragePool = AveragePool(trained.config.speech_window, trained.config.feature_dim)
    _copy_statistics(trained, made)
    made.eval()
    return made


def with_new_speech(trained: A2VTransformer3DModel, sizes: Mapping[str, Any]) -> A2VTransformer3DModel:
    """Copy a transformer with new speech attention, whose output is zero, and a new null code.

    Args:
        trained: the transformer. All its other weights are kept.
        sizes: ``code_dim`` and ``code_slots`` of the copy, where they differ.
    """
    made: A2VTransformer3DModel = A2VTransformer3DModel.from_config(trained.config, **sizes)
    kept = {key: value for key, value in trained.state_dict().items() if not _hears(key)}
    made.load_state_dict(kept, strict=False)
    return made


def _hears(key: str) -> bool:
    """Whether a parameter belongs to the speech attention or is its null code."""
    return is_addition(key) and key != "null_reference"


def _train_encoder_alone(speech_ae: SpeechAE) -> None:
    for name, parameter in speech_ae.named_parameters():
        parameter.requires_grad_(name.startswith(("encoder_", "code_norm")))


def _copy_statistics(trained: SpeechAE, made: SpeechEncoder) -> None:
    made.speech_mean.copy_(trained.speech_mean)
    made.speech_std.copy_(trained.speech_std)


def write_codes(
    files: Sequence[ClipFile],
    folder: Path,
    whisper: Path,
    speech_ae: SpeechEncoder,
    device: torch.device,
) -> list[Path]:
    """Write missing files with ``codes`` (L, h_w, d_A) float16 of each video, code i for latent i."""

    def prepare() -> Callable[[ClipFile], dict[str, Tensor]]:
        features = WhisperFeatures(load_whisper_encoder(whisper)).to(device)
        own = speech_ae.to(device)

        def encode(file: ClipFile) -> dict[str, Tensor]:
            count = _latents(file)
            return {"codes": encode_speech_codes(features, own, file.waveform().to(device), count)[0, :count]}

        return encode

    return encode_missing(files, folder, _stamp("codes", whisper), prepare)


def write_features(
    files: Sequence[ClipFile], folder: Path, whisper: Path, device: torch.device
) -> list[Path]:
    """Write missing files with ``features`` S (8 (L - 1) + 1, H_w, D_A) float16 of each video."""

    def prepare() -> Callable[[ClipFile], dict[str, Tensor]]:
        features = WhisperFeatures(load_whisper_encoder(whisper)).to(device)

        def encode(file: ClipFile) -> dict[str, Tensor]:
            count = _latents(file)  # make one more than is kept, so that codes never see the end of a video
            speech = features(file.waveform().to(device), frames_of_latents(1 + count))
            return {"features": speech[: frames_of_latents(count)]}

        return encode

    return encode_missing(files, folder, _stamp("features", whisper), prepare)


class FeatureWindows(WindowDataset):
    """Windows whose "speech" has the features S of their frames instead of codes.

    The shape is (14 + 8 (f - 1) + 1, H_w, D_A). The first 14 frames are the context for ``SpeechAE.encode``;
    before a video's start, frame 0 is repeated. ``features`` are the files of ``write_features``.
    """

    features: Sequence[Path] = ()

    def speech(self, video: int, first: int, count: int) -> Tensor:
        """S of the latents ``first`` .. ``first + count - 1``."""
        start, stop = frames_of_latents(1 + first) - 1 - CONTEXT_FRAMES, frames_of_latents(first + count)
        with safe_open(self.features[video], "pt") as file:
            speech: Tensor = file.get_slice("features")[max(0, start) : stop]
        return torch.cat([speech[:1].expand(max(0, -start), -1, -1), speech]).float()


def encode_windows(speech_ae: SpeechEncoder, speech: Tensor) -> Tensor:
    """Codes (B, f, h_w, d_A) of windows (B, 14 + 8 (f - 1) + 1, H_w, D_A) of ``FeatureWindows``."""
    codes: Tensor = speech_ae.encode(speech[:, CONTEXT_FRAMES:], context=speech[:, :CONTEXT_FRAMES])
    return codes


def _latents(file: ClipFile) -> int:
    return 1 + latents_of_frames(file.whole_frames)


def _stamp(kind: str, whisper: Path) -> str:
    return hashlib.sha256((kind + fingerprint([whisper])).encode()).hexdigest()
