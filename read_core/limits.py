"""Smallest and largest values that a user may choose, for the library, the command line and the nodes.

Only the standard library is imported, so that reading a limit costs nothing.
"""

from __future__ import annotations

from numbers import Real
from typing import Any, Literal, NamedTuple, get_args


class Limits(NamedTuple):
    """The smallest and the largest allowed value. As text: ``3 to 64``."""

    least: int
    largest: int

    def __contains__(self, value: Any) -> bool:
        is_number = isinstance(value, Real)
        return is_number and bool(self.least <= value <= self.largest)

    def __str__(self) -> str:
        return f"{self.least} to {self.largest}"


STEPS = Limits(1, 100)  # updates per clip
WINDOW = Limits(3, 64)  # latents per clip, z_R included
SEED = Limits(0, 2**64 - 1)
ALPHA = Limits(-10, 20)  # of the reference, or of both conditions
BETA = Limits(0, 20)  # of the speech
GUIDANCE_END = Limits(0, 1)  # share of the way from noise to data; 1: all of it is guided
SIZE = Limits(64, 2048)  # pixels per side of the model's frames; multiples of 32
OUTPUT_SIZE = Limits(64, 4096)  # pixels of the longest side of a result
FILE_SIZE = Limits(2, 8192)  # pixels of a side of a video file; even
CRF = Limits(0, 51)  # constant rate factor of x264
FACE_SIZE = Limits(0, 4)  # side of a face's square as a fraction of the picture's width; 0: it is found
PASTED_SIDE = 1920  # longest side in pixels of a picture after paste-back, if no size is chosen
PORTRAIT_SIDE = 1024  # longest side in pixels of the portrait kept for its detail

Order = Literal["clips", "steps", "wavefront"]
ORDERS: tuple[Order, ...] = get_args(Order)
"""Orders in which the cells of Algorithm 1 are computed, the default first."""
DTYPES = ("float32", "float16", "bfloat16")
"""Types in which models run."""
ATTENTION_HELP = (
    "backend of attention as diffusers names it: native, flash, sage, xformers, _native_cudnn, ...; most "
    "need a package (default: PyTorch's)"
)

FACE = "face"
PLAIN_FITS = ("crop", "pad", "stretch")
FITS = (FACE, *PLAIN_FITS)
"""Ways to bring a picture to the model's size; the plain ones do not search a face."""
