"""Builds the report's section on the effects of the keys on the score."""

import itertools
from collections.abc import Mapping
from typing import Any

from seqsweep.results.axis import Axis, Line, Point, choose_axis, keys_of_other_sets
from seqsweep.results.columns import estimate_text
from seqsweep.results.effects import Interaction, strongest_interaction
from seqsweep.results.findings import Findings
from seqsweep.results.formatting import key_names, run_label
from seqsweep.results.report import plotly_parts as plots
from seqsweep.results.sections import TEMPLATES, Figure, Section
from seqsweep.text import NBSP, count


def effects_section(findings: Findings) -> Section:
    """Builds the section with the plot, main effects and the strongest interaction."""
    configs = [row.config for row in findings.compared]
    interaction = strongest_interaction(configs, findings.means)
    axis = choose_axis(findings.compared, findings.board, findings.names)
    grid = findings.board.grid
    names = key_names(grid.missing[0], grid.missing) if grid.missing else findings.names
    content = {
        "axis": axis,
        "effects": findings.effects,
        "interaction": interaction,
        "interaction_words": interaction_words(interaction, findings.names),
        "grid": grid,
        "missing_states": findings.board.missing_states,
    }
    view = {
        "means": plots.scale_of(mean for effect in findings.effects for mean in effect.means),
        "grand": findings.grand_mean,
        "cells": plots.scale_of(itertools.chain(*interaction.means) if interaction else ()),
        "of_other_sets": [findings.names[key] for key in keys_of_other_sets(findings.rows)],
        "missing": [run_label(point, names, point) for point in grid.missing],
    }
    return Section(
        "effects",
        "Effect of each axis",
        TEMPLATES / "effects.html.j2",
        content,
        {"axis": axis_figure(axis, findings)} if axis else {},
        view,
        is_shown=bool(axis or findings.effects),
    )


def axis_figure(axis: Axis, findings: Findings) -> Figure:
    """Draws the score against one key, with a line for each setting."""
    traces: list[dict[str, Any]] = []
    for index, line in enumerate(axis.lines):
        # Points at the same word are drawn side by side.
        shift = 0.0 if axis.numeric else 0.12 * (index - (len(axis.lines) - 1) / 2)
        traces.append(_line(axis, line, shift, findings))
    shape = plots.layout(findings.names[axis.key], findings.score.words, 380)
    texts = [findings.names.text(axis.key, value) for value in axis.values]
    shape["xaxis"] |= plots.ticks(axis.values, texts, axis.numeric, axis.log)
    means = [point.estimate.mean for line in axis.lines for point in line.points]
    # For a single value of 1, plotly would show an axis from 0 to 2.
    if min(means) == max(means) and not any("error_y" in trace for trace in traces):
        shape["yaxis"]["range"] = [means[0] - 0.01, means[0] + 0.01]
    return {"data": traces, "layout": shape}


def _line(axis: Axis, line: Line, shift: float, findings: Findings) -> dict[str, Any]:
    """Returns the trace of one line, with the ranges as bars."""
    colour = plots.PALETTE[line.group]
    points = line.points
    xs = [p.x if axis.numeric else axis.values.index(p.x) + shift for p in points]
    trace: dict[str, Any] = {
        "type": "scatter", "mode": "lines+markers" if axis.joined else "markers",
        "x": xs, "y": [p.estimate.mean for p in points], "name": plots.label(line.label),
        "line": {"color": colour, "dash": plots.DASHES[line.style], "width": 2},
        "marker": {"color": colour, "size": 7, "symbol": plots.SYMBOLS[line.group]},
        "text": [_point_words(axis, line, point, findings) for point in points],
        "hoverinfo": "text",
    }  # fmt: skip
    return trace | plots.error_bars([p.estimate for p in points], colour)


def _point_words(axis: Axis, line: Line, point: Point, findings: Findings) -> str:
    setting = f"{findings.names[axis.key]}={findings.names.text(axis.key, point.x)}"
    name = " ".join(text for text in (setting, line.label) if text)
    score = plots.label(findings.score.words)
    text = f"{plots.label(name)}<br>{score} {estimate_text(point.estimate)}"
    if point.estimate.n < 2:
        return text
    return f"{text}<br>over {count(point.estimate.n, 'config' if axis.averaged else findings.unit)}"


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
