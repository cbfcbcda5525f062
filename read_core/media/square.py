"""Frames of a video as RGB with square pixels, in the colors that the file means."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise
from typing import Any

import av
from numpy.typing import NDArray

_MATRICES = {1: "bt709", 5: "bt601", 6: "bt601", 9: "bt2020"}  # by the number that a video's frame carries
_ASPECTS = (1 / 16, 16)


class SquarePixels:
    """Converts frames of pixels ``aspect`` times as wide as high to RGB with square ones, none of them lost.

    Args:
        aspect: None or 0: square already.
        pixel_format: ``rgb24`` or ``rgb48le``.
    """

    def __init__(self, aspect: Fraction | None, pixel_format: str = "rgb24") -> None:
        self.aspect, self.pixel_format = aspect, pixel_format
        self._form: tuple[Any, ...] = ()
        self._graph: Any = None

    def __call__(self, frame: Any) -> NDArray[Any]:
        """(height, width, 3), as it is stored: not yet turned upright."""
        form = (frame.width, frame.height, frame.format.name, int(frame.colorspace))
        if form != self._form:  # a stream may change its size half way
            self._form, self._graph = form, self._made(frame)
        self._graph.push(frame)
        values: NDArray[Any] = self._graph.pull().to_ndarray()
        return values

    def _made(self, frame: Any) -> Any:
        # A filter, since PyAV's own conversion heeds the frame's color standard in its newest versions only.
        width, height = frame.width, frame.height
        if self.aspect and self.aspect > 1 and self.aspect <= _ASPECTS[1]:
            width = round(width * self.aspect)
        elif self.aspect and _ASPECTS[0] <= self.aspect:
            height = round(height / self.aspect)
        graph = av.filter.Graph()
        matrix = _MATRICES.get(int(frame.colorspace), "auto")
        chain = [
            graph.add_buffer(
                width=frame.width, height=frame.height, format=frame.format, time_base=Fraction(1, 25)
            ),
            graph.add("scale", f"{width}:{height}:flags=bicubic+accurate_rnd:in_color_matrix={matrix}"),
            graph.add("format", self.pixel_format),
            graph.add("buffersink"),
        ]
        for first, second in pairwise(chain):
            first.link_to(second)
        graph.configure()
        return graph
