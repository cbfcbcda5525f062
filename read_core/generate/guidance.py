"""Build a guidance from a name and scales. Missing ones come from the checkpoint."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import InputError

if TYPE_CHECKING:
    from ..ans import Guidance


def choose_guidance(default: Guidance, kind: str | None, alpha: float | None, beta: float | None) -> Guidance:
    """The chosen guidance; missing scales come from the default, see ``read_core.ans.of_kind``.

    Raises:
        InputError: a scale is out of range, or this kind of guidance does not have it.
    """
    from ..ans import guidance_from_dict, of_kind

    scales = of_kind(kind or default.kind, default).to_dict()
    kind = scales["kind"]
    for name, value in (("alpha", alpha), ("beta", beta)):
        if value is not None and name not in scales:
            raise InputError(f"--{name} is {value:g}, but {kind} guidance has no {name}; leave it out")
        if value is not None:
            scales[name] = value
    return guidance_from_dict(scales)
