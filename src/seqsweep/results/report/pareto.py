"""The figures of the score against its costs: parameters and training time."""

from collections.abc import Sequence
from typing import Any

from seqsweep.results.formatting import metric_words
from seqsweep.results.report.findings import MOST_LISTED, Config, Report
from seqsweep.results.report.plot_parts import (
    BAR,
    GREY,
    PALETTE,
    Figure,
    decades,
    faded,
    label,
    layout,
)
from seqsweep.runs.metric_names import lower_is_better

_TITLES = {"params": "parameters", "train_seconds": "training time, seconds"}
_UNITS = {"params": "parameters", "train_seconds": "seconds"}


def pareto_figure(configs: Sequence[Config], cost: str, report: Report) -> Figure | None:
    """The score against a cost; None if all costs are equal."""
    # A logarithmic axis has no zero.
    drawn = [c for c in configs if cost in c.metrics and c.metrics[cost].mean > 0]
    costs = [c.metrics[cost].mean for c in drawn]
    if len(set(costs)) < 2:
        return None
    sign = 1 if lower_is_better(report.score) else -1
    scores = [sign * c.metrics[report.score].mean for c in drawn]
    front = _front(costs, scores)
    shape = layout(_TITLES[cost], metric_words(report.score), 360)
    shape["xaxis"] |= {"type": "log"} | decades(costs)
    return {"data": _traces(drawn, front, cost, report), "layout": shape}


def _front(costs: Sequence[float], scores: Sequence[float]) -> list[int]:
    """The configs that are better than every cheaper one, by their costs."""
    front: list[int] = []
    for index in sorted(range(len(costs)), key=lambda i: (costs[i], scores[i])):
        if not front or scores[index] < scores[front[-1]]:
            front.append(index)
    return front


def _traces(
    configs: Sequence[Config], front: Sequence[int], cost: str, report: Report
) -> list[dict[str, Any]]:
    """The traces of the Pareto front, of its configs and of the others."""
    on_front = [configs[index] for index in front]
    # The front is that of all configs, but a page with more marks would be large and slow.
    others = [c for index, c in enumerate(configs[:MOST_LISTED]) if index not in front]
    step = {
        "type": "scatter", "mode": "lines", "hoverinfo": "skip",
        "x": [config.metrics[cost].mean for config in on_front],
        "y": [config.metrics[report.score].mean for config in on_front],
        "line": {"color": PALETTE[0], "shape": "hv", "width": 1.2, "dash": "dot"},
    }  # fmt: skip
    traces = [
        step,
        _marks(others, cost, report, GREY, "circle-open", 8),
        _marks([c for c in on_front if c.rank > 1], cost, report, PALETTE[0], "circle", 9),
        _marks([c for c in configs if c.rank == 1], cost, report, PALETTE[1], "star", 14),
    ]
    return [trace for trace in traces if trace["x"]]


def _marks(
    configs: Sequence[Config], cost: str, report: Report, colour: str, symbol: str, size: int
) -> dict[str, Any]:
    """The marks of configs, with bars of one standard deviation if they have seeds."""
    scores = [config.metrics[report.score] for config in configs]
    trace: dict[str, Any] = {
        "type": "scatter", "mode": "markers",
        "x": [config.metrics[cost].mean for config in configs], "y": [s.mean for s in scores],
        "marker": {"color": colour, "symbol": symbol, "size": size},
        "text": [
            f"#{c.rank} {label(c.words)}<br>{metric_words(report.score)} {s.mean:.4f}"
            f"<br>{c.metrics[cost].mean:,.6g} {_UNITS[cost]}"
            for c, s in zip(configs, scores, strict=True)
        ],
        "hoverinfo": "text", "cliponaxis": False,
    }  # fmt: skip
    if any(s.std for s in scores):
        trace["error_y"] = {
            "type": "data", "array": [s.std or 0.0 for s in scores], "thickness": 1, "width": 0,
            "color": faded(colour, BAR),
        }  # fmt: skip
    return trace
