"""Builds the report's section on the effects of the keys on the score."""

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from seqsweep.results.data_sets import group_by
from seqsweep.results.effects import Effect, Interaction, distinct_values, strongest_interaction
from seqsweep.results.formatting import NBSP, KeyNames, count, interval_text, key_names, run_label
from seqsweep.results.leaderboard import DATA
from seqsweep.results.report import plot_parts as plots
from seqsweep.results.report.findings import TEMPLATES, Config, Facts, Section
from seqsweep.runs.identity import REPLICATE_KEYS, is_number
from seqsweep.runs.ledger import value_key

MOST_LINES = 8
"""The most lines of a plot: eight colours for the values of one key, four dashes for other keys."""

_LINES_FIRST = ("model.num_layers", "model.bidirectional")
_WIDE = 4
"""An axis is logarithmic if its largest value is at least this many times the smallest."""


@dataclass(frozen=True)
class Point:
    """The mean, smallest and largest of n scores at one value of an axis."""

    x: Any
    mean: float
    low: float
    high: float
    n: int


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
        counts = [{point.n for point in line.points} for line in self.lines]
        return bool(self.averaged) and any(len(numbers) > 1 for numbers in counts)


def effects_section(facts: Facts) -> Section:
    """Builds the section with the plot, main effects and the strongest interaction."""
    configs = facts.compared
    settings = [config.keys for config in configs]
    means = [config.metrics[facts.score].mean for config in configs]
    interaction = strongest_interaction(settings, means)
    axis = choose_axis(configs, facts.effects, facts.keys, facts.names)
    keys = [*facts.names, *REPLICATE_KEYS]
    grid, names = facts.board.grid, key_names(keys, [config.keys for config in configs])
    findings = {
        "axis": axis,
        "effects": facts.effects,
        "interaction": interaction,
        "interaction_words": interaction_words(interaction, facts.names),
        "grid": grid,
        "missing_states": facts.board.missing_states,
    }
    view = {
        "means": plots.scale_of(mean for effect in facts.effects for mean in effect.means),
        "grand": math.fsum(means) / len(means) if means else 0.0,
        "cells": plots.scale_of(itertools.chain(*interaction.means) if interaction else ()),
        "of_other_sets": [facts.names[key] for key in keys_of_other_sets(facts.configs)],
        "missing": [run_label(point, names, point) for point in grid.missing],
    }
    return Section(
        "effects",
        "Effect of each axis",
        TEMPLATES / "effects.html.j2",
        findings,
        {"axis": axis_figure(axis, facts)} if axis else {},
        view,
        is_shown=bool(axis or facts.effects),
    )


def choose_axis(
    configs: Sequence[Config], effects: Sequence[Effect], keys: Sequence[str], names: KeyNames
) -> Axis | None:
    """Chooses the key to plot the score against, and the plot's lines.

    Args:
        configs: The configs that have a score.
        keys: The keys that distinguish the configs.
    """
    if not keys or len(configs) < 2:
        return None
    # The values have the order of the effects' table, if the key has an effect.
    orders = {effect.key: effect.values for effect in effects}
    values = {key: orders.get(key) or _ordered(key, configs) for key in keys}
    numeric_keys = [key for key in keys if all(map(is_number, values[key]))]
    key = max(numeric_keys or keys, key=lambda key: len(values[key]))
    if "model.hidden_size" in numeric_keys:
        key = "model.hidden_size"
    divided, averaged = _divide(key, values, effects)
    lines = _lines(configs, key, divided, values, names)
    numeric = key in numeric_keys
    log = numeric and min(values[key]) > 0 and max(values[key]) >= _WIDE * min(values[key])
    # In a random search no two configs share a setting, so no two points belong on a line.
    points = _points(configs, [key, *divided]).values()
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
    configs: Sequence[Config],
    key: str,
    keys: Sequence[str],
    values: Mapping[str, list[Any]],
    names: KeyNames,
) -> list[Line]:
    """Returns a line for each setting of the keys.

    The first key decides the colour of a line, the other keys decide its dashes.
    """
    groups = _points(configs, keys)
    colours = [value_key(value) for value in values[keys[0]]] if keys else [""]
    styles = list(itertools.product(*(map(value_key, values[k]) for k in keys[1:])))
    lines: list[Line] = []
    for (group, colour), (style, others) in itertools.product(
        enumerate(colours), enumerate(styles)
    ):
        drawn = groups.get((colour, *others) if keys else (), [])
        if not drawn:
            continue
        at_values = _points(drawn, [key])
        points = [
            _point(value, at_values[(value_key(value),)])
            for value in values[key]
            if (value_key(value),) in at_values
        ]
        text = run_label(drawn[0].keys, names, keys)
        lines.append(Line(text, group, style, points))
    return lines


