"""Fragmented MP4, which can be played while it is written, and its conversion to an ordinary one."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import IO

import av

_WHILE_WRITTEN = "frag_keyframe+delay_moov+default_base_moof"
_FRAGMENT_SECONDS = 0.5  # at most; so a page that plays the file while it grows is hardly behind
_FINISHED = "faststart"
_ANY_TAGS = "+use_metadata_tags"  # without it MP4 keeps only known tags
_KNOWN_TAGS = {"title", "comment"}
_HEAD, _LONG_HEAD = 8, 16  # bytes of a box's size and name


def fragment_options(metadata: Mapping[str, str]) -> dict[str, str]:
    """Options of PyAV for a fragmented MP4 with these tags."""
    return _options(_WHILE_WRITTEN, metadata) | {"frag_duration": str(int(1e6 * _FRAGMENT_SECONDS))}


def remux(source: Path, target: Path, metadata: Mapping[str, str]) -> None:
    """Copy the streams of a fragmented MP4 into an ordinary one with its index first, without re-encoding."""
    with (
        av.open(f"file:{source}") as old,
        av.open(f"file:{target}", "w", format="mp4", options=_options(_FINISHED, metadata)) as new,
    ):
        new.metadata.update(metadata)
        streams = {stream.index: new.add_stream_from_template(stream) for stream in old.streams}
        for packet in old.demux():
            if packet.dts is not None:
                packet.stream = streams[packet.stream.index]
                new.mux(packet)


def cut_to_whole(path: Path) -> int:
    """Cut a fragmented MP4 that ends anywhere behind its last whole fragment.

    Returns:
        The number of its frames; 0 if no fragment is whole. The file is unchanged then.
    """
    with path.open("rb+") as file:
        end = _end_of_fragments(file)
        if not end:
            return 0
        file.truncate(end)
    with av.open(f"file:{path}") as video:
        return sum(packet.size > 0 for packet in video.demux(video=0))


def _end_of_fragments(file: IO[bytes]) -> int:
    """Where the last whole ``mdat`` ends: a fragment is a ``moof`` and its ``mdat``. 0: there is none."""
    length, at, end = file.seek(0, 2), 0, 0
    while at + _HEAD <= length:
        file.seek(at)
        head = file.read(_LONG_HEAD)
        size = int.from_bytes(head[:4], "big")
        if size == 1:
            size = int.from_bytes(head[8:], "big")
        at += size
        if size < _HEAD or at > length:
            break
        if head[4:8] == b"mdat":
            end = at
    return end


def _options(movflags: str, metadata: Mapping[str, str]) -> dict[str, str]:
    return {"movflags": movflags + (_ANY_TAGS if set(metadata) - _KNOWN_TAGS else "")}
