"""What a score costs: the figures of score against parameters and against training time."""

import math
from collections.abc import Sequence
from typing import Any

from seqsweep.results.formatting import metric_words
from seqsweep.results.report.findings import Config, Report
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


def pareto_figure(configs: Sequence[Config], cost: str, report: Report) -> Figure | None:
    """The score against what a config costs, with those that no other beats in both."""
    chosen = [config for config in configs if cost in config.metrics]
    chosen = [config for config in chosen if config.metrics[cost].mean > 0]
    if len({config.metrics[cost].mean for config in chosen}) < 2:
        return None
    front = pareto_front(
        [(config.metrics[cost].mean, config.metrics[report.score].mean) for config in chosen],
        report.higher_is_better,
    )
    others = [place for place in range(len(chosen)) if place not in front]
    step = {
        "type": "scatter", "mode": "lines", "hoverinfo": "skip",
        "x": [chosen[place].metrics[cost].mean for place in front],
        "y": [chosen[place].metrics[report.score].mean for place in front],
        "line": {"color": PALETTE[0], "shape": "hv", "width": 1.2, "dash": "dot"},
    }  # fmt: skip
    best = [place for place, config in enumerate(chosen) if config.rank == 1]
    traces = [
        step,
        _costs([chosen[p] for p in others], cost, report, GREY, "circle-open", 8),
        _costs([chosen[p] for p in front if p not in best], cost, report, PALETTE[0], "circle", 9),
        _costs([chosen[p] for p in best], cost, report, PALETTE[1], "star", 14),
    ]
    title = {"params": "parameters", "train_seconds": "training time, seconds"}[cost]
    shape = layout(title, metric_words(report.score), 360)
    shape["xaxis"] |= {"type": "log"} | decades([c.metrics[cost].mean for c in chosen])
    return {"data": [trace for trace in traces if trace["x"]], "layout": shape}


def pareto_front(points: Sequence[tuple[float, float]], higher_is_better: bool) -> list[int]:
    """The points that no other one beats in cost and score, by growing cost.

    >>> pareto_front([(3, 0.9), (1, 0.5), (2, 0.4)], higher_is_better=True)
    [1, 0]
    """
    sign = -1 if higher_is_better else 1
    front: list[int] = []
    best = math.inf
    for place in sorted(range(len(points)), key=lambda i: (points[i][0], sign * points[i][1])):
        if sign * points[place][1] < best:
            best = sign * points[place][1]
            front.append(place)
    return front


def _costs(
    configs: Sequence[Config], cost: str, report: Report, colour: str, symbol: str, size: int
) -> dict[str, Any]:
    stats = [config.metrics[report.score] for config in configs]
    words = {"params": "parameters", "train_seconds": "seconds"}[cost]
    trace: dict[str, Any] = {
        "type": "scatter", "mode": "markers",
        "x": [config.metrics[cost].mean for config in configs], "y": [s.mean for s in stats],
        "marker": {"color": colour, "symbol": symbol, "size": size},
        "text": [
            f"#{c.rank} {label(c.words)}<br>{metric_words(report.score)} {s.mean:.4f}"
            f"<br>{c.metrics[cost].mean:,.6g} {words}"
            for c, s in zip(configs, stats, strict=True)
        ],
        "hoverinfo": "text", "cliponaxis": False,
    }  # fmt: skip
    if any(s.std for s in stats):
        deviations = [s.std or 0.0 for s in stats]
        trace["error_y"] = {
            "type": "data", "array": deviations, "thickness": 1, "width": 0,
            "color": faded(colour, BAR),
        }  # fmt: skip
    return trace
