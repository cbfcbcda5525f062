"""Whisper features (eq. 5) and the SpeechAE that compresses them (eq. 6), over whole recordings."""

from .average_pool import AveragePool
from .encode import encode_speech_codes
from .encoder import SpeechEncoder
from .features import WhisperFeatures, load_whisper_encoder
from .linear_projection import LinearProjection
from .log_mel import log_mel
from .speech_ae import SpeechAE

__all__ = [
    "AveragePool",
    "LinearProjection",
    "SpeechAE",
    "SpeechEncoder",
    "WhisperFeatures",
    "encode_speech_codes",
    "load_whisper_encoder",
    "log_mel",
]
