"""Draws the figures of a report as dicts for plotly."""

from collections.abc import Mapping, Sequence
from typing import Any

from seqsweep.results.axis import Axis, Line, Point
from seqsweep.results.columns import estimate_text
from seqsweep.results.curves import Band, Curve, Kind
from seqsweep.results.findings import Findings
from seqsweep.results.ranks import MOST_RANKED, Ranking
from seqsweep.results.report import plotly_parts as plots
from seqsweep.results.report.plotly_parts import PALETTE, Figure
from seqsweep.results.rows import Row
from seqsweep.runs.files import JsonObject
from seqsweep.runs.metrics import as_metric
from seqsweep.text import count, number

COSTS = {"params": "parameters", "train_seconds": "seconds of training"}
"""The costs that a score is drawn against, with their words."""

_MOST_STRIPS = 12


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
    colour, points = PALETTE[line.group], line.points
    xs = [p.x if axis.numeric else axis.values.index(p.x) + shift for p in points]
    texts = [_point_words(axis, line, point, findings) for point in points]
    marks = plots.points(
        xs, [p.estimate.mean for p in points], colour, 7, plots.SYMBOLS[line.group], texts
    )
    more: dict[str, Any] = {
        "mode": "lines+markers" if axis.joined else "markers",
        "name": plots.label(line.label),
        "line": {"color": colour, "dash": plots.DASHES[line.style], "width": 2},
    }
    return marks | more | plots.error_bars([p.estimate for p in points], colour)


def _point_words(axis: Axis, line: Line, point: Point, findings: Findings) -> str:
    setting = f"{findings.names[axis.key]}={findings.names.text(axis.key, point.x)}"
    name = " ".join(text for text in (setting, line.label) if text)
    score = plots.label(findings.score.words)
    text = f"{plots.label(name)}<br>{score} {estimate_text(point.estimate)}"
    if point.estimate.n < 2:
        return text
    return f"{text}<br>over {count(point.estimate.n, 'config' if axis.averaged else findings.unit)}"


def curves_figure(curves: Sequence[Curve], kind: Kind) -> Figure | None:
    """Draws one kind of metric over the epochs: validation solid, training dotted.

    Without validation, training is solid. As soon as one of the runs has ended, the line is pale
    and has no band, because it is the mean of the remaining runs. The traces of a curve form one
    legendgroup, which the page shows and hides.
    """
    traces: list[dict[str, Any]] = []
    has_validation = any(kind.names.get("val") in curve.bands for curve in curves)
    # The name of a user's own metric may name no split.
    solid = ("", "val" if has_validation else "train")
    for index, curve in enumerate(curves):
        for split in ("val", "", "train"):
            if band := curve.bands.get(metric := kind.names.get(split, "")):
                name = f"{plots.label(curve.label)}, {plots.label(as_metric(metric).words)}"
                best = None if split == "train" else curve.best_epoch
                traces += _band_traces(band, name, index, split in solid, best)
    if not traces:
        return None
    shape = plots.layout("epoch", kind.words, 400)
    if max(trace["x"][-1] for trace in traces) < 10:
        shape["xaxis"]["dtick"] = 1  # avoids ticks at half epochs
    # A loss that falls by orders of magnitude needs a logarithmic axis.
    values = [value for trace in traces for value in trace["y"]]
    is_loss = all(as_metric(name).lower_is_better for name in kind.names.values())
    if is_loss and min(values) > 0 and max(values) > 20 * min(values):
        shape["yaxis"] |= {"type": "log", "dtick": 1, "tickformat": "~g"}
    return {"data": traces, "layout": shape}


def _band_traces(
    band: Band, name: str, index: int, is_solid: bool, best: float | None
) -> list[dict[str, Any]]:
    """Returns the traces of one metric: band, line and best epoch."""
    colour, group = PALETTE[index], {"legendgroup": f"{index}"}
    mean, whole = plots.rounded(band.mean), band.epochs[: band.whole]
    hover = f"{name}<br>epoch %{{x}}: %{{y:.4f}}<extra></extra>"
    dash, width = ("solid", 2) if is_solid else ("dot", 1.3)
    line: dict[str, Any] = {
        "type": "scatter", "mode": "lines" if len(band.epochs) > 1 else "markers", "x": whole,
        "y": mean[: band.whole], "name": name,
        "line": {"color": colour, "dash": dash, "width": width},
        "marker": {"color": colour}, "hovertemplate": hover, **group,
    }  # fmt: skip
    traces = [line]
    if is_solid and band.low != band.high:
        ends = plots.rounded(band.low[: band.whole]), plots.rounded(band.high[: band.whole])
        traces.insert(0, plots.filled(whole, *ends, colour) | group)
    if band.whole < len(band.epochs):
        # The pale part is the mean of the remaining runs. Both parts of the line share a point.
        start = band.whole - 1
        counts = [f"<br>{left} of {max(band.seeds)} runs left" for left in band.seeds[start:]]
        rest = line | {"x": band.epochs[start:], "y": mean[start:], "opacity": 0.4, "text": counts}
        rest["hovertemplate"] = hover.replace("<extra>", "%{text}<extra>")
        traces.append(rest)
    if best is not None:
        nearest = min(range(len(mean)), key=lambda index: abs(band.epochs[index] - best))
        at = [band.epochs[nearest]], [mean[nearest]]
        traces.append(plots.points(*at, colour, 9, "diamond") | group)
    return traces


