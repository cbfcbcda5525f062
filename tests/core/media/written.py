"""Frames and sound for files, and what a file holds."""

from __future__ import annotations

import av
import torch

SIZE = (64, 96)


def ramp(start, count):
    """(count, 64, 96, 3): a bright bar that moves one pixel per frame over a colored ground."""
    frames = torch.zeros(count, *SIZE, 3)
    frames[..., :] = torch.tensor([0.7, 0.3, 0.2])
    for index in range(count):
        frames[index, :, (start + index) % 96] = 1.0
    return frames


def tone(samples, rate, channels=1):
    wave = 0.5 * torch.sin(2 * torch.pi * 440 * torch.arange(samples) / rate)
    return wave.repeat(channels, 1)


def streams(path):
    """Frames, seconds of picture and of sound as the file's index states them, and the tags."""
    with av.open(str(path)) as container:
        video = container.streams.video[0]
        sound = container.streams.audio[0] if container.streams.audio else None
        return {
            "frames": sum(1 for _ in container.decode(video=0)),
            "rate": video.average_rate,
            "codecs": tuple(stream.codec_context.name for stream in container.streams),
            "picture": video.duration * video.time_base,
            "sound": sound and sound.duration * sound.time_base,
            "audio": sound and (sound.rate, sound.channels),
            "start": min(stream.start_time * stream.time_base for stream in container.streams),
            "tags": dict(container.metadata),
        }


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def write_and_raise(writer, counts, error):
    """Write as many frames as ``counts`` says, piece by piece, then raise ``error`` inside the block."""
    with writer:
        for index, count in enumerate(counts):
            writer.write(ramp(sum(counts[:index]), count))
        raise error
