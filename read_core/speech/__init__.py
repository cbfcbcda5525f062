"""Whisper features (eq. 5) and the SpeechAE that compresses them (eq. 6), over whole recordings."""

from .average_pool import AveragePool
from .encode import encode_speech_codes
from .features import WhisperFeatures, load_whisper_encoder
from .log_mel import log_mel
from .speech_ae import SpeechAE

__all__ = [
    "AveragePool",
    "SpeechAE",
    "WhisperFeatures",
    "encode_speech_codes",
    "load_whisper_encoder",
    "log_mel",
]
