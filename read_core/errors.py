"""The errors a user can cause. Each message says what was found, what was expected and what to do.

They give the package as their module: hosts show that name in front of the message, and a long path hides the
sentence.
"""


class ReadError(ValueError):
    """Base of every error that bad input causes; the command line shows its text alone and exits with 2."""

    __module__ = "read_core"


class MediaError(ReadError):
    """A file that cannot be read as an image, audio or video, or an output that cannot be written."""

    __module__ = "read_core"


class InputError(ReadError):
    """A value out of range: a window, a number of steps, a scale, a size, an empty or non-finite tensor."""

    __module__ = "read_core"


class CheckpointError(ReadError):
    """A checkpoint folder that is missing, incomplete, foreign or unsafe."""

    __module__ = "read_core"


class ReadWarning(UserWarning):
    """Something that works but probably is not meant: silent audio, a window other than the trained one."""

    __module__ = "read_core"
