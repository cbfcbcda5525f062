"""Encode a long video span by span, with causal context.

Latent 0 holds frame 0, latent i > 0 the frames 8 i - 7 .. 8 i. The encoder is causal: no later frame counts.
Latents [a, b) are encoded from the frames 8 (a - c) .. 8 (b - 1); the first c latents of the result are
context and are dropped. The others equal those of encoding the whole video at once if c covers the encoder's
receptive field (:func:`receptive_latents`).
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from ..errors import InputError
from ..geometry import FRAMES_PER_LATENT
from ..video import TemporalVAE


class SpanEncoder:
    """Encodes frames that arrive in parts; holds a span and its context, whatever the length.

    Args:
        vae: the autoencoder.
        span: latents that are encoded at a time.
        context: latents before them that are encoded along and thrown away, at least 1.
    """

    def __init__(self, vae: TemporalVAE, span: int, context: int) -> None:
        if span < 1 or context < 1:
            raise InputError(f"span is {span}, context is {context}; expected 1 latent or more")
        self.vae, self.span, self.context = vae, span, context
        self._held: list[Tensor] = []  # frames, from that of index self._first on
        self._first = 0
        self._done = 0  # latents
        self._latents: list[Tensor] = []

    def write(self, frames: Tensor) -> None:
        """Take the next frames, (n, H, W, 3) in 0..1."""
        self._held += list(frames)
        while self._frames >= FRAMES_PER_LATENT * (self._done + self.span - 1) + 1:
            self._encode(self._done + self.span)

    def finish(self) -> Tensor:
        """All latents (C, L, h, w), float32.

        Raises:
            InputError: the frames were not 8 (L - 1) + 1.
        """
        if self._frames % FRAMES_PER_LATENT != 1:
            raise InputError(f"{self._frames} frames; expected 8 n + 1")
        count = (self._frames - 1) // FRAMES_PER_LATENT + 1
        if count > self._done:
            self._encode(count)
        return torch.cat(self._latents, dim=1)

    @property
    def _frames(self) -> int:
        return self._first + len(self._held)

    def _encode(self, stop: int) -> None:
        """Encode latents [done, stop)."""
        start = max(0, self._done - self.context)
        low, high = FRAMES_PER_LATENT * start - self._first, FRAMES_PER_LATENT * (stop - 1) + 1 - self._first
        slice_ = torch.stack(self._held[low:high])
        self._latents.append(self.vae.encode(slice_[None])[0, :, self._done - start :])
        self._done = stop
        keep = FRAMES_PER_LATENT * max(0, stop - self.context) - self._first
        self._held, self._first = self._held[keep:], self._first + keep


def receptive_latents(vae: Any) -> int:
    """Latents of context that make spans exact: a bound on what the encoder of ``vae`` looks back on.

    Args:
        vae: an ``AutoencoderKLLTXVideo`` or ``AlignedAutoencoder``.
    """
    encoder = vae.encoder
    parts = [encoder.conv_in, *encoder.down_blocks, encoder.mid_block, encoder.conv_out]
    modules = [module for part in parts for module in part.modules()]
    unshuffling = [module for module in modules if type(module).__name__ == "LTXVideoDownsampler3d"]
    theirs = {id(module.conv) for module in unshuffling}
    frames, step = 0, 1
    for module in modules:
        if type(module).__name__ == "LTXVideoDownsampler3d":
            frames += (module.stride[0] - 1 + module.conv.kernel_size[0] - 1) * step
            step *= module.stride[0]
        elif type(module).__name__ == "LTXVideoCausalConv3d" and id(module) not in theirs:
            frames += (module.kernel_size[0] - 1) * step
            step *= module.conv.stride[0]
    return math.ceil(frames / FRAMES_PER_LATENT) + 1


def seam_db(vae: TemporalVAE, frames: Tensor, span: int, context: int) -> float:
    """Difference between encoding in spans and all at once, as dB of the latents over the difference.

    Args:
        frames: (8 n + 1, H, W, 3), longer than a span.
    """
    encoder = SpanEncoder(vae, span, context)
    encoder.write(frames)
    spans, whole = encoder.finish(), vae.encode(frames[None])[0]
    error = float((spans - whole).square().mean())
    return math.inf if error == 0 else 10 * math.log10(float(whole.square().mean()) / error)
