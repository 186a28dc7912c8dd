"""The sections on the costs of the configs and on their replicates."""

import math
from collections.abc import Sequence
from textwrap import wrap
from typing import Any

from seqsweep.results.formatting import metric_words
from seqsweep.results.report.findings import TEMPLATES, Config, Facts, Section
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
from seqsweep.results.words import replicates_override
from seqsweep.runs.metric_names import lower_is_better

_TITLES = {"params": "parameters", "train_seconds": "training time, seconds"}
_UNITS = {"params": "parameters", "train_seconds": "seconds"}
_MOST_STRIPS = 12
_LONGEST_LINE = 48


def costs_section(facts: Facts) -> Section:
    """The score against its costs: parameters and training time."""
    # A front over several data sets would compare scores of different test sets.
    has_front = len(facts.compared) > 1
    drawn = {f"pareto-{cost}": pareto_figure(facts, cost) for cost in _TITLES if has_front}
    figures = {name: figure for name, figure in drawn.items() if figure is not None}
    template = TEMPLATES / "costs.html.j2"
    return Section("costs", "Cost", template, figures=figures, is_shown=bool(figures))


def seeds_section(facts: Facts) -> Section:
    """The score of every replicate."""
    board = facts.board
    return Section(
        "seeds",
        f"{facts.unit.capitalize()}s",
        TEMPLATES / "seeds.html.j2",
        figures={"seeds": seeds_figure(facts.scored, facts.score, facts.unit)}
        if facts.has_seeds
        else {},
        view={"more_replicates": replicates_override(len(board.rows), board.variation.folds)},
        is_shown=len(facts.configs) > 1,
    )


def pareto_figure(facts: Facts, cost: str) -> Figure | None:
    """The score against a cost; None if all costs are equal."""
    # A logarithmic axis has no zero.
    drawn = [c for c in facts.scored if cost in c.metrics and c.metrics[cost].mean > 0]
    costs = [c.metrics[cost].mean for c in drawn]
    if len(set(costs)) < 2:
        return None
    sign = 1 if lower_is_better(facts.score) else -1
    scores = [sign * c.metrics[facts.score].mean for c in drawn]
    front = _front(costs, scores)
    shape = layout(_TITLES[cost], metric_words(facts.score), 360)
    shape["xaxis"] |= {"type": "log"} | decades(costs)
    return {"data": _traces(drawn, front, cost, facts.score, len(facts.listed)), "layout": shape}


def _front(costs: Sequence[float], scores: Sequence[float]) -> list[int]:
    """The configs that are better than every cheaper one, by their costs."""
    front: list[int] = []
    for index in sorted(range(len(costs)), key=lambda i: (costs[i], scores[i])):
        if not front or scores[index] < scores[front[-1]]:
            front.append(index)
    return front


def _traces(
    configs: Sequence[Config], front: Sequence[int], cost: str, score: str, most: int
) -> list[dict[str, Any]]:
    """The traces of the Pareto front, of its configs and of the others."""
    on_front = [configs[index] for index in front]
    # The front is that of all configs, but a page with more marks would be large and slow.
    others = [c for index, c in enumerate(configs[:most]) if index not in front]
    step = {
        "type": "scatter", "mode": "lines", "hoverinfo": "skip",
        "x": [config.metrics[cost].mean for config in on_front],
        "y": [config.metrics[score].mean for config in on_front],
        "line": {"color": PALETTE[0], "shape": "hv", "width": 1.2, "dash": "dot"},
    }  # fmt: skip
    traces = [
        step,
        _marks(others, cost, score, GREY, "circle-open", 8),
        _marks([c for c in on_front if c.rank > 1], cost, score, PALETTE[0], "circle", 9),
        _marks([c for c in configs if c.rank == 1], cost, score, PALETTE[1], "star", 14),
    ]
    return [trace for trace in traces if trace["x"]]


def _marks(
    configs: Sequence[Config], cost: str, score: str, colour: str, symbol: str, size: int
) -> dict[str, Any]:
    """The marks of configs, with bars of one standard deviation if they have seeds."""
    scores = [config.metrics[score] for config in configs]
    trace: dict[str, Any] = {
        "type": "scatter", "mode": "markers",
        "x": [config.metrics[cost].mean for config in configs], "y": [s.mean for s in scores],
        "marker": {"color": colour, "symbol": symbol, "size": size},
        "text": [
            f"#{c.rank} {label(c.words)}<br>{metric_words(score)} {s.mean:.4f}"
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


def seeds_figure(configs: Sequence[Config], score: str, unit: str = "seed") -> Figure:
    """The score of every replicate of the first configs, with mean and range."""
    drawn = configs[:_MOST_STRIPS]
    traces: list[dict[str, Any]] = []
    for index, config in enumerate(drawn):
        traces += _strip(config, index, "seed " if unit == "seed" else "")
    names = [wrap(f"#{config.rank}  {config.words}", _LONGEST_LINE) for config in drawn]
    room = 26 + 15 * max(map(len, names))
    shape = layout(metric_words(score), "", 80 + room * len(drawn))
    shape["yaxis"] |= {
        "showticklabels": False, "showgrid": False, "ticks": "",
        "range": [len(drawn) - 1 + 14 / room, -1 + 12 / room],
    }  # fmt: skip
    # Names are above the strips, not beside them, since they can be as long as a phone is wide.
    shape["annotations"] = [
        {"text": "<br>".join(map(label, lines)), "xref": "paper", "x": 0, "xanchor": "left",
         "y": index, "yanchor": "bottom", "yshift": 8, "align": "left", "showarrow": False}
        for index, lines in enumerate(names)
    ]  # fmt: skip
    return {"data": traces, "layout": shape}


def _strip(config: Config, index: int, before: str) -> list[dict[str, Any]]:
    """The replicates of a config, their range and their mean."""
    values = [value for _, value in config.scores]
    colour = PALETTE[1] if config.rank == 1 else PALETTE[0]
    hover = [
        f"#{config.rank} {label(config.words)}<br>{before}{replicate}: {value:.4f}"
        for replicate, value in config.scores
    ]
    return [
        {"type": "scatter", "mode": "lines", "x": [min(values), max(values)],
         "y": [index, index], "line": {"color": faded(colour), "width": 8},
         "hoverinfo": "skip"},
        {"type": "scatter", "mode": "markers", "x": values, "y": [index] * len(values),
         "marker": {"color": colour, "size": 7, "symbol": "circle-open"},
         "text": hover, "hoverinfo": "text"},
        {"type": "scatter", "mode": "markers", "x": [math.fsum(values) / len(values)],
         "y": [index], "hoverinfo": "skip",
         "marker": {"color": colour, "size": 16, "symbol": "line-ns",
                    "line": {"color": colour, "width": 2.5}}},
    ]  # fmt: skip
