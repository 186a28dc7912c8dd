"""The figures of a report for plotly, as plain dicts of data and layout.

plotly's Python objects are not needed for this and would take longer than the whole report.
"""

import math
from collections.abc import Sequence
from textwrap import wrap
from typing import Any

from seqsweep.results.formatting import count, interval_text, kind_words, metric_words, value_text
from seqsweep.results.report.confusion_plot import confusion_figure
from seqsweep.results.report.curves import Band
from seqsweep.results.report.findings import Config, Curve, Report
from seqsweep.results.report.pareto import pareto_figure
from seqsweep.results.report.plot_parts import (
    DASHES,
    PALETTE,
    SYMBOLS,
    Axis,
    Figure,
    Line,
    Panel,
    Point,
    chosen_epoch,
    colour_of,
    faded,
    filled,
    label,
    layout,
    literal,
    padded,
    rounded,
    ticks,
)

_MOST_STRIPS = 12
_LONGEST_LINE = 48


def figures(report: Report) -> dict[str, Figure]:
    """The figures of a report that show something, by their place in the page."""
    result: dict[str, Figure | None] = {}
    if report.axis:
        for index, panel in enumerate(report.axis.panels):
            result[f"axis-{index}"] = axis_figure(report.axis, panel, report)
    for kind in ("loss", "acc"):
        result[f"curves-{kind}"] = curves_figure(report.curves, kind)
    # A front over several data sets would compare scores of different test sets.
    if len(report.scored) > 1 and report.across is None:
        for cost in ("params", "train_seconds"):
            result[f"pareto-{cost}"] = pareto_figure(report.scored, cost, report)
    if report.confusion:
        result["confusion"] = confusion_figure(report.confusion)
    if report.has_seeds:
        result["seeds"] = seeds_figure(report.scored, report.score, report.unit)
    for extra in report.extras:
        result |= extra.figures
    return {name: figure for name, figure in result.items() if figure is not None}


def axis_figure(axis: Axis, panel: Panel, report: Report) -> Figure:
    """The score along one key; all panels share one scale."""
    traces: list[dict[str, Any]] = []
    for index, line in enumerate(panel.lines):
        # Points at the same word are drawn side by side.
        shift = 0.0 if axis.numeric else 0.12 * (index - (len(panel.lines) - 1) / 2)
        traces += _line(axis, line, shift, report)
    ends = [
        end for other in axis.panels for line in other.lines for p in line.points
        for end in (p.low, p.high)
    ]  # fmt: skip
    shape = layout(report.names[axis.key], metric_words(report.score), 380)
    shape["xaxis"] |= ticks(axis.values, axis.key, axis.numeric, axis.log)
    # Around a single value of 1 plotly would show 0 to 2.
    if len(axis.panels) > 1 or min(ends) == max(ends):
        shape["yaxis"]["range"] = padded(ends)
    if len(axis.panels) > 1:
        shape["height"] = 300
    return {"data": traces, "layout": shape}


def curves_figure(curves: Sequence[Curve], kind: str) -> Figure | None:
    """Loss or accuracy over the epochs: validation solid with its band, training dotted.

    Without validation, training is solid. After the first run has ended the line is pale and has no
    band: it is the mean of the remaining runs. The traces of a curve are one legendgroup,
    which the page shows and hides.
    """
    traces: list[dict[str, Any]] = []
    has_validation = any(f"val/{kind}" in curve.bands for curve in curves)
    solid = "val" if has_validation else "train"
    for index, curve in enumerate(curves):
        for split in ("val", "train"):
            if band := curve.bands.get(f"{split}/{kind}"):
                name = f"{label(curve.label)}, {metric_words(f'{split}/{kind}')}"
                best = curve.best_epoch if split == "val" else None
                traces += _band_traces(band, name, index, split == solid, best)
    if not traces:
        return None
    shape = layout("epoch", kind_words(kind), 400)
    if max(trace["x"][-1] for trace in traces) < 10:
        shape["xaxis"]["dtick"] = 1  # no half epochs
    # A loss that falls by orders of magnitude needs a logarithmic axis.
    values = [value for trace in traces for value in trace["y"]]
    if kind == "loss" and min(values) > 0 and max(values) > 20 * min(values):
        shape["yaxis"] |= {"type": "log", "dtick": 1, "tickformat": "~g"}
    return {"data": traces, "layout": shape}


def _band_traces(
    band: Band, name: str, index: int, is_solid: bool, best: float | None
) -> list[dict[str, Any]]:
    """The band, the line and the best epoch of one metric."""
    colour = colour_of(index)
    group = {"legendgroup": f"{index}"}
    mean, whole = rounded(band.mean), band.epochs[: band.whole]
    hover = f"{literal(name)}<br>epoch %{{x}}: %{{y:.4f}}<extra></extra>"
    dash, width = ("solid", 2) if is_solid else ("dot", 1.3)
    line: dict[str, Any] = {
        "type": "scatter", "mode": "lines" if len(band.epochs) > 1 else "markers", "x": whole,
        "y": mean[: band.whole], "name": name,
        "line": {"color": colour, "dash": dash, "width": width},
        "marker": {"color": colour}, "hovertemplate": hover, **group,
    }  # fmt: skip
    traces = [line]
    if is_solid and band.low != band.high:
        ends = rounded(band.low[: band.whole]), rounded(band.high[: band.whole])
        traces.insert(0, filled(whole, *ends, colour) | group)
    if band.whole < len(band.epochs):
        # The mean of the remaining runs. The two parts of the line share a point.
        start = band.whole - 1
        counts = [f"<br>{left} of {max(band.seeds)} runs left" for left in band.seeds[start:]]
        rest = line | {"x": band.epochs[start:], "y": mean[start:], "opacity": 0.4, "text": counts}
        rest["hovertemplate"] = hover.replace("<extra>", "%{text}<extra>")
        traces.append(rest)
    if best is not None:
        traces.append(chosen_epoch(band.epochs, mean, best, colour) | group)
    return traces


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


def _line(axis: Axis, line: Line, shift: float, report: Report) -> list[dict[str, Any]]:
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
        "text": [_point_words(axis, line, point, report) for point in points],
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


def _point_words(axis: Axis, line: Line, point: Point, report: Report) -> str:
    setting = f"{report.names[axis.key]}={value_text(axis.key, point.x)}"
    name = " ".join(text for text in (setting, line.label) if text)
    text = f"{label(name)}<br>{metric_words(report.score)} {point.mean:.4f}"
    if point.n < 2:
        return text
    of = count(point.n, "config" if axis.averaged else report.unit)
    return f"{text}<br>{interval_text(point.low, point.high)} over {of}"
