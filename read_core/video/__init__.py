"""The temporal VAE (eq. 4): portraits and videos to latents and back."""

from __future__ import annotations

from .aligned import AlignedAutoencoder
from .vae import DecodeSettings, TemporalVAE

__all__ = ["AlignedAutoencoder", "DecodeSettings", "TemporalVAE"]
