"""The section on the effects of the keys on the score."""

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any

from seqsweep.results.effects import Interaction, strongest_interaction
from seqsweep.results.formatting import (
    NBSP,
    count,
    interval_text,
    key_names,
    metric_words,
    run_label,
    signed,
    value_text,
)
from seqsweep.results.report.axes import Axis, Line, Panel, Point, choose_axis, keys_of_other_sets
from seqsweep.results.report.findings import TEMPLATES, Facts, Section
from seqsweep.results.report.plot_parts import (
    DASHES,
    SYMBOLS,
    Figure,
    colour_of,
    filled,
    label,
    layout,
    padded,
    scale_of,
    ticks,
)
from seqsweep.runs.identity import REPLICATE_KEYS


def effects_section(facts: Facts) -> Section:
    """The plot of the score along one key, main effects, the strongest interaction."""
    configs = facts.compared
    settings = [config.keys for config in configs]
    means = [config.metrics[facts.score].mean for config in configs]
    interaction = strongest_interaction(settings, means)
    axis = choose_axis(configs, facts.effects, facts.keys, facts.names)
    panels = axis.panels if axis else []
    # Panels share a legend, with each label once.
    lines = {line.label: line for panel in panels for line in panel.lines}
    figures = {
        f"axis-{index}": axis_figure(axis, panel, facts)
        for index, panel in enumerate(panels)
        if axis is not None
    }
    findings = {
        "axis": axis,
        "effects": facts.effects,
        "interaction": interaction,
        "interaction_words": interaction_words(interaction, facts.names, facts.score),
        "grid": facts.board.grid,
        "missing_states": facts.board.missing_states,
    }
    view = {
        "means": scale_of(mean for effect in facts.effects for mean in effect.means),
        "grand": math.fsum(means) / len(means) if means else 0.0,
        "cells": scale_of(itertools.chain(*interaction.means) if interaction else ()),
        "of_other_sets": [facts.names[key] for key in keys_of_other_sets(facts.configs)],
        "confounded": any(effect.confounded for effect in facts.effects),
        "legend": list(lines.values()),
        **_gaps_view(facts),
    }
    return Section(
        "effects",
        "Effect of each axis",
        TEMPLATES / "effects.html.j2",
        findings,
        figures,
        view,
        is_shown=bool(axis or facts.effects),
    )


def _gaps_view(facts: Facts) -> dict[str, Any]:
    grid, names = facts.board.grid, key_names([*facts.names, *REPLICATE_KEYS])
    return {
        "has_gaps": bool(facts.configs) and grid.complete != grid.size,
        "missing": [run_label(point, {k: names[k] for k in point}) for point in grid.missing],
    }


def axis_figure(axis: Axis, panel: Panel, facts: Facts) -> Figure:
    """The score along one key; all panels share one scale."""
    traces: list[dict[str, Any]] = []
    for index, line in enumerate(panel.lines):
        # Points at the same word are drawn side by side.
        shift = 0.0 if axis.numeric else 0.12 * (index - (len(panel.lines) - 1) / 2)
        traces += _line(axis, line, shift, facts)
    ends = [
        end for other in axis.panels for line in other.lines for p in line.points
        for end in (p.low, p.high)
    ]  # fmt: skip
    shape = layout(facts.names[axis.key], metric_words(facts.score), 380)
    shape["xaxis"] |= ticks(axis.values, axis.key, axis.numeric, axis.log)
    # Around a single value of 1 plotly would show 0 to 2.
    if len(axis.panels) > 1 or min(ends) == max(ends):
        shape["yaxis"]["range"] = padded(ends)
    if len(axis.panels) > 1:
        shape["height"] = 300
    return {"data": traces, "layout": shape}


def _line(axis: Axis, line: Line, shift: float, facts: Facts) -> list[dict[str, Any]]:
    """The traces of one line with its ranges.

    The ranges are a band, or bars if the points are not joined.
    """
    colour = colour_of(line.group)
    points = line.points
    xs = [p.x if axis.numeric else axis.values.index(p.x) + shift for p in points]
    lows, highs = [p.low for p in points], [p.high for p in points]
    trace: dict[str, Any] = {
        "type": "scatter", "mode": "lines+markers" if axis.joined else "markers",
        "x": xs, "y": [p.mean for p in points], "name": label(line.label),
        "line": {"color": colour, "dash": DASHES[line.style % len(DASHES)], "width": 2},
        "marker": {"color": colour, "size": 7, "symbol": SYMBOLS[line.group % len(SYMBOLS)]},
        "text": [_point_words(axis, line, point, facts) for point in points],
        "hoverinfo": "text",
    }  # fmt: skip
    if lows == highs:
        return [trace]
    if axis.joined and len(points) > 1:
        return [filled(xs, lows, highs, colour), trace]
    trace["error_y"] = {
        "type": "data", "symmetric": False, "thickness": 1.5, "width": 3, "color": colour,
        "array": [p.high - p.mean for p in points], "arrayminus": [p.mean - p.low for p in points],
    }  # fmt: skip
    return [trace]


def _point_words(axis: Axis, line: Line, point: Point, facts: Facts) -> str:
    setting = f"{facts.names[axis.key]}={value_text(axis.key, point.x)}"
    name = " ".join(text for text in (setting, line.label) if text)
    text = f"{label(name)}<br>{metric_words(facts.score)} {point.mean:.4f}"
    if point.n < 2:
        return text
    of = count(point.n, "config" if axis.averaged else facts.unit)
    return f"{text}<br>{interval_text(point.low, point.high)} over {of}"


def interaction_words(interaction: Interaction | None, names: Mapping[str, str], score: str) -> str:
    """Says where the effect of one key depends most on another."""
    if interaction is None:
        return ""
    if interaction.share < 0.01:
        return (
            "No interaction: no pair of keys with all combinations explains as much as "
            f"1{NBSP}% of the variance between configs beyond the main effects."
        )
    rows, columns = interaction.values
    key, other = interaction.keys
    lines: Sequence[Sequence[float]] = interaction.means
    changed, values, at, settings = key, rows, other, columns
    if len(rows) > len(columns):  # the key with fewer values is the one that is changed
        lines = list(zip(*lines, strict=True))
        changed, values, at, settings = other, columns, key, rows
    ends, changes = _most_apart(values, lines)
    low, high = changes.index(min(changes)), changes.index(max(changes))
    first, last = (value_text(changed, end) for end in ends)
    by_low, by_high = (
        f"{signed(changes[index])} at {names[at]}={value_text(at, settings[index])}"
        for index in (low, high)
    )
    return (
        f"Strongest interaction: {names[key]} and {names[other]}, "
        f"{interaction.share * 100:.0f}{NBSP}% of the variance between configs; "
        f"{names[changed]} from {first} to {last} changes the {metric_words(score)} "
        f"by {by_low} and by {by_high}."
    )


def _most_apart(
    values: Sequence[Any], lines: Sequence[Sequence[float]]
) -> tuple[tuple[Any, Any], list[float]]:
    """The two values whose difference depends most on the setting.

    Args:
        lines: The score by values and settings.
    """
    last = len(values) - 1
    # Between equal pairs the first and the last value come first.
    pairs = sorted(itertools.combinations(range(last + 1), 2), key=lambda pair: pair != (0, last))
    changes = {(i, j): [b - a for a, b in zip(lines[i], lines[j], strict=True)] for i, j in pairs}
    i, j = max(pairs, key=lambda pair: round(max(changes[pair]) - min(changes[pair]), 9))
    return (values[i], values[j]), changes[i, j]
