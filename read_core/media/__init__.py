"""Read and write images, audio and video with PyAV and Pillow; no ffmpeg program is needed."""

from __future__ import annotations

from ..pictures import as_bytes
from .audio import AudioTrack, file_track, read_audio, read_track, resample, waveform_track
from .files import check_output
from .images import fit_image, opaque, read_image
from .video import VideoWriter

__all__ = [
    "AudioTrack",
    "VideoWriter",
    "as_bytes",
    "check_output",
    "file_track",
    "fit_image",
    "opaque",
    "read_audio",
    "read_image",
    "read_track",
    "resample",
    "waveform_track",
]
