"""Speech codes by linear projection of the Whisper features: the paper's Table 2 without a SpeechAE."""

from __future__ import annotations

from typing import TYPE_CHECKING

from diffusers.configuration_utils import register_to_config
from einops import rearrange
from torch import nn

from ..geometry import FRAMES_PER_LATENT
from ..offload import onloaded
from .statistics import FeatureStatistics

if TYPE_CHECKING:
    from torch import Tensor


class LinearProjection(FeatureStatistics):
    """Code i is a linear function of S in the eight frames 8i-7 .. 8i of latent i, trained with A2V-DiT.

    One linear layer takes the window positions of all eight frames to the slots of the code, another one the
    channels to its width. There is no convolution over time, no nonlinearity, no normalization after and no
    pre-training. Features are standardized before, as in a SpeechAE; codes have the shape of a SpeechAE's.

    Args:
        speech_window: H_w, features per frame.
        feature_dim: D_A, width of the Whisper encoder.
        code_window: h_w, slots per code.
        code_dim: d_A, width of a slot.
    """

    @register_to_config  # type: ignore[untyped-decorator]
    def __init__(
        self, speech_window: int = 50, feature_dim: int = 384, code_window: int = 32, code_dim: int = 768
    ) -> None:
        super().__init__()
        self.register_statistics(speech_window, feature_dim)
        self.to_slots = nn.Linear(FRAMES_PER_LATENT * speech_window, code_window)
        self.to_channels = nn.Linear(feature_dim, code_dim)

    @property
    def code_shape(self) -> tuple[int, int]:
        """(h_w, d_A): slots of a code and their width."""
        return self.config.code_window, self.config.code_dim

    def encode(self, speech: Tensor, context: Tensor | None = None) -> Tensor:
        """Codes of features.

        Args:
            speech: S, (B, F, H_w, D_A) with F = 8 (L - 1) + 1.
            context: (B, at least 7, H_w, D_A), the frames before ``speech``; None: its first frame repeated.

        Returns:
            (B, L, h_w, d_A).

        Raises:
            InputError: F is not 8 (L - 1) + 1.
        """
        with onloaded(self):
            frames = self.after_context(speech, context, FRAMES_PER_LATENT - 1)
            frames = frames.to(self.to_slots.weight.dtype)
            windows = rearrange(frames, "b (l f) w d -> b l d (f w)", f=FRAMES_PER_LATENT)
            slots = self.to_slots(windows).transpose(-1, -2)  # (B, L, h_w, D_A)
            codes: Tensor = self.to_channels(slots)
        return codes
