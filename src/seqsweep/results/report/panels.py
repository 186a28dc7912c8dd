"""The plot of a score over the values of a key, as plain values."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Point:
    """The mean, smallest and largest score at one value of an axis."""

    x: Any
    mean: float
    low: float
    high: float
    n: int


@dataclass(frozen=True)
class Line:
    """The points for one setting of the other keys; the group is its colour."""

    label: str
    group: int
    style: int
    points: list[Point]


@dataclass(frozen=True)
class Panel:
    """The lines for one setting of the keys that divide the plot into panels."""

    label: str
    lines: list[Line]


@dataclass(frozen=True)
class Axis:
    """The score along one swept key.

    Args:
        numeric: The values are numbers on a scale, not words side by side.
        log: The scale is logarithmic.
        joined: Neighbours on a line differ only in this key.
        averaged: The keys over which each point is a mean.
    """

    key: str
    values: list[Any]
    numeric: bool
    log: bool
    joined: bool
    averaged: list[str]
    panels: list[Panel]

    @property
    def is_uneven(self) -> bool:
        """Returns whether points of a line are means over different combinations of keys."""
        lines = [line for panel in self.panels for line in panel.lines]
        return bool(self.averaged) and any(len({p.n for p in line.points}) > 1 for line in lines)
