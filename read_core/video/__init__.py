"""The temporal VAE (eq. 4): portraits and videos to latents and back."""

from __future__ import annotations

from .vae import DecodeSettings, TemporalVAE

__all__ = ["DecodeSettings", "TemporalVAE"]
