"""Makes the parts of a report's figures: colours, texts, axes.

All texts pass through `label`, because plotly interprets tags in any text. The colours are for a
light page; report.css inverts their lightness for readers who prefer a dark page.
"""

import math
from collections.abc import Iterable, Sequence
from html import escape, unescape
from textwrap import wrap
from typing import Any

from seqsweep.results.sections import Figure
from seqsweep.results.significance import Estimate

Scale = tuple[float, float]
"""The smallest and the largest value of an axis."""

PALETTE = (
    "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#B8860B", "#56B4E9", "#6A4C93", "#6B7280",
)  # fmt: skip
"""Colours for any colour vision, after Okabe and Ito (2008); their yellow is darker here."""

BAND, BAR = "29", "8C"
"""The opacity of a band and of an error bar, which follows a colour: 16 % and 55 %."""

GREY = PALETTE[-1]

SYMBOLS = ("circle", "square", "diamond", "triangle-up", "x", "cross", "star", "triangle-down")
DASHES = ("solid", "dash", "dot", "dashdot")
_MOST_TICKS = 10
_MOST_LOG_TICKS = 6
"""The most ticks of a logarithmic axis whose texts do not overlap on a phone."""

_LONGEST_LINE = 48


def label(text: object) -> str:
    """Escapes tags and variables, so that plotly shows a text unchanged.

    >>> label("<b>x</b>")
    '&lt;b&gt;x&lt;/b&gt;'
    """
    return escape(" ".join(str(text).split()), quote=False).replace("%{", "%\u200b{")


def rounded(values: Sequence[float]) -> list[float]:
    """Rounds values to five significant digits, which keeps the page small.

    >>> rounded([0.123456789, 1234.5678])
    [0.12346, 1234.6]
    """
    return [float(f"{value:.5g}") for value in values]


def layout(x: str, y: str, height: int) -> Figure:
    """Returns a layout with titled axes; the template in report.js sets the rest."""
    xaxis, yaxis = ({"title": {"text": label(title)}} for title in (x, y))
    return {"height": height, "xaxis": xaxis, "yaxis": yaxis}


def description(figure: Figure) -> str:
    """Returns what a figure shows, for readers who cannot see it: its axes and names."""
    x, y = (figure["layout"][axis]["title"]["text"] for axis in ("xaxis", "yaxis"))
    lines = dict.fromkeys(trace["name"] for trace in figure["data"] if trace.get("name"))
    rows = (mark["text"].replace("<br>", " ") for mark in figure["layout"].get("annotations", ()))
    names = "; ".join([*lines, *rows])
    return unescape(f"{f'{y} against {x}' if y else x}{f': {names}' if names else ''}")


def name_rows(shape: Figure, names: Sequence[str]) -> None:
    """Adds rows to a layout, each below its name.

    The first row is on top, at y = 0. Names stand above rows, because a name can be as wide as a
    phone's screen.
    """
    texts = [wrap(name, _LONGEST_LINE) for name in names]
    room = 26 + 15 * max(map(len, texts))
    shape["height"] = 80 + room * len(texts)
    shape["yaxis"] |= {
        "showticklabels": False, "showgrid": False, "ticks": "",
        "range": [len(texts) - 1 + 14 / room, -1 + 12 / room],
    }  # fmt: skip
    shape["annotations"] = [
        {"text": "<br>".join(map(label, lines)), "xref": "paper", "x": 0, "xanchor": "left",
         "y": index, "yanchor": "bottom", "yshift": 8, "align": "left", "showarrow": False}
        for index, lines in enumerate(texts)
    ]  # fmt: skip


def points(
    xs: Sequence[Any],
    ys: Sequence[Any],
    colour: str,
    size: int,
    symbol: str = "circle",
    texts: Iterable[str] = (),
) -> Figure:
    """Returns the trace of marks, with the texts that a mouse over a mark shows."""
    marker = {"color": colour, "symbol": symbol, "size": size}
    trace: Figure = {"type": "scatter", "mode": "markers", "x": list(xs), "y": list(ys)}
    hover = {"text": [*texts], "hoverinfo": "text"}
    return trace | {"marker": marker} | (hover if hover["text"] else {"hoverinfo": "skip"})


def path(xs: Sequence[Any], ys: Sequence[Any], colour: str, width: float, **more: Any) -> Figure:
    """Returns the trace of a line that shows no text."""
    line = {"color": colour, "width": width, **more}
    xy = {"x": list(xs), "y": list(ys)}
    return {"type": "scatter", "mode": "lines", **xy, "line": line, "hoverinfo": "skip"}


def filled(xs: Sequence[Any], lows: list[float], highs: list[float], colour: str) -> Figure:
    """Returns the band between the smallest and the largest values."""
    return {
        "type": "scatter", "mode": "lines", "fill": "toself", "fillcolor": colour + BAND,
        "x": [*xs, *reversed(xs)], "y": [*highs, *reversed(lows)],
        "line": {"width": 0, "color": colour}, "hoverinfo": "skip",
    }  # fmt: skip


def ticks(values: Sequence[Any], texts: Sequence[str], numeric: bool, log: bool) -> Figure:
    """Returns the ticks of an axis: one per value for few values.

    Values that are not numbers are at 0, 1, 2 and so on.
    """
    texts = [label(text) for text in texts]
    if not numeric:
        places = list(range(len(values)))
        return {"tickvals": places, "ticktext": texts, "range": [-0.5, len(values) - 0.5]}
    marks = {"tickvals": list(values), "ticktext": texts} if len(values) <= _MOST_TICKS else {}
    return (log_axis(values) if log else {"type": "linear"}) | marks


def log_axis(values: Sequence[float]) -> Figure:
    """Returns a logarithmic axis with few ticks: 500, 1k, 2k.

    >>> log_axis([480.0, 2100.0])["ticktext"]
    ['500', '1k', '2k']
    """
    low, high = min(values), max(values)
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    ticks: list[float] = []
    for digits in ((1, 2, 5), (1, 3), (1,)):
        ticks = [digit * 10.0**power for power in powers for digit in digits]
        ticks = [tick for tick in ticks if 0.95 * low <= tick <= 1.05 * high]
        if len(ticks) <= _MOST_LOG_TICKS:
            break
    ticks = ticks[:: len(ticks) // _MOST_LOG_TICKS + 1] or [low, high]
    return {"type": "log", "tickvals": ticks, "ticktext": list(map(_short_text, ticks))}


def _short_text(value: float) -> str:
    for factor, unit in ((1e6, "M"), (1e3, "k")):
        if value >= factor:
            return f"{value / factor:.3g}{unit}"
    return f"{value:.3g}"


def error_bars(estimates: Sequence[Estimate], colour: str) -> Figure:
    """Returns the part of a trace with the confidence intervals, if there are any."""
    above = [0.0 if each.high is None else each.high - each.mean for each in estimates]
    below = [0.0 if each.low is None else each.mean - each.low for each in estimates]
    if not any(above) and not any(below):
        return {}
    return {
        "error_y": {
            "type": "data", "symmetric": False, "array": above, "arrayminus": below,
            "thickness": 1.2, "width": 3, "color": colour + BAR,
        }
    }  # fmt: skip


def scale_of(values: Iterable[float]) -> Scale:
    """Returns the smallest and the largest value; 0 and 0 without values."""
    values = list(values)
    return (min(values), max(values)) if values else (0.0, 0.0)
