"""The figures of a report as plotly reads them: plain dicts of data and layout.

plotly's Python objects are not needed for that, and would cost more than the whole report.
"""

import math
from collections.abc import Sequence
from textwrap import wrap
from typing import Any

from seqsweep.results.formatting import count, interval_text, kind_words, metric_words, value_text
from seqsweep.results.report.curves import Band
from seqsweep.results.report.findings import Config, Confusion, Curve, Report
from seqsweep.results.report.panels import Axis, Line, Panel
from seqsweep.results.report.pareto import pareto_figure
from seqsweep.results.report.plot_parts import (
    DASHES,
    GROUND,
    PALETTE,
    SHADES,
    SYMBOLS,
    Figure,
    chosen_epoch,
    colour_of,
    faded,
    filled,
    ink_on,
    label,
    layout,
    literal,
    padded,
    rounded,
    ticks,
)

_MOST_NUMBERED = 20
_MOST_STRIPS = 12
_LONGEST_CLASS = 18
_LONGEST_LINE = 48


def figures(report: Report) -> dict[str, Figure]:
    """All figures of a report by their place in the page; those that show something."""
    found: dict[str, Figure | None] = {}
    if report.axis:
        for place, panel in enumerate(report.axis.panels):
            found[f"axis-{place}"] = axis_figure(report.axis, panel, report)
    for kind in ("loss", "acc"):
        found[f"curves-{kind}"] = curves_figure(report.curves, kind)
    if len(report.scored) > 1:
        for cost in ("params", "train_seconds")[: 1 if report.shares_time else 2]:
            found[f"pareto-{cost}"] = pareto_figure(report.scored, cost, report)
    if report.confusion:
        found["confusion"] = confusion_figure(report.confusion)
    if report.has_seeds:
        found["seeds"] = seeds_figure(report.scored, report.score)
    return {name: figure for name, figure in found.items() if figure is not None}


def axis_figure(axis: Axis, panel: Panel, report: Report) -> Figure:
    """The score along one key; all panels have one scale."""
    traces: list[dict[str, Any]] = []
    for place, line in enumerate(panel.lines):
        shift = 0.0 if axis.numeric else 0.12 * (place - (len(panel.lines) - 1) / 2)
        traces += _line(axis, line, shift, report)
    ends = [
        end for other in axis.panels for line in other.lines for p in line.points
        for end in (p.low, p.high)
    ]  # fmt: skip
    shape = layout(report.names[axis.key], metric_words(report.score), 380)
    shape["xaxis"] |= ticks(axis.values, axis.key, axis.numeric, axis.log)
    if len(axis.panels) > 1 or min(ends) == max(ends):  # by itself plotly shows 0 to 2 around 1
        shape["yaxis"]["range"] = padded(ends)
    if len(axis.panels) > 1:
        shape["height"] = 300
    return {"data": traces, "layout": shape}


def curves_figure(curves: Sequence[Curve], kind: str) -> Figure | None:
    """Loss or accuracy over the epochs: validation in full with its band, training dotted.

    Without validation it is training that is drawn in full. From where a seed has ended the line is
    pale and has no band: it is the mean of the seeds that are left. The traces of a curve are one
    legendgroup, which the page shows and hides.
    """
    traces: list[dict[str, Any]] = []
    has_validation = any(f"val/{kind}" in curve.bands for curve in curves)
    first = "val" if has_validation else "train"
    for place, curve in enumerate(curves):
        colour = colour_of(place)
        group = {"legendgroup": f"{place}"}
        for split in ("val", "train"):
            band = curve.bands.get(f"{split}/{kind}")
            if band is None:
                continue
            mean = rounded(band.mean)
            if split == first and band.low != band.high:
                ends = rounded(band.low[: band.whole]), rounded(band.high[: band.whole])
                traces.append(filled(band.epochs[: band.whole], *ends, colour) | group)
            name = f"{label(curve.label)}, {metric_words(f'{split}/{kind}')}"
            hover = f"{literal(name)}<br>epoch %{{x}}: %{{y:.4f}}<extra></extra>"
            mode = "lines" if len(band.epochs) > 1 else "markers"
            dash, width = ("solid", 2) if split == first else ("dot", 1.3)
            line = {"color": colour, "dash": dash, "width": width}
            drawn = {
                "type": "scatter", "mode": mode, "x": band.epochs[: band.whole],
                "y": mean[: band.whole], "name": name, "line": line,
                "marker": {"color": colour}, "hovertemplate": hover, **group,
            }  # fmt: skip
            traces.append(drawn)
            if band.whole < len(band.epochs):
                traces.append(drawn | _of_seeds_left(band, hover))
            if split == "val" and curve.best_epoch is not None:
                traces.append(chosen_epoch(band.epochs, mean, curve.best_epoch, colour) | group)
    if not traces:
        return None
    shape = layout("epoch", kind_words(kind), 400)
    if max(trace["x"][-1] for trace in traces) < 10:
        shape["xaxis"]["dtick"] = 1  # no half epochs
    values = [value for trace in traces for value in trace["y"]]
    if kind == "loss" and min(values) > 0 and max(values) > 20 * min(values):
        shape["yaxis"] |= {"type": "log", "dtick": 1, "tickformat": "~g"}
    return {"data": traces, "layout": shape}


