"""Open input files safely, and check output files before any work is done."""

from __future__ import annotations

import errno
import os
import re
import secrets
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import av

from ..errors import MediaError

# Demuxers that "open" plain text or follow links to other files: never a portrait or a recording.
_REFUSED_FORMATS = {"tty", "hls", "concat", "ffmetadata", "srt", "webvtt", "ass", "dash", "sdp"}
_NAME_BYTES = 255  # longest file name in bytes on nearly all systems
DISK_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_MANY = 99  # most partial files with one name


def check_input(path: str | os.PathLike[str], what: str) -> Path:
    """Return ``path`` if it is a readable, non-empty file.

    Args:
        path: the file.
        what: expected kind with its article ("an image"), for the message.

    Raises:
        MediaError: the file does not exist, is a folder, a pipe or empty, or may not be read.
    """
    path = Path(path)
    if not _exists(path):
        raise MediaError(f"{path}: no such file; expected {what}")
    if path.is_dir():
        raise MediaError(f"{path} is a folder; expected {what}")
    if not path.is_file():
        raise MediaError(f"{path} is a pipe or a device; expected {what}, saved as a file")
    if not os.access(path, os.R_OK):
        raise MediaError(f"{path}: no permission to read it; expected {what}")
    if path.stat().st_size == 0:
        raise MediaError(f"{path} is an empty file; expected {what}")
    return path


def open_input(path: str | os.PathLike[str], what: str) -> Any:
    """Open a file with PyAV, restricted to local files: a playlist in it cannot fetch anything.

    Raises:
        MediaError: the file is missing, unreadable or in a format unknown to PyAV.
    """
    path = check_input(path, what)
    try:
        container = av.open(f"file:{path}", options={"protocol_whitelist": "file"}, metadata_errors="ignore")
    except (av.error.FFmpegError, ValueError) as error:
        raise MediaError(
            f"{path} is in no format that PyAV opens ({reason(error)}); expected {what}"
        ) from error
    if set(container.format.name.split(",")) & _REFUSED_FORMATS:
        container.close()
        raise MediaError(
            f"{path} is a {container.format.long_name or container.format.name}; expected {what}"
        )
    return container


def check_output(
    path: str | os.PathLike[str],
    suffix: str,
    overwrite: bool = False,
    inputs: Iterable[str | os.PathLike[str]] = (),
) -> Path:
    """Return ``path`` if a ``suffix`` file can be written there without replacing one of ``inputs``.

    Raises:
        MediaError: the suffix is wrong, the folder is missing or read-only, the name is too long, the file is
            one of the inputs, or it exists and ``overwrite`` is false.
    """
    path = Path(path)
    if path.suffix.lower() != suffix:
        found = f"ends in {path.suffix!r}" if path.suffix else "has no suffix"
        raise MediaError(f"{path} {found}; expected a name that ends in {suffix!r}")
    if not _exists(path.parent) or not path.parent.is_dir():
        raise MediaError(f"{path}: the folder {path.parent} does not exist; make it first")
    if not os.access(path.parent, os.W_OK):
        raise MediaError(f"{path}: no permission to write into {path.parent}")
    _check_name(path, partial_beside(path, _MANY).name if suffix == ".mp4" else path.name)
    if not _exists(path):
        return path
    if path.is_dir():
        raise MediaError(f"{path} is a folder; expected the name of a file to write")
    if any(path.samefile(source) for source in inputs):
        raise MediaError(f"{path} is also an input and would be overwritten; choose another name")
    if not overwrite:
        raise MediaError(f"{path} exists; choose another name or allow overwriting (--overwrite)")
    return path


def _exists(path: Path) -> bool:
    """Whether a file exists; unlike Path.exists, never raises."""
    return os.access(path, os.F_OK)


def _check_name(path: Path, longest: str) -> None:
    """Refuse a name whose longest form, ``longest``, does not fit the file system."""
    limit = os.pathconf(path.parent, "PC_NAME_MAX") if hasattr(os, "pathconf") else _NAME_BYTES
    excess = len(os.fsencode(longest)) - limit
    if excess > 0:
        raise MediaError(
            f"{path}: name too long by {excess} of {len(os.fsencode(path.name))} bytes "
            f"(room for {longest.removeprefix(path.stem)!r} is needed); choose a shorter one"
        )


def partial_beside(target: Path, number: int = 1) -> Path:
    """Path of a video while it is being written: partial file number ``number``."""
    return target.with_name(f"{target.stem}.partial{'' if number == 1 else f'-{number}'}.mp4")


def temporary_beside(path: Path) -> Path:
    """A short hidden name in the folder of ``path``: the finished file can just be renamed."""
    return path.with_name(f".{secrets.token_hex(4)}.tmp")


@contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """A temporary path beside ``path``: renamed to it at the end of the block, removed after an error.

    Raises:
        MediaError: the file cannot be written; the message says whether the disk is full.
    """
    temporary = temporary_beside(path)
    try:
        yield temporary
        temporary.replace(path)
    except OSError as error:
        raise write_error(path, error) from error
    finally:
        temporary.unlink(missing_ok=True)


def write_error(path: Path, error: BaseException, kept: Path | None = None) -> MediaError:
    """The error for a failed write of ``path``; ``kept`` is the file with the finished part, or None."""
    rest = "nothing was kept" if kept is None else f"the finished part is {kept}"
    if disk_full(error):
        return MediaError(
            f"{path}: out of disk space in {path.parent} ({reason(error)}); {rest}, "
            "free some space or write elsewhere"
        )
    return MediaError(f"{path}: cannot be written ({reason(error)}); {rest}")


def disk_full(error: BaseException) -> bool:
    """Whether an error says that the disk is full; safetensors and PyTorch have their own types for it."""
    if isinstance(error, OSError):
        return error.errno in DISK_FULL
    number = re.search(r"\(os error (\d+)\)", str(error))
    full = number is not None and int(number[1]) in DISK_FULL
    return full or "PytorchStreamWriter failed writing" in str(error)


def reason(error: BaseException) -> str:
    """The text of an error in one line, without numbers and file names."""
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return " ".join(str(text).split())
