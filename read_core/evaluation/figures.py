"""Turn figures into table cells and means. Figures are frozen dataclasses whose fields name columns."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import field, fields
from typing import TYPE_CHECKING, Any, TypeVar

from .metrics.intervals import Estimate

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Cell = str | int | float
Value = float | Estimate
"""A figure with or without an interval."""
T = TypeVar("T", bound="DataclassInstance")

INTERVAL = "95 %"


def column(title: str, interval: str = "") -> Any:
    """A field of a dataclass of figures that is a column of a table.

    Args:
        title: of the column.
        interval: title of a second column for the interval of an :class:`Estimate`; without one the interval
            stands in brackets after the value.
    """
    return field(metadata={"titles": (title, interval) if interval else (title,)})


def part(kind: type[DataclassInstance]) -> Any:
    """A field that holds figures of another ``kind``: its columns take this place."""
    return field(metadata={"part": kind})


def columns_of(kind: type[DataclassInstance]) -> tuple[str, ...]:
    """The titles of the columns of a kind of figures; fields without a title have none."""
    titles: list[str] = []
    for each in fields(kind):
        inner = each.metadata.get("part")
        titles += each.metadata.get("titles", ()) if inner is None else columns_of(inner)
    return tuple(titles)


def cells_of(figures: DataclassInstance) -> tuple[Cell, ...]:
    """The cells of the columns of :func:`columns_of`."""
    cells: list[Cell] = []
    for each in fields(figures):
        value, titles = getattr(figures, each.name), each.metadata.get("titles", ())
        if "part" in each.metadata:
            cells += cells_of(value)
        elif len(titles) == 2:
            cells += (value.value, value.interval)
        elif titles:
            cells.append(str(value) if isinstance(value, Estimate) else value)
    return tuple(cells)


def number(value: Value) -> float:
    """A figure without its interval."""
    return value.value if isinstance(value, Estimate) else value


def mean(values: Iterable[float]) -> float:
    """Mean of the values that are not NaN; NaN if there are none."""
    real = [value for value in values if value == value]  # noqa: PLR0124
    return sum(real) / len(real) if real else float("nan")


def mean_figures(every: Sequence[T]) -> T:
    """Figures of the same kind, one or more: the mean of every field, see :func:`mean`."""
    kind = type(every[0])
    return kind(*(mean(getattr(one, each.name) for one in every) for each in fields(kind)))
