"""One block of A2V-DiT (Fig. 1)."""

from __future__ import annotations

import torch
from diffusers.models.attention import FeedForward
from torch import Tensor, nn

from .attention import Attention


class A2VTransformerBlock(nn.Module):
    """Self-attention, text cross-attention, frame-level audio cross-attention (eq. 10) and MLP.

    Args:
        dim: channels of the tokens.
        heads: attention heads.
        code_dim: channels of a speech slot.
    """

    def __init__(self, dim: int, heads: int, code_dim: int) -> None:
        super().__init__()
        self.norm1 = nn.RMSNorm(dim, eps=1e-6, elementwise_affine=False)
        self.attn1 = Attention(dim, heads, context_dim=dim)
        self.attn2 = Attention(dim, heads, context_dim=dim)
        self.audio_norm = nn.RMSNorm(dim, eps=1e-6, elementwise_affine=False)
        self.audio_attn = Attention(dim, heads, context_dim=code_dim)
        self.norm2 = nn.RMSNorm(dim, eps=1e-6, elementwise_affine=False)
        self.ff = FeedForward(dim, activation_fn="gelu-approximate")
        self.scale_shift_table = nn.Parameter(torch.randn(6, dim) / dim**0.5)

    def forward(
        self,
        x: Tensor,
        modulation: Tensor,
        rotary: Tensor,
        text: tuple[Tensor, Tensor] | Tensor,
        text_mask: Tensor | None,
        speech: tuple[Tensor, Tensor] | Tensor,
    ) -> Tensor:
        """Return the tokens after the block.

        Args:
            x: (B, L, h w, D), tokens latent by latent.
            modulation: (B, L, 6, D), the time embedding of each latent.
            rotary: (B or 1, L, h w, D / 2) complex64, see `apply_rotary`.
            text: key and value, (B, S, heads, d), or what they are made of, (B or 1, S, D).
            text_mask: (B or 1, 1, 1, S) bool or None.
            speech: key and value, (B, L, s, heads, d); tokens of latent i see only its s slots. Or what they
                are made of, (B or 1, L, s, d_A).
        """
        batch, frames = x.shape[:2]
        text, speech = self.attn2.projected(text, batch), self.audio_attn.projected(speech, batch)
        modulation = self.scale_shift_table + modulation
        shift_attn, scale_attn, gate_attn, shift_mlp, scale_mlp, gate_mlp = modulation.chunk(6, dim=2)

        y = modulate(self.norm1(x), shift_attn, scale_attn)
        y = self.attn1(y.flatten(1, 2), rotary=rotary.flatten(1, 2)).unflatten(1, (frames, -1))
        x = torch.addcmul(x, y, gate_attn)

        x = x + self.attn2(x.flatten(1, 2), text, text_mask).unflatten(1, (frames, -1))

        key, value = speech
        y = self.audio_norm(x).flatten(0, 1)
        x = x + self.audio_attn(y, (key.flatten(0, 1), value.flatten(0, 1))).unflatten(0, (-1, frames))

        y = self.ff(modulate(self.norm2(x), shift_mlp, scale_mlp))
        return torch.addcmul(x, y, gate_mlp)


def modulate(x: Tensor, shift: Tensor, scale: Tensor) -> Tensor:
    """AdaLN: x (1 + scale) + shift, with shift and scale (B, L, 1, D) for all tokens of a latent."""
    return torch.addcmul(shift, x, 1 + scale)