def _points(configs: Iterable[Config], keys: Sequence[str]) -> dict[tuple[str, ...], list[Config]]:
    """Groups the configs by their values of the keys."""
    return group_by(configs, lambda c: tuple(value_key(c.keys.get(key)) for key in keys))


def _point(x: Any, configs: Sequence[Config]) -> Point:
    """Returns the point of one config's seeds, or of several configs' means."""
    samples = [[value for _, value in config.scores] for config in configs]
    means = [math.fsum(sample) / len(sample) for sample in samples]
    # The range of one config is over its seeds; the range of several is over their means.
    values = samples[0] if len(samples) == 1 else means
    return Point(x, math.fsum(means) / len(means), min(values), max(values), len(values))


def _ordered(key: str, configs: Sequence[Config]) -> list[Any]:
    values = list(distinct_values(key, [config.keys for config in configs]).values())
    return sorted(values) if all(map(is_number, values)) else values


def keys_of_other_sets(configs: Sequence[Config]) -> list[str]:
    """Returns the data keys whose values all have different evaluation sequences.

    The scores at two values of a returned key are scores on different sequences.
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


def axis_figure(axis: Axis, facts: Facts) -> plots.Figure:
    """Draws the score against one key, with a line for each setting."""
    traces: list[dict[str, Any]] = []
    for index, line in enumerate(axis.lines):
        # Points at the same word are drawn side by side.
        shift = 0.0 if axis.numeric else 0.12 * (index - (len(axis.lines) - 1) / 2)
        traces.append(_line(axis, line, shift, facts))
    shape = plots.layout(facts.names[axis.key], facts.score.words, 380)
    texts = [facts.names.text(axis.key, value) for value in axis.values]
    shape["xaxis"] |= plots.ticks(axis.values, texts, axis.numeric, axis.log)
    ends = [end for line in axis.lines for p in line.points for end in (p.low, p.high)]
    # For a single value of 1, plotly would show an axis from 0 to 2.
    if min(ends) == max(ends):
        shape["yaxis"]["range"] = [ends[0] - 0.01, ends[0] + 0.01]
    return {"data": traces, "layout": shape}


def _line(axis: Axis, line: Line, shift: float, facts: Facts) -> dict[str, Any]:
    """Returns the trace of one line, with the ranges as bars."""
    colour = plots.PALETTE[line.group]
    points = line.points
    xs = [p.x if axis.numeric else axis.values.index(p.x) + shift for p in points]
    trace: dict[str, Any] = {
        "type": "scatter", "mode": "lines+markers" if axis.joined else "markers",
        "x": xs, "y": [p.mean for p in points], "name": plots.label(line.label),
        "line": {"color": colour, "dash": plots.DASHES[line.style], "width": 2},
        "marker": {"color": colour, "size": 7, "symbol": plots.SYMBOLS[line.group]},
        "text": [_point_words(axis, line, point, facts) for point in points],
        "hoverinfo": "text",
    }  # fmt: skip
    if any(p.low < p.high for p in points):
        trace["error_y"] = {
            "type": "data", "symmetric": False, "thickness": 1.5, "width": 3, "color": colour,
            "array": [p.high - p.mean for p in points],
            "arrayminus": [p.mean - p.low for p in points],
        }  # fmt: skip
    return trace


def _point_words(axis: Axis, line: Line, point: Point, facts: Facts) -> str:
    setting = f"{facts.names[axis.key]}={facts.names.text(axis.key, point.x)}"
    name = " ".join(text for text in (setting, line.label) if text)
    text = f"{plots.label(name)}<br>{plots.value_text(facts.score, point.mean)}"
    if point.n < 2:
        return text
    of = count(point.n, "config" if axis.averaged else facts.unit)
    return f"{text}<br>{interval_text(point.low, point.high)} over {of}"


def interaction_words(interaction: Interaction | None, names: Mapping[str, str]) -> str:
    """Says which two keys interact most, and how much; empty for None."""
    if interaction is None:
        return ""
    if interaction.share < 0.01:
        return (
            "No interaction: beyond the main effects, each pair of keys with all combinations "
            f"explains less than 1{NBSP}% of the variance between configs."
        )
    first, second = (names[key] for key in interaction.keys)
    share = f"{interaction.share * 100:.0f}{NBSP}% of the variance between configs"
    return f"Strongest interaction: {first} and {second}, {share}."