def _of_seeds_left(band: Band, hover: str) -> dict[str, Any]:
    """The part of a line after the first seed has ended, joined to the part before it."""
    start = band.whole - 1
    counts = [f"<br>{seeds} of {max(band.seeds)} seeds left" for seeds in band.seeds[start:]]
    return {
        "x": band.epochs[start:], "y": rounded(band.mean[start:]), "opacity": 0.4, "text": counts,
        "hovertemplate": hover.replace("<extra>", "%{text}<extra>"),
    }  # fmt: skip


def confusion_figure(confusion: Confusion) -> Figure:
    """Counts, shaded by the share of their row."""
    size = len(confusion.classes)
    shares = [[n / (sum(row) or 1) for n in row] for row in confusion.counts]
    names = [label(name) for name in short_classes(confusion)]
    hover = [
        [
            f"{names[t]} taken for {names[p]}<br>{count(n, 'time')}, {shares[t][p]:.1%} of its row"
            for p, n in enumerate(row)
        ]
        for t, row in enumerate(confusion.counts)
    ]
    room = 6 * max(map(len, short_classes(confusion)))  # long names stand upright below
    places = range(size)
    # Bars of height 1, since the basic bundle of plotly has no heatmap.
    trace = {
        "type": "bar", "width": 1, "textposition": "none",
        "x": [p for _ in places for p in places],
        "y": [1] * size**2, "base": [t - 0.5 for t in places for _ in places],
        "marker": {
            "color": [SHADES[round(100 * share)] for row in shares for share in row],
            "line": {"color": GROUND, "width": 1},
        },
        "hovertext": [text for row in hover for text in row], "hoverinfo": "text",
    }  # fmt: skip
    shape = layout("taken for", "true class", min(760, max(300, 110 + 30 * size)) + room)
    marks = {"tickvals": list(places), "ticktext": names, "showgrid": False, "ticks": ""}
    shape["xaxis"] |= marks | {"range": [-0.5, size - 0.5]}
    shape["yaxis"] |= marks | {"range": [size - 0.5, -0.5]}
    if size > _MOST_NUMBERED:
        shape["xaxis"]["showticklabels"] = shape["yaxis"]["showticklabels"] = False
    numbered = [_numbers(confusion, shares)] if size <= _MOST_NUMBERED else []
    return {"data": [trace, *numbered], "layout": shape}


def _numbers(confusion: Confusion, shares: Sequence[Sequence[float]]) -> dict[str, Any]:
    """The counts on their shades, each in the colour that can be read there."""
    cells = [(t, p, n) for t, row in enumerate(confusion.counts) for p, n in enumerate(row) if n]
    return {
        "type": "scatter", "mode": "text", "hoverinfo": "skip",
        "x": [p for _, p, _ in cells], "y": [t for t, _, _ in cells],
        "text": [f"{n}" for _, _, n in cells],
        "textfont": {"color": [ink_on(shares[t][p]) for t, p, _ in cells]},
    }  # fmt: skip


