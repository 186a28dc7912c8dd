"""Chooses the x axis, lines and panels of the plot of the score."""

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from seqsweep.results.effects import Effect
from seqsweep.results.formatting import run_label
from seqsweep.results.grouping import group_by
from seqsweep.results.leaderboard import DATA
from seqsweep.results.report.findings import Config, distinct_values
from seqsweep.runs.identity import is_number
from seqsweep.runs.ledger import value_key

MOST_LINES = 8
MOST_PANELS = 6
_LINES_FIRST = ("model.num_layers", "model.bidirectional")
_WIDE = 4
"""An axis is logarithmic if its largest value is at least this many times the smallest."""

_MOST_DASHES = 4
"""The number of kinds of dashes that a reader can distinguish."""


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


def choose_axis(
    configs: Sequence[Config], effects: Sequence[Effect], keys: Sequence[str], names: dict[str, str]
) -> Axis | None:
    """The plot of the score along one key, with lines and panels.

    Args:
        configs: The configs that have a score.
        keys: The keys that distinguish them.
    """
    if not keys or len(configs) < 2:
        return None
    # The order of values is that of the effects' table, if the key has an effect.
    orders = {effect.key: effect.values for effect in effects}
    values = {key: orders.get(key) or _ordered(key, configs) for key in keys}
    key = _x_key(values)
    lines, panels, averaged = _divide(key, values, effects)
    drawn = [
        Panel(
            run_label(group[0].keys, {k: names[k] for k in panels}),
            _lines(group, key, lines, values, names),
        )
        for group in _group(configs, panels, values)
    ]
    numeric = all(map(is_number, values[key]))
    log = numeric and min(values[key]) > 0 and max(values[key]) >= _WIDE * min(values[key])
    # Without a common setting, as in a random search, no two points belong on a line.
    points = _points(configs, [key, *lines, *panels])
    joined = numeric and not (averaged and all(len(point) == 1 for point in points.values()))
    return Axis(key, values[key], numeric, log, joined, averaged, drawn)


def _x_key(values: Mapping[str, list[Any]]) -> str:
    """The key of the x axis.

    It is hidden_size if that is swept, else the numeric key with most values, else any other.
    """
    numeric = [key for key in values if all(map(is_number, values[key]))]
    if "model.hidden_size" in numeric:
        return "model.hidden_size"
    return max(numeric or values, key=lambda key: len(values[key]))


def _divide(
    key: str, values: Mapping[str, list[Any]], effects: Sequence[Effect]
) -> tuple[list[str], list[str], list[str]]:
    """Divides the other keys into lines, panels and averaged keys, the largest effects first."""
    share = {effect.key: effect.share or 0.0 for effect in effects}
    order = {name: index for index, name in enumerate(_LINES_FIRST)}
    others = [other for other in values if other != key]
    others.sort(key=lambda k: (order.get(k, len(order)), -share.get(k, 0.0)))
    lines, rest = _take(others, values, MOST_LINES)
    panels, averaged = _take(rest, values, MOST_PANELS)
    return lines, panels, averaged


def _take(
    keys: Sequence[str], values: Mapping[str, list[Any]], most: int
) -> tuple[list[str], list[str]]:
    """Takes keys one after another while they have at most `most` settings together."""
    taken: list[str] = []
    for key in keys:
        if math.prod(len(values[other]) for other in [*taken, key]) <= most:
            taken.append(key)
    return taken, [key for key in keys if key not in taken]


def _group(
    configs: Sequence[Config], keys: Sequence[str], values: Mapping[str, list[Any]]
) -> list[list[Config]]:
    """The configs by their setting of the keys, in the order of the values."""
    points = _points(configs, keys)
    order = itertools.product(*(map(value_key, values[key]) for key in keys))
    return [points[point] for point in order if point in points]


def _lines(
    configs: Sequence[Config],
    key: str,
    keys: Sequence[str],
    values: Mapping[str, list[Any]],
    names: Mapping[str, str],
) -> list[Line]:
    """A line per setting of the keys.

    The first key decides its colour, the others its dashes.
    """
    first = [value_key(value) for value in values[keys[0]]] if keys else []
    others = list(itertools.product(*(map(value_key, values[k]) for k in keys[1:])))
    lines: list[Line] = []
    for index, group in enumerate(_group(configs, keys, values)):
        setting = [value_key(group[0].keys.get(k)) for k in keys]
        if len(others) > _MOST_DASHES:  # a colour for each line
            colour, style = index, 0
        else:
            colour = first.index(setting[0]) if keys else 0
            style = others.index(tuple(setting[1:]))
        points = _points(group, [key])
        drawn = [
            _point(value, points[(value_key(value),)])
            for value in values[key]
            if (value_key(value),) in points
        ]
        label = run_label(group[0].keys, {k: names[k] for k in keys})
        lines.append(Line(label, colour, style, drawn))
    return lines


def _points(configs: Sequence[Config], keys: Sequence[str]) -> dict[tuple[str, ...], list[Config]]:
    """The configs by their values of the keys."""
    return group_by(configs, lambda c: tuple(value_key(c.keys.get(key)) for key in keys))


def _point(x: Any, configs: Sequence[Config]) -> Point:
    """One config over its seeds, or the mean and range of several configs' means."""
    samples = [[value for _, value in config.scores] for config in configs]
    means = [math.fsum(sample) / len(sample) for sample in samples]
    # The range of one config is over its seeds, that of several is over their means.
    values = samples[0] if len(samples) == 1 else means
    return Point(x, math.fsum(means) / len(means), min(values), max(values), len(values))


def _ordered(key: str, configs: Sequence[Config]) -> list[Any]:
    values = list(distinct_values(key, [config.keys for config in configs]).values())
    return sorted(values) if all(map(is_number, values)) else values


def keys_of_other_sets(configs: Sequence[Config]) -> list[str]:
    """The keys of the data whose values all have different validation and test sets.

    The scores at two of its values are scores of different sequences.
    """
    result: list[str] = []
    for key in dict.fromkeys(key for config in configs for key in config.keys):
        if key.partition(".")[0] != DATA:
            continue
        # The sets of sequences at each value of the key.
        groups = _points(configs, [key]).values()
        sets = [{config.data for config in group} for group in groups]
        # No set occurs at two values if the union has as many sets as all values together.
        if len(sets) > 1 and sum(map(len, sets)) == len(set[str]().union(*sets)):
            result.append(key)
    return result
