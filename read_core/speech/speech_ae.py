"""SpeechAE (eq. 6): speech features compressed eight times in time, in step with the temporal VAE."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from diffusers.configuration_utils import register_to_config
from einops import rearrange
from torch import nn
from torch.nn import functional as F

from ..offload import onloaded
from .statistics import FeatureStatistics

if TYPE_CHECKING:
    from torch import Tensor

STAGES = 3
KERNEL = 3
CONTEXT_FRAMES = (KERNEL - 1) * (2**STAGES - 1)


class SpeechAE(FeatureStatistics):
    """Autoencoder of speech features, causal in time: code i sees frames 8i - 14 .. 8i.

    Only the convolutions combine time steps; even normalization is per time step. Features are standardized
    with a fixed mean and deviation per window position and channel, measured in training. Both, and the
    computation with them, are float32 in any precision.

    Args:
        speech_window: H_w, features per frame (10 steps times all hidden states).
        feature_dim: D_A, width of the Whisper encoder.
        code_window: h_w, slots per code.
        code_dim: d_A, width of a slot.
        hidden_dim: width inside.
        expansion: width of the hidden layer of a mixing block, in units of ``hidden_dim``.
    """

    @register_to_config  # type: ignore[untyped-decorator]
    def __init__(
        self,
        speech_window: int = 50,
        feature_dim: int = 384,
        code_window: int = 32,
        code_dim: int = 768,
        hidden_dim: int = 768,
        expansion: int = 2,
    ) -> None:
        super().__init__()
        self.register_statistics(speech_window, feature_dim)
        width = (code_window, hidden_dim, expansion)

        self.encoder_window = nn.Linear(speech_window, code_window)
        self.encoder_dim = nn.Linear(feature_dim, hidden_dim)
        self.encoder_stages = nn.ModuleList(
            nn.Sequential(Downsample(hidden_dim), MixingBlock(*width)) for _ in range(STAGES)
        )
        self.encoder_out = nn.Linear(hidden_dim, code_dim)
        self.code_norm = nn.LayerNorm(code_dim)

        self.decoder_in = nn.Linear(code_dim, hidden_dim)
        self.decoder_stages = nn.ModuleList(
            nn.Sequential(MixingBlock(*width), Upsample(hidden_dim)) for _ in range(STAGES)
        )
        self.decoder_norm = nn.LayerNorm(hidden_dim)
        self.decoder_dim = nn.Linear(hidden_dim, feature_dim)
        self.decoder_window = nn.Linear(code_window, speech_window)

    @property
    def code_shape(self) -> tuple[int, int]:
        """(h_w, d_A): slots of a code and their width."""
        return self.config.code_window, self.config.code_dim

    def encode(self, speech: Tensor, context: Tensor | None = None) -> Tensor:
        """C = E_A(S), eq. 6.

        Args:
            speech: S, (B, F, H_w, D_A) with F = 8 (L - 1) + 1.
            context: (B, 14, H_w, D_A), the frames before ``speech``, if that is a later part of a recording.
                Then parts give the same codes as the whole. None: the first frame repeated.

        Returns:
            C, (B, L, h_w, d_A).

        Raises:
            InputError: F is not 8 (L - 1) + 1.
        """
        with onloaded(self):
            x = self.after_context(speech, context, CONTEXT_FRAMES)
            x = self.encoder_dim(_over_window(self.encoder_window, x))
            for stage in self.encoder_stages:
                x = stage(x)
            codes: Tensor = self.code_norm(self.encoder_out(x))
        return codes

    def decode(self, codes: Tensor) -> Tensor:
        """S_hat = D_A(C), eq. 6: codes (B, L, h_w, d_A) -> (B, 8 (L - 1) + 1, H_w, D_A)."""
        with onloaded(self):
            x = self.decoder_in(codes)
            for stage in self.decoder_stages:
                x = stage(x)
            x = _over_window(self.decoder_window, self.decoder_dim(self.decoder_norm(x)))
            speech: Tensor = x.to(self.speech_std.dtype) * self.speech_std + self.speech_mean
        return speech

    def forward(self, speech: Tensor) -> Tensor:
        """S -> S_hat, both (B, 8 (L - 1) + 1, H_w, D_A)."""
        return self.decode(self.encode(speech))

    def standardize(self, speech: Tensor) -> Tensor:
        """Standardize features (..., H_w, D_A) by the training data's statistics, in the model's dtype."""
        return super().standardize(speech).to(self.encoder_window.weight.dtype)


class MixingBlock(nn.Module):
    """Residual linear layers over the window axis and over the channels of one time step; (B, T, h_w, d)."""

    def __init__(self, window: int, dim: int, expansion: int) -> None:
        super().__init__()
        self.window_norm = nn.LayerNorm(dim)
        self.window_mix = nn.Linear(window, window)
        self.dim_norm = nn.LayerNorm(dim)
        hidden = expansion * dim
        self.dim_mix = nn.Sequential(nn.Linear(dim, hidden), nn.GELU(), nn.Linear(hidden, dim))

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, h_w, d) -> the same shape."""
        x = x + _over_window(self.window_mix, self.window_norm(x))
        mixed: Tensor = x + self.dim_mix(self.dim_norm(x))
        return mixed


class Downsample(nn.Module):
    """Causal convolution of stride 2 along time, slot by slot: (B, 2 T + 1, h_w, d) -> (B, T, h_w, d).

    The input includes the two steps before that of the first output: ``SpeechAE.encode`` prepends the context
    of all stages. For a repeated first frame this equals repeating it at every stage.
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(dim)
        self.conv = nn.Conv1d(dim, dim, KERNEL, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        """(B, 2 T + 1, h_w, d) -> (B, T, h_w, d)."""
        return x[:, KERNEL - 1 :: 2] + _over_time(self.conv, F.silu(self.norm(x)))


class Upsample(nn.Module):
    """Repeat each step twice, drop the first, causal convolution: (B, T, h_w, d) -> (B, 2 T - 1, h_w, d)."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(dim)
        self.conv = nn.Conv1d(dim, dim, KERNEL)

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, h_w, d) -> (B, 2 T - 1, h_w, d)."""
        x = x.repeat_interleave(2, dim=1)[:, 1:]
        padding = x[:, :1].expand(-1, KERNEL - 1, -1, -1)
        return x + _over_time(self.conv, F.silu(self.norm(torch.cat([padding, x], dim=1))))


def _over_window(layer: nn.Linear, x: Tensor) -> Tensor:
    """Apply a linear layer to the window axis of (B, T, window, d)."""
    mixed: Tensor = layer(x.transpose(-1, -2))
    return mixed.transpose(-1, -2)


def _over_time(conv: nn.Conv1d, x: Tensor) -> Tensor:
    """Apply a convolution along the time axis of (B, T, s, d), every slot with the same weights."""
    out: Tensor = rearrange(conv(rearrange(x, "b t s d -> (b s) d t")), "(b s) d t -> b t s d", s=x.shape[2])
    return out
