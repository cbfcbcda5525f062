"""Speech codes without a SpeechAE: averages of the Whisper features (ablation of the paper's Table 2)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from diffusers.configuration_utils import register_to_config
from einops import reduce
from torch.nn import functional as F

from ..geometry import FRAMES_PER_LATENT
from .statistics import FeatureStatistics

if TYPE_CHECKING:
    from torch import Tensor


class AveragePool(FeatureStatistics):
    """Code i is the mean of S over the eight frames 8i-7 .. 8i of latent i; nothing is learned.

    Each of the H_w window positions is averaged separately: h_w = H_w and d_A = D_A. Features are
    standardized before; every slot is normalized over its channels after, as in a SpeechAE.

    Args:
        speech_window: H_w, features per frame.
        feature_dim: D_A, width of the Whisper encoder.
    """

    @register_to_config  # type: ignore[untyped-decorator]
    def __init__(self, speech_window: int = 50, feature_dim: int = 384) -> None:
        super().__init__()
        self.register_statistics(speech_window, feature_dim)

    @property
    def code_shape(self) -> tuple[int, int]:
        """(h_w, d_A): slots of a code and their width."""
        return self.config.speech_window, self.config.feature_dim

    def encode(self, speech: Tensor, context: Tensor | None = None) -> Tensor:
        """Codes of features.

        Args:
            speech: S, (B, F, H_w, D_A) with F = 8 (L - 1) + 1.
            context: (B, at least 7, H_w, D_A), the frames before ``speech``; None: its first frame repeated.

        Returns:
            (B, L, H_w, D_A) float32.

        Raises:
            InputError: F is not 8 (L - 1) + 1.
        """
        frames = self.after_context(speech, context, FRAMES_PER_LATENT - 1)
        codes = reduce(frames, "b (l f) w d -> b l w d", "mean", f=FRAMES_PER_LATENT)
        return F.layer_norm(codes, codes.shape[-1:])
