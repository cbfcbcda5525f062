"""Find the videos of a folder, and the people in them by their file names."""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass
from pathlib import Path

from ..errors import MediaError
from ..weights.origin import checksum

SUFFIXES = ("avi", "flv", "m4v", "mkv", "mov", "mp4", "mpeg", "mpg", "mts", "ogv", "ts", "webm", "wmv")
_CLIP = re.compile(r"_\d+$")  # HDTF: WDA_BarackObama_000.mp4
_PERSON = re.compile(r"^[MW]\d{3}$")  # MEAD: M003/video/front/happy/level_1/001.mp4


@dataclass(frozen=True)
class Source:
    """One video.

    Attributes:
        path: of the file.
        name: its path below the folder of the footage.
        identity: who is in it; "": the layout does not tell.
    """

    path: Path
    name: str
    identity: str = ""

    @property
    def key(self) -> str:
        """A folder name that is unique to this video."""
        digest = hashlib.sha256(os.fsencode(self.name)).hexdigest()[:8]
        return f"{re.sub(r'[^A-Za-z0-9_-]+', '-', Path(self.name).stem)[:40]}-{digest}"

    def state(self) -> list[int]:
        """Size and time of change, by which a file that was replaced is recognized."""
        stat = self.path.stat()
        return [stat.st_size, stat.st_mtime_ns]

    def sha256(self) -> str:
        """Of the file's content, by which a copy with another time of change is recognized."""
        return checksum([self.path])


def find_sources(videos: Path, layout: str) -> list[Source]:
    """All videos below a folder, or one file; nothing hidden.

    Raises:
        MediaError: there is none, or the layout is another.
    """
    if videos.is_file():
        return [Source(videos, videos.name, _identity(Path(videos.name), layout))]
    if not videos.is_dir():
        raise MediaError(f"{videos}: no such folder; expected videos ({', '.join(SUFFIXES)})")
    found = []
    for path in sorted(videos.rglob("*")):
        below = path.relative_to(videos)
        hidden = any(part.startswith(".") for part in below.parts)
        if path.suffix[1:].lower() in SUFFIXES and not hidden and path.is_file():
            found.append(Source(path, below.as_posix(), _identity(below, layout)))
    if not found:
        raise MediaError(f"{videos} holds no videos; expected files that end in {', '.join(SUFFIXES)}")
    unnamed = [source.name for source in found if layout != "plain" and not source.identity]
    if unnamed:
        raise MediaError(
            f"the names of {len(unnamed)} of {len(found)} videos do not fit the layout {layout}, such as "
            f"{unnamed[0]}; rename them, or use --layout plain"
        )
    return found


def _identity(below: Path, layout: str) -> str:
    """Who is in a video, by its path below the folder."""
    if layout == "hdtf":
        return _CLIP.sub("", below.stem) if _CLIP.search(below.stem) else ""
    if layout == "mead":
        return next((part for part in below.parts[:-1] if _PERSON.match(part)), "")
    return ""