def pareto_figure(findings: Findings, cost: str) -> Figure | None:
    """Draws the score against a cost; None if all costs are equal."""
    score = findings.score
    # The cost axis is logarithmic, so it cannot show zero.
    rows = [row for row in findings.scored if cost in row.metrics and row.metrics[cost].mean > 0]
    costs = [row.metrics[cost].mean for row in rows]
    if len(set(costs)) < 2:
        return None
    sign = 1 if score.lower_is_better else -1
    front = _front(costs, [sign * row.metrics[score].mean for row in rows])
    on_front = [rows[index] for index in front]
    # The front is found among all configs. The other marks are limited to the listed configs,
    # because many marks make a page slow.
    listed = enumerate(rows[: len(findings.listed)])
    groups = (
        ([row for index, row in listed if index not in front], plots.GREY, 8, "circle-open"),
        ([row for row in on_front if row.rank > 1], PALETTE[0], 9, "circle"),
        ([row for row in rows if row.rank == 1], PALETTE[1], 14, "star"),
    )
    steps = [costs[index] for index in front], [row.metrics[score].mean for row in on_front]
    shape = plots.layout(COSTS[cost], score.words, 360)
    shape["xaxis"] |= plots.log_axis(costs)
    marks = [_cost_marks(*group, cost, findings) for group in groups if group[0]]
    front_line = plots.path(*steps, PALETTE[0], 1.2, shape="hv", dash="dot")
    return {"data": [front_line, *marks], "layout": shape}


def _front(costs: Sequence[float], scores: Sequence[float]) -> list[int]:
    """Returns the indices of configs with a lower score than all cheaper configs."""
    front: list[int] = []
    for index in sorted(range(len(costs)), key=lambda i: (costs[i], scores[i])):
        if not front or scores[index] < scores[front[-1]]:
            front.append(index)
    return front


def _cost_marks(
    rows: Sequence[Row], colour: str, size: int, symbol: str, cost: str, findings: Findings
) -> dict[str, Any]:
    """Returns the marks of configs, with their confidence intervals."""
    scores = [row.metrics[findings.score] for row in rows]
    costs = [row.metrics[cost].mean for row in rows]
    texts = [
        f"{_config_words(row)}<br>{plots.label(findings.score.words)} {number(score.mean)}"
        f"<br>{value:,.6g} {COSTS[cost]}"
        for row, score, value in zip(rows, scores, costs, strict=True)
    ]
    marks = plots.points(costs, [one.mean for one in scores], colour, size, symbol, texts)
    return marks | {"cliponaxis": False} | plots.error_bars(scores, colour)


def _config_words(row: Row) -> str:
    return f"#{row.rank} {plots.label(row.words)}"


def lengths_figure(found: Mapping[str, Sequence[JsonObject]]) -> Figure:
    """Draws the accuracy of each config over the middles of the ranges of lengths."""
    traces = list[Figure]()
    for index, (words, ranges) in enumerate(found.items()):
        xs = [(one["shortest"] + one["longest"]) / 2 for one in ranges]
        texts = [
            "{}<br>{shortest} to {longest} steps: {accuracy:.4f}".format(plots.label(words), **one)
            for one in ranges
        ]
        ys = plots.rounded([one["accuracy"] for one in ranges])
        marks = plots.points(xs, ys, PALETTE[index], 7, plots.SYMBOLS[index], texts)
        traces += [plots.path(xs, ys, PALETTE[index], 2), marks]
    return {"data": traces, "layout": plots.layout("steps", "test accuracy", 320)}


def seeds_figure(findings: Findings) -> Figure:
    """Draws the scores of the first configs' replicates, with mean and interval."""
    drawn, score = findings.scored[:_MOST_STRIPS], findings.score
    before = "seed " if findings.unit == "seed" else ""
    traces: list[dict[str, Any]] = []
    for index, row in enumerate(drawn):
        colour, mean = PALETTE[1 if row.rank == 1 else 0], row.metrics[score]
        names, values = zip(*findings.board.scores(row), strict=True)
        texts = [
            f"{_config_words(row)}<br>{before}{name}: {number(value)}"
            for name, value in zip(names, values, strict=True)
        ]
        bar = plots.path([mean.low, mean.high], [index, index], colour + plots.BAND, 8)
        level = [index] * len(values)
        dots = plots.points(values, level, colour, 7, "circle-open", texts)
        tick = plots.points([mean.mean], [index], colour, 16, "line-ns")
        tick["marker"]["line"] = {"color": colour, "width": 2.5}
        traces += [bar, dots, tick]
    shape = plots.layout(score.words, "", 0)
    plots.name_rows(shape, [f"#{row.rank}  {row.words}" for row in drawn])
    return {"data": traces, "layout": shape}


def ranks_figure(names: Sequence[str], ranking: Ranking) -> Figure:
    """Draws the critical-difference diagram of Demsar (2006, JMLR 7), in rows.

    A bar beside the rows joins the methods of a clique, see `results.ranks`.

    Args:
        names: The names of the methods, in the order of their mean ranks.
    """
    drawn, ranks = names[:MOST_RANKED], ranking.mean_ranks[:MOST_RANKED]
    shape = plots.layout("mean rank", "", 0)
    texts = [f"{name} ({rank:.2f})" for name, rank in zip(drawn, ranks, strict=True)]
    plots.name_rows(shape, texts)
    # The bars stand side by side, to the right of the worst rank.
    worst = len(ranking.mean_ranks)
    step, most = 0.03 * worst, len(ranking.bars)
    shape["xaxis"] |= {"range": [0.8, worst + step * (most + 1)], "tick0": 1, "dtick": 1}
    levels = [*range(len(drawn))]
    marks = plots.points(ranks, levels, PALETTE[0], 9, "circle", map(plots.label, texts))
    bars = [
        plots.path([worst + step * level] * 2, ends, plots.GREY, 4)
        for level, ends in enumerate(ranking.bars, start=1)
    ]
    return {"data": [marks, *bars], "layout": shape}
