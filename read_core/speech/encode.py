"""Encode a whole recording as speech codes, window by window (eq. 5 and 6)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from ..geometry import FRAMES_PER_LATENT, frames_of_latents, frames_of_samples, latents_of_frames
from .speech_ae import CONTEXT_FRAMES

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from .encoder import SpeechEncoder
    from .features import WhisperFeatures


@torch.no_grad()
def encode_speech_codes(
    features: WhisperFeatures,
    speech_ae: SpeechEncoder,
    waveform: Tensor,
    num_latents: int | None = None,
    on_window: Callable[[int, int], None] | None = None,
    keep_on: torch.device | str | None = None,
) -> Tensor:
    """Codes C of a recording of any length; only C is held as a whole.

    Args:
        features: the Whisper features (eq. 5).
        speech_ae: the SpeechAE, whose encoder makes the codes (eq. 6).
        waveform: (samples,) at 16 kHz, at least one sample.
        num_latents: number of generated latents N; the waveform is padded with silence. None: as many as the
            waveform needs.
        on_window: called as on_window(windows done, total windows) after each window.
        keep_on: device of the codes; None: the SpeechAE's.

    Returns:
        (1, 1 + N, h_w, d_A) float32 on ``keep_on``; code i belongs to z_i, code 0 to frame 0.

    Raises:
        InputError: the waveform is empty or not finite.
    """
    if num_latents is None:
        num_latents = latents_of_frames(frames_of_samples(len(waveform)))
    num_frames = frames_of_latents(1 + num_latents)
    windows = features.num_windows(num_frames)
    codes: list[Tensor] = []
    pending: Tensor | None = None
    for done, block in enumerate(features.blocks(waveform, num_frames), start=1):
        new = block[None].to(speech_ae.device)
        if pending is None:
            pending = new[:, :1].expand(-1, CONTEXT_FRAMES, -1, -1)
        pending = torch.cat([pending, new], dim=1)
        ready = (pending.shape[1] - CONTEXT_FRAMES - 1) // FRAMES_PER_LATENT + 1
        if ready > 0:
            speech = pending[:, CONTEXT_FRAMES : CONTEXT_FRAMES + frames_of_latents(ready)]
            new_codes = speech_ae.encode(speech, context=pending[:, :CONTEXT_FRAMES]).float()
            codes.append(new_codes if keep_on is None else new_codes.to(keep_on))
            pending = pending[:, ready * FRAMES_PER_LATENT :].clone()
        if on_window is not None:
            on_window(done, windows)
    return torch.cat(codes, dim=1)
