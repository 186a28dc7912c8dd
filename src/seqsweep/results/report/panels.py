"""The plot of a score over the values of a key, as plain values of a report."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Point:
    """The score at one value of an axis; low and high are the smallest and the largest."""

    x: Any
    mean: float
    low: float
    high: float
    n: int


@dataclass(frozen=True)
class Line:
    """The points of one setting of the other keys; lines of one group share their colour."""

    label: str
    group: int
    style: int
    points: list[Point]


@dataclass(frozen=True)
class Panel:
    label: str
    lines: list[Line]


@dataclass(frozen=True)
class Axis:
    """The score along one swept key.

    Args:
        numeric, log: how its values are laid out.
        joined: neighbours on a line differ in this key alone.
        averaged: keys over which each point is a mean.
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
        """True if the points of a line are means over different combinations of other keys."""
        lines = [line for panel in self.panels for line in panel.lines]
        return bool(self.averaged) and any(len({p.n for p in line.points}) > 1 for line in lines)