def short_classes(confusion: Confusion) -> list[str]:
    """The names of the classes as far as an axis has room for them."""
    return [
        name if len(name) <= _LONGEST_CLASS else f"{name[: _LONGEST_CLASS - 1]}…"
        for name in confusion.classes
    ]


def confusion_width(confusion: Confusion) -> int:
    """Beyond this width, in pixels, the cells would only grow flat."""
    longest = max(map(len, short_classes(confusion)))
    return 130 + 8 * longest + max(62, 5 * longest) * len(confusion.classes)


def seeds_figure(configs: Sequence[Config], score: str) -> Figure:
    """Every seed's score of the first configs, with mean and range."""
    shown = configs[:_MOST_STRIPS]
    traces: list[dict[str, Any]] = []
    for place, config in enumerate(shown):
        values = [value for _, value in config.scores]
        colour = PALETTE[1] if config.rank == 1 else PALETTE[0]
        hover = [
            f"#{config.rank} {label(config.words)}<br>seed {seed}: {value:.4f}"
            for seed, value in config.scores
        ]
        traces += [
            {"type": "scatter", "mode": "lines", "x": [min(values), max(values)],
             "y": [place, place], "line": {"color": faded(colour), "width": 8},
             "hoverinfo": "skip"},
            {"type": "scatter", "mode": "markers", "x": values, "y": [place] * len(values),
             "marker": {"color": colour, "size": 7, "symbol": "circle-open"},
             "text": hover, "hoverinfo": "text"},
            {"type": "scatter", "mode": "markers", "x": [math.fsum(values) / len(values)],
             "y": [place], "hoverinfo": "skip",
             "marker": {"color": colour, "size": 16, "symbol": "line-ns",
                        "line": {"color": colour, "width": 2.5}}},
        ]  # fmt: skip
    names = [wrap(f"#{config.rank}  {config.words}", _LONGEST_LINE) for config in shown]
    room = 26 + 15 * max(map(len, names))
    shape = layout(metric_words(score), "", 80 + room * len(shown))
    shape["yaxis"] |= {
        "showticklabels": False, "showgrid": False, "ticks": "",
        "range": [len(shown) - 1 + 14 / room, -1 + 12 / room],
    }  # fmt: skip
    # Above the strip and not beside it: names are as long as a phone is wide.
    shape["annotations"] = [
        {"text": "<br>".join(map(label, lines)), "xref": "paper", "x": 0, "xanchor": "left",
         "y": place, "yanchor": "bottom", "yshift": 8, "align": "left", "showarrow": False}
        for place, lines in enumerate(names)
    ]  # fmt: skip
    return {"data": traces, "layout": shape}


def _line(axis: Axis, line: Line, shift: float, report: Report) -> list[dict[str, Any]]:
    """One line with its band; dots with their ranges where the key is no number."""
    colour = colour_of(line.group)
    points = line.points
    xs = [p.x if axis.numeric else axis.values.index(p.x) + shift for p in points]
    lows, highs = [p.low for p in points], [p.high for p in points]
    trace: dict[str, Any] = {
        "type": "scatter", "mode": "lines+markers" if axis.joined else "markers",
        "x": xs, "y": [p.mean for p in points], "name": label(line.label),
        "line": {"color": colour, "dash": DASHES[line.style % len(DASHES)], "width": 2},
        "marker": {"color": colour, "size": 7, "symbol": SYMBOLS[line.group % len(SYMBOLS)]},
        "text": [_point_words(axis, line, place, report) for place in range(len(points))],
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


def _point_words(axis: Axis, line: Line, place: int, report: Report) -> str:
    point = line.points[place]
    where = f"{report.names[axis.key]}={value_text(axis.key, point.x)}"
    name = " ".join(text for text in (where, line.label) if text)
    text = f"{label(name)}<br>{metric_words(report.score)} {point.mean:.4f}"
    if point.n < 2:
        return text
    of = count(point.n, "config" if axis.averaged else "seed")
    return f"{text}<br>{interval_text(point.low, point.high)} over {of}"
