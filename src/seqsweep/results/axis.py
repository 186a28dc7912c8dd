"""Chooses the key to plot the score against, and computes the points of the plot."""

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from seqsweep.results.data_sets import group_by
from seqsweep.results.effects import Effect, distinct_values
from seqsweep.results.formatting import KeyNames, run_label
from seqsweep.results.keys import DATA
from seqsweep.results.leaderboard import Leaderboard
from seqsweep.results.rows import Row
from seqsweep.results.significance import Estimate, mean_of
from seqsweep.runs.identity import is_number
from seqsweep.runs.ledger import value_key
from seqsweep.runs.metrics import Metric

MOST_LINES = 8
"""The most lines of a plot: eight colours for the values of one key, four dashes for other keys."""

_LINES_FIRST = ("model.num_layers", "model.bidirectional")
_WIDE = 4
"""An axis is logarithmic if its largest value is at least this many times the smallest."""


@dataclass(frozen=True)
class Point:
    """The mean score at one value of an axis.

    Args:
        estimate: The mean over a config's replicates; over several configs, the mean of their means
            without an interval.
    """

    x: Any
    estimate: Estimate


@dataclass(frozen=True)
class Line:
    """The points for one setting of the keys that distinguish the lines.

    `group` is the index of the colour and the symbol, `style` is the index of the dashes.
    """

    label: str
    group: int
    style: int
    points: list[Point]


@dataclass(frozen=True)
class Axis:
    """A plot of the score against one swept key.

    Args:
        numeric: Whether the values are numbers on a scale. Otherwise they are words side by side.
        log: Whether the scale is logarithmic.
        joined: Whether lines join the points, because neighbours differ only in this key.
        averaged: The keys over which each point is a mean.
    """

    key: str
    values: list[Any]
    numeric: bool
    log: bool
    joined: bool
    averaged: list[str]
    lines: list[Line]

    @property
    def is_uneven(self) -> bool:
        """Returns whether points of a line are means over different combinations."""
        counts = [{point.estimate.n for point in line.points} for line in self.lines]
        return bool(self.averaged) and any(len(numbers) > 1 for numbers in counts)


def choose_axis(rows: Sequence[Row], board: Leaderboard, names: KeyNames) -> Axis | None:
    """Chooses the key to plot the score of the rows against, and the plot's lines."""
    keys, effects = board.telling_keys, board.effects
    if not keys or len(rows) < 2:
        return None
    # The values have the order of the effects' table, if the key has an effect.
    orders = {effect.key: effect.values for effect in effects}
    values = {key: orders.get(key) or _ordered(key, rows) for key in keys}
    numeric_keys = [key for key in keys if all(map(is_number, values[key]))]
    key = max(numeric_keys or keys, key=lambda key: len(values[key]))
    if "model.hidden_size" in numeric_keys:
        key = "model.hidden_size"
    divided, averaged = _divide(key, values, effects)
    lines = _lines(rows, key, divided, values, names, board.compared)
    numeric = key in numeric_keys
    log = numeric and min(values[key]) > 0 and max(values[key]) >= _WIDE * min(values[key])
    # In a random search no two configs share a setting, so no two points belong on a line.
    points = _points(rows, [key, *divided]).values()
    joined = numeric and not (averaged and all(len(point) == 1 for point in points))
    return Axis(key, values[key], numeric, log, joined, averaged, lines)


def _divide(
    key: str, values: Mapping[str, list[Any]], effects: Sequence[Effect]
) -> tuple[list[str], list[str]]:
    """Divides the other keys: some distinguish lines, the rest are averaged."""
    share = {effect.key: effect.share or 0.0 for effect in effects}
    order = {name: index for index, name in enumerate(_LINES_FIRST)}
    others = [other for other in values if other != key and len(values[other]) > 1]
    others.sort(key=lambda k: (order.get(k, len(order)), -share.get(k, 0.0)))
    taken: list[str] = []
    for other in others:
        if math.prod(len(values[k]) for k in [*taken, other]) <= MOST_LINES:
            taken.append(other)
    return taken, [other for other in others if other not in taken]


def _lines(
    rows: Sequence[Row],
    key: str,
    keys: Sequence[str],
    values: Mapping[str, list[Any]],
    names: KeyNames,
    score: Metric,
) -> list[Line]:
    """Returns a line for each setting of the keys.

    The first key decides the colour of a line, the other keys decide its dashes.
    """
    groups = _points(rows, keys)
    orders = [list(map(value_key, values[other])) for other in keys]
    styles = list(itertools.product(*orders[1:]))
    lines: list[Line] = []
    for setting in itertools.product(*orders):
        if drawn := groups.get(setting):
            at_values = _points(drawn, [key])
            pairs = [(value, at_values.get((value_key(value),))) for value in values[key]]
            points = [_point(value, configs, score) for value, configs in pairs if configs]
            group = orders[0].index(setting[0]) if keys else 0
            label = run_label(drawn[0].config, names, keys)
            lines.append(Line(label, group, styles.index(setting[1:]), points))
    return lines


def _points(rows: Iterable[Row], keys: Sequence[str]) -> dict[tuple[str, ...], list[Row]]:
    """Groups the configs by their values of the keys."""
    return group_by(rows, lambda row: tuple(value_key(row.config.get(key)) for key in keys))


def _point(x: Any, rows: Sequence[Row], score: Metric) -> Point:
    estimates = [row.metrics[score] for row in rows]
    if len(estimates) == 1:
        return Point(x, estimates[0])
    return Point(x, Estimate(len(estimates), mean_of(each.mean for each in estimates)))


def _ordered(key: str, rows: Sequence[Row]) -> list[Any]:
    values = list(distinct_values(key, [row.config for row in rows]).values())
    return sorted(values) if all(map(is_number, values)) else values


def keys_of_other_sets(rows: Sequence[Row]) -> list[str]:
    """Returns the data keys whose values all have different evaluation sequences.

    The scores at two values of a returned key are scores on different sequences.
    """
    result: list[str] = []
    for key in dict.fromkeys(key for row in rows for key in row.config):
        if key.partition(".")[0] != DATA:
            continue
        # The sets of sequences at each value of the key.
        groups = _points(rows, [key]).values()
        sets = [{row.data for row in group} for group in groups]
        # No set occurs at two values if the union has as many sets as all values together.
        if len(sets) > 1 and sum(map(len, sets)) == len(set[str]().union(*sets)):
            result.append(key)
    return result
