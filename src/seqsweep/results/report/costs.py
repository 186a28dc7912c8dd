"""Builds the report's sections on costs, replicates and the confusion matrix."""

from collections.abc import Mapping, Sequence
from typing import Any

from seqsweep.results.confusion import Confusion, find_confusion
from seqsweep.results.findings import Findings
from seqsweep.results.report import parts as plots
from seqsweep.results.report.parts import TEMPLATES, Section
from seqsweep.results.rows import Row
from seqsweep.results.significance import Estimate
from seqsweep.results.words import replicates_override
from seqsweep.runs.metrics import Metric
from seqsweep.text import count, cut, number

_TITLES = {"params": "parameters", "train_seconds": "seconds of training"}
_MOST_STRIPS = 12
_MOST_NUMBERED = 20
"""The most classes for which cells show their counts and axes show class names."""

_LONGEST_CLASS = 18


def costs_section(findings: Findings) -> Section:
    """Builds the section that plots the score against parameters and training time."""
    # `compared` is empty for several data sets, whose scores cannot be compared.
    has_front = len(findings.compared) > 1
    drawn = {f"pareto-{cost}": pareto_figure(findings, cost) for cost in _TITLES if has_front}
    figures = {name: figure for name, figure in drawn.items() if figure is not None}
    template = TEMPLATES / "costs.html.j2"
    return Section("costs", "Cost", template, figures=figures, is_shown=bool(figures))


def seeds_section(findings: Findings) -> Section:
    """Builds the section with the score of every replicate."""
    board = findings.board
    return Section(
        "seeds",
        f"{findings.unit.capitalize()}s",
        TEMPLATES / "seeds.html.j2",
        figures={"seeds": seeds_figure(findings)} if findings.has_seeds and findings.scored else {},
        view={"more_replicates": replicates_override(len(board.rows), board.variation.folds)},
        is_shown=len(findings.rows) > 1,
    )


def pareto_figure(findings: Findings, cost: str) -> plots.Figure | None:
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


def seeds_figure(findings: Findings) -> plots.Figure:
    """Draws the scores of the first configs' replicates, with mean and interval."""
    drawn, score = findings.scored[:_MOST_STRIPS], findings.score
    traces: list[dict[str, Any]] = []
    for index, row in enumerate(drawn):
        before = "seed " if findings.unit == "seed" else ""
        values = {f"{before}{name}": value for name, value in findings.board.scores(row)}
        traces += _strip(row, values, row.metrics[score], index)
    shape = plots.layout(score.words, "", 0)
    plots.name_rows(shape, [f"#{row.rank}  {row.words}" for row in drawn])
    return {"data": traces, "layout": shape}


def _strip(
    row: Row, values: Mapping[str, float], mean: Estimate, index: int
) -> list[dict[str, Any]]:
    """Returns the traces of a config's replicates, their interval and their mean."""
    colour = plots.PALETTE[1] if row.rank == 1 else plots.PALETTE[0]
    hover = [
        f"#{row.rank} {plots.label(row.words)}<br>{replicate}: {number(value)}"
        for replicate, value in values.items()
    ]
    return [
        {"type": "scatter", "mode": "lines", "x": [mean.low, mean.high],
         "y": [index, index], "line": {"color": plots.faded(colour), "width": 8},
         "hoverinfo": "skip"},
        {"type": "scatter", "mode": "markers", "x": [*values.values()], "y": [index] * len(values),
         "marker": {"color": colour, "size": 7, "symbol": "circle-open"},
         "text": hover, "hoverinfo": "text"},
        {"type": "scatter", "mode": "markers", "x": [mean.mean],
         "y": [index], "hoverinfo": "skip",
         "marker": {"color": colour, "size": 16, "symbol": "line-ns",
                    "line": {"color": colour, "width": 2.5}}},
    ]  # fmt: skip


def confusion_section(findings: Findings) -> Section:
    """Builds the section with the confusion matrix of the best config."""
    confusion, absent = find_confusion(
        findings.board.rows[0].entries if findings.board.rows else []
    )
    return Section(
        "confusion",
        "Confusion",
        TEMPLATES / "confusion.html.j2",
        {"confusion": confusion, "confusion_absent": absent},
        {"confusion": confusion_figure(confusion)} if confusion else {},
        {"confusion_width": confusion and confusion_width(confusion)},
        is_shown=bool(confusion or absent),
    )


def confusion_figure(confusion: Confusion) -> plots.Figure:
    """Draws a confusion matrix; a cell's colour is its share of the row."""
    size = len(confusion.classes)
    names = [plots.label(name) for name in short_classes(confusion)]
    cells = [(t, p, n) for t, row in enumerate(confusion.counts) for p, n in enumerate(row)]
    shares = [n / (sum(confusion.counts[t]) or 1) for t, _, n in cells]
    # The basic bundle of plotly has no heatmap, so the cells are bars of height 1.
    trace = {
        "type": "bar", "width": 1, "x": [p for _, p, _ in cells], "y": [1] * len(cells),
        "base": [t - 0.5 for t, _, _ in cells],
        "marker": {
            "color": [plots.between(*plots.HEAT, share) for share in shares],
            "line": {"color": plots.GROUND, "width": 1},
        },
        "hovertext": [
            f"{names[t]} classified as {names[p]}<br>{count(n, 'time')}, {share:.1%} of its row"
            for (t, p, n), share in zip(cells, shares, strict=True)
        ],
        "hoverinfo": "text",
    }  # fmt: skip
    room = 6 * max(map(len, short_classes(confusion)))  # long names are vertical
    shape = plots.layout(
        "predicted class", "true class", min(760, max(300, 110 + 30 * size)) + room
    )
    marks = {"tickvals": list(range(size)), "ticktext": names, "showgrid": False, "ticks": ""}
    shape["xaxis"] |= marks | {"range": [-0.5, size - 0.5]}
    shape["yaxis"] |= marks | {"range": [size - 0.5, -0.5]}
    if size > _MOST_NUMBERED:
        shape["xaxis"]["showticklabels"] = shape["yaxis"]["showticklabels"] = False
    else:
        # Plotly gives a text inside a bar a colour that contrasts with the bar.
        trace["text"] = [f"{n}" if n else "" for _, _, n in cells]
        trace |= {"textposition": "inside", "insidetextanchor": "middle", "textangle": 0}
    return {"data": [trace], "layout": shape}


def short_classes(confusion: Confusion) -> list[str]:
    """Returns the names of the classes, shortened to fit on an axis."""
    return [cut(name, _LONGEST_CLASS) for name in confusion.classes]


def confusion_width(confusion: Confusion) -> int:
    """Returns the largest useful width in pixels; wider cells would look flat."""
    longest = max(map(len, short_classes(confusion)))
    return 130 + 8 * longest + max(62, 5 * longest) * len(confusion.classes)
