"""Builds the report's section on costs: the score against parameters and training time."""

from collections.abc import Sequence
from typing import Any

from seqsweep.results.findings import Findings
from seqsweep.results.report import plotly_parts as plots
from seqsweep.results.rows import Row
from seqsweep.results.sections import TEMPLATES, Figure, Section
from seqsweep.runs.metrics import Metric

_TITLES = {"params": "parameters", "train_seconds": "seconds of training"}


def costs_section(findings: Findings) -> Section:
    """Builds the section that plots the score against parameters and training time."""
    # `compared` is empty for several data sets, whose scores cannot be compared.
    has_front = len(findings.compared) > 1
    drawn = {f"pareto-{cost}": pareto_figure(findings, cost) for cost in _TITLES if has_front}
    figures = {name: figure for name, figure in drawn.items() if figure is not None}
    template = TEMPLATES / "costs.html.j2"
    return Section("costs", "Cost", template, figures=figures, is_shown=bool(figures))


def pareto_figure(findings: Findings, cost: str) -> Figure | None:
    """Draws the score against a cost; None if all costs are equal."""
    # The cost axis is logarithmic, so it cannot show zero.
    drawn = [row for row in findings.scored if cost in row.metrics and row.metrics[cost].mean > 0]
    costs = [row.metrics[cost].mean for row in drawn]
    if len(set(costs)) < 2:
        return None
    sign = 1 if findings.score.lower_is_better else -1
    scores = [sign * row.metrics[findings.score].mean for row in drawn]
    front = _front(costs, scores)
    shape = plots.layout(_TITLES[cost], findings.score.words, 360)
    shape["xaxis"] |= plots.log_axis(costs)
    return {
        "data": _traces(drawn, front, cost, findings.score, len(findings.listed)),
        "layout": shape,
    }


def _front(costs: Sequence[float], scores: Sequence[float]) -> list[int]:
    """Returns the indices of configs with a lower score than all cheaper configs."""
    front: list[int] = []
    for index in sorted(range(len(costs)), key=lambda i: (costs[i], scores[i])):
        if not front or scores[index] < scores[front[-1]]:
            front.append(index)
    return front


def _traces(
    rows: Sequence[Row], front: Sequence[int], cost: str, score: Metric, most: int
) -> list[dict[str, Any]]:
    """Returns the plotly traces of the Pareto front and of the configs."""
    on_front = [rows[index] for index in front]
    # The front is found among all configs. The other marks are limited to the listed configs,
    # because many marks make a page slow.
    others = [row for index, row in enumerate(rows[:most]) if index not in front]
    step = {
        "type": "scatter", "mode": "lines", "hoverinfo": "skip",
        "x": [row.metrics[cost].mean for row in on_front],
        "y": [row.metrics[score].mean for row in on_front],
        "line": {"color": plots.PALETTE[0], "shape": "hv", "width": 1.2, "dash": "dot"},
    }  # fmt: skip
    later = [row for row in on_front if row.rank > 1]
    traces = [
        step,
        _marks(others, cost, score, plots.GREY, "circle-open", 8),
        _marks(later, cost, score, plots.PALETTE[0], "circle", 9),
        _marks([row for row in rows if row.rank == 1], cost, score, plots.PALETTE[1], "star", 14),
    ]
    return [trace for trace in traces if trace["x"]]


def _marks(
    rows: Sequence[Row], cost: str, score: Metric, colour: str, symbol: str, size: int
) -> dict[str, Any]:
    """Returns the marks of configs, with their confidence intervals."""
    scores = [row.metrics[score] for row in rows]
    trace: dict[str, Any] = {
        "type": "scatter", "mode": "markers",
        "x": [row.metrics[cost].mean for row in rows], "y": [s.mean for s in scores],
        "marker": {"color": colour, "symbol": symbol, "size": size},
        "text": [
            f"#{row.rank} {plots.label(row.words)}<br>{plots.value_text(score, s.mean)}"
            f"<br>{row.metrics[cost].mean:,.6g} {_TITLES[cost]}"
            for row, s in zip(rows, scores, strict=True)
        ],
        "hoverinfo": "text", "cliponaxis": False,
    }  # fmt: skip
    return trace | plots.error_bars(scores, colour)
