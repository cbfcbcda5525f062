"""The log-mel spectrogram of Whisper, on the device of the waveform."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import torch
from transformers.audio_utils import mel_filter_bank

from ..geometry import SAMPLE_RATE

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

FFT_SAMPLES = SAMPLE_RATE * 25 // 1000
HOP_SAMPLES = SAMPLE_RATE * 10 // 1000
DYNAMIC_RANGE = 8.0
FLOOR = 1e-10


def log_mel(waveform: Tensor, mel_bins: int = 80) -> Tensor:
    """Log-mel spectrogram as Whisper defines it, always computed in float32.

    The dynamic range is cut at 8 decades below the maximum of each item, so a value depends on its whole
    window.

    Args:
        waveform: (..., samples) at 16 kHz: a window, padded with silence to its full length.
        mel_bins: number of mel bands, 80 (128 for whisper-large-v3).

    Returns:
        (..., mel_bins, samples // 160) float32, one column per 10 ms.
    """
    with torch.autocast(waveform.device.type, enabled=False):
        return _log_mel(waveform.float(), mel_bins)


def _log_mel(waveform: Tensor, mel_bins: int) -> Tensor:
    window = torch.hann_window(FFT_SAMPLES, device=waveform.device)
    spectrum = torch.stft(
        waveform, FFT_SAMPLES, HOP_SAMPLES, window=window, pad_mode="reflect", return_complex=True
    )
    power = (spectrum[..., :-1].abs() ** 2).contiguous()
    filters = torch.from_numpy(_mel_filters(mel_bins)).to(waveform.device, torch.float32)
    log_power = (filters @ power).clamp(min=FLOOR).log10()
    loudest = log_power.amax(dim=(-2, -1), keepdim=True)
    return (torch.maximum(log_power, loudest - DYNAMIC_RANGE) + 4.0) / 4.0


@lru_cache
def _mel_filters(mel_bins: int) -> np.ndarray:
    """Slaney's triangular filters from 0 to 8 kHz, (mel_bins, 201) float64."""
    filters: np.ndarray = mel_filter_bank(
        num_frequency_bins=FFT_SAMPLES // 2 + 1,
        num_mel_filters=mel_bins,
        min_frequency=0.0,
        max_frequency=SAMPLE_RATE / 2,
        sampling_rate=SAMPLE_RATE,
        norm="slaney",
        mel_scale="slaney",
    )
    return filters.T.copy()
