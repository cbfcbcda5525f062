"""A2V-DiT with another SpeechAE than the finished one: tuned along, from scratch, or none that learns.

The latter two are the ablations of the paper's Table 2. All are SpeechAEs in form, so what is trained with
them is assembled and loaded like any other checkpoint.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from safetensors import safe_open
from torch import Tensor, nn

from ..corpus.video_file import ClipFile
from ..geometry import frames_of_latents, latents_of_frames
from ..speech import SpeechAE, WhisperFeatures, encode_speech_codes, load_whisper_encoder
from ..speech.speech_ae import CONTEXT_FRAMES, Downsample, MixingBlock
from .latents import WindowDataset, encode_missing, fingerprint

TRAINED_ALONG = ("tuned", "scratch")
"""Those whose encoder is trained with A2V-DiT, by eq. 15 alone."""
_SMALL = 2.0**-18
"""Signals of this size are far below what a LayerNorm's epsilon is for: it multiplies them by a constant."""


def tuned(trained: SpeechAE) -> SpeechAE:
    """The finished SpeechAE itself; only its encoder can be trained further."""
    _train_encoder_alone(trained)
    return trained


def scratch(trained: SpeechAE) -> SpeechAE:
    """A SpeechAE of the same size and statistics with random weights; only its encoder can be trained."""
    made: SpeechAE = SpeechAE.from_config(trained.config)
    _copy_statistics(trained, made)
    _train_encoder_alone(made)
    return made


@torch.no_grad()
def pooled(trained: SpeechAE) -> SpeechAE:
    """A SpeechAE that learns nothing: its codes are the Whisper features themselves, averaged over time.

    Code i is the mean of S over the eight frames 8i-7 .. 8i of latent i (frame 0 alone for code 0, and
    repeated before it), each of the H_w window positions for itself: h_w = H_w and d_A = D_A. As everywhere,
    the features are standardised before, with the statistics of ``trained``, and every slot is normalised
    over its channels afterwards. The only linear maps that touch them are A2V-DiT's keys and values.

    The weights realise this to 4 digits: hidden channels hold u and -u, and SiLU(u) - SiLU(-u) = u; u is so
    small that the LayerNorm before it only scales; each of the three stages averages neighbouring steps.
    """
    slots, dim = trained.config.speech_window, trained.config.speech_dim
    made: SpeechAE = SpeechAE(slots, dim, slots, dim, hidden_dim=2 * dim, expansion=1)
    for parameter in made.parameters():
        parameter.zero_()
    _copy_statistics(trained, made)
    both = torch.cat([torch.eye(dim), -torch.eye(dim)])
    made.encoder_window.weight.copy_(torch.eye(slots))
    made.encoder_dim.weight.copy_(_SMALL * both)
    for module in made.encoder_stages.modules():
        if isinstance(module, Downsample):
            module.norm.weight.fill_(module.norm.eps**0.5)
            difference = both @ both.T / 2
            module.conv.weight[:, :, 1] = difference  # the step before, in exchange for half of the last one
            module.conv.weight[:, :, 2] = -difference
        elif isinstance(module, MixingBlock):
            for norm in (module.window_norm, module.dim_norm):
                nn.init.ones_(norm.weight)
    made.encoder_out.weight.copy_(both.T / 8 / _SMALL)  # 2**15: what float16 holds
    nn.init.ones_(made.code_norm.weight)
    made.eval().requires_grad_(False)
    return made


def _train_encoder_alone(speech_ae: SpeechAE) -> None:
    for name, parameter in speech_ae.named_parameters():
        parameter.requires_grad_(name.startswith(("encoder_", "code_norm")))


def _copy_statistics(trained: SpeechAE, made: SpeechAE) -> None:
    made.speech_mean.copy_(trained.speech_mean)
    made.speech_std.copy_(trained.speech_std)


def write_codes(
    files: Sequence[ClipFile], folder: Path, whisper: Path, speech_ae: SpeechAE, device: torch.device
) -> list[Path]:
    """Files with ``codes`` (L, h_w, d_A) float16 of each video, code i for latent i; those there are kept."""

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
    """Files with ``features`` S (8 (L - 1) + 1, H_w, D_A) float16 of each video; those there are kept."""

    def prepare() -> Callable[[ClipFile], dict[str, Tensor]]:
        features = WhisperFeatures(load_whisper_encoder(whisper)).to(device)

        def encode(file: ClipFile) -> dict[str, Tensor]:
            count = _latents(file)  # one more is asked for than kept, so that no end of a video is seen
            speech = features(file.waveform().to(device), frames_of_latents(1 + count))
            return {"features": speech[: frames_of_latents(count)]}

        return encode

    return encode_missing(files, folder, _stamp("features", whisper), prepare)


class FeatureWindows(WindowDataset):
    """Windows whose "speech" is S of the frames that their codes are made of, not the codes.

    That is (14 + 8 (f - 1) + 1, H_w, D_A): first the 14 frames of context that ``SpeechAE.encode`` wants;
    before a video's frame 0 that is repeated. ``features`` are the files of ``write_features``.
    """

    features: Sequence[Path] = ()

    def speech(self, video: int, first: int, count: int) -> Tensor:
        """S of the latents ``first`` .. ``first + count - 1``."""
        start, stop = frames_of_latents(1 + first) - 1 - CONTEXT_FRAMES, frames_of_latents(first + count)
        with safe_open(self.features[video], "pt") as file:
            speech: Tensor = file.get_slice("features")[max(0, start) : stop]
        return torch.cat([speech[:1].expand(max(0, -start), -1, -1), speech]).float()


def encode_windows(speech_ae: SpeechAE, speech: Tensor) -> Tensor:
    """Codes (B, f, h_w, d_A) of windows (B, 14 + 8 (f - 1) + 1, H_w, D_A) of ``FeatureWindows``."""
    codes: Tensor = speech_ae.encode(speech[:, CONTEXT_FRAMES:], context=speech[:, :CONTEXT_FRAMES])
    return codes


def _latents(file: ClipFile) -> int:
    return 1 + latents_of_frames(file.whole_frames)


def _stamp(kind: str, whisper: Path) -> str:
    return hashlib.sha256((kind + fingerprint([whisper])).encode()).hexdigest()
