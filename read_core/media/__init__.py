"""Images, audio and video in and out, by PyAV and Pillow alone; no ffmpeg program is needed."""

from __future__ import annotations

from .audio import AudioTrack, file_track, read_audio, resample, waveform_track
from .files import check_output
from .images import FITS, MAX_SIZE, MIN_SIZE, check_size, fit_image, read_image
from .video import VideoWriter

__all__ = [
    "FITS",
    "MAX_SIZE",
    "MIN_SIZE",
    "AudioTrack",
    "VideoWriter",
    "check_output",
    "check_size",
    "file_track",
    "fit_image",
    "read_audio",
    "read_image",
    "resample",
    "waveform_track",
]
