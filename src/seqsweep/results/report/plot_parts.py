"""The parts of a report's figures: colours, texts, axes.

Texts go through `label`, since plotly interprets tags in any text. Colours are those of a light
page; the page replaces them by those of DARK if a reader prefers a dark one.
"""

import math
from collections.abc import Iterable, Sequence
from html import escape
from itertools import pairwise
from typing import Any

from seqsweep.results.formatting import value_text

Figure = dict[str, Any]

Scale = tuple[float, float]
"""The smallest and the largest value of an axis."""

PALETTE = (
    "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#B8860B", "#56B4E9", "#6A4C93", "#6B7280",
)  # fmt: skip
"""Colours for any colour vision, after Okabe and Ito (2008); their yellow is darker here."""

_ON_DARK = (
    "#4AA3E8", "#FF8B4D", "#35C79A", "#E8A5CB", "#E6BE4B", "#A9DDFF", "#B79AE0", "#A3ABB8",
)  # fmt: skip
BAND = 0.16
BAR = 0.55
HEAT = ("#F3F6F9", "#0B5C94")
HEAT_ON_DARK = ("#1D242C", "#2273B4")
GREY = PALETTE[-1]
GROUND, _GROUND_ON_DARK = "white", "#12171D"
"""The colours of the page itself, as in report.css."""

INKS = ("#000000", "#FFFFFF")
"""The colours of numbers on pale and on dark shades; all shades of a dark page are dark."""

SYMBOLS = ("circle", "square", "diamond", "triangle-up", "x", "cross", "star", "triangle-down")
DASHES = ("solid", "dash", "dot", "dashdot")
_MOST_TICKS = 10


def label(text: object) -> str:
    """A text that plotly shows unchanged, with its tags escaped.

    >>> label("<b>x</b>")
    '&lt;b&gt;x&lt;/b&gt;'
    """
    return escape(" ".join(str(text).split()), quote=False)


def faded(colour: str, alpha: float = BAND) -> str:
    """The transparent colour of a band or of a bar."""
    red, green, blue = (int(colour[start : start + 2], 16) for start in (1, 3, 5))
    return f"rgba({red},{green},{blue},{alpha})"


def shade(share: float, ends: tuple[str, str] = HEAT) -> tuple[float, float, float]:
    """The colour of a share between two colours, as red, green, blue."""
    low, high = ([int(end[start : start + 2], 16) / 255 for start in (1, 3, 5)] for end in ends)
    red, green, blue = (a + share * (b - a) for a, b in zip(low, high, strict=True))
    return red, green, blue


def _shades(ends: tuple[str, str], steps: int = 100) -> list[str]:
    """The colours of 0 % to 100 % between two colours."""
    return [
        "#" + "".join(f"{round(255 * part):02X}" for part in shade(step / steps, ends))
        for step in range(steps + 1)
    ]


def _scale(anchors: Sequence[str]) -> list[str]:
    """The colours through all anchors, nine from each to the next."""
    parts = [_shades(ends, 9)[:-1] for ends in pairwise(anchors)]
    return [*(colour for part in parts for colour in part), anchors[-1]]


SHADES = _shades(HEAT)
SCALE = _scale(("#CFE0A9", "#7FCDBB", "#2C9FBF", "#225EA8", "#141B5C"))
"""The colours of lines from the worst to the best value, after ColorBrewer's YlGnBu.

Hue and lightness both change, so any colour vision distinguishes them. The best have most contrast
with the page."""

_SCALE_ON_DARK = _scale(("#4A3F7A", "#31688E", "#21918C", "#5EC962", "#FDE725"))
"""Viridis of matplotlib, without its darkest part."""

DARK = (
    dict(zip(PALETTE, _ON_DARK, strict=True))
    | {
        faded(a, alpha): faded(b, alpha)
        for a, b in zip(PALETTE, _ON_DARK, strict=True)
        for alpha in (BAND, BAR)
    }
    | dict(zip(SHADES, _shades(HEAT_ON_DARK), strict=True))
    | dict(zip(SCALE, _SCALE_ON_DARK, strict=True))
    | {INKS[0]: INKS[1], GROUND: _GROUND_ON_DARK}
)
"""The dark page's colour for each colour of a figure."""


def luminance(colour: tuple[float, float, float]) -> float:
    """The relative luminance by WCAG 2.1, 0 to 1.

    >>> luminance((1.0, 1.0, 1.0))
    1.0
    """
    # The inverse of the sRGB transfer function.
    linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in colour]
    return round(0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2], 9)


def ink_on(share: float) -> str:
    """The colour with more contrast on the shade of a share.

    >>> ink_on(0.0), ink_on(1.0)
    ('#000000', '#FFFFFF')
    """
    # WCAG's contrast ratio of black and white ink on the shade.
    light = luminance(shade(share)) + 0.05
    return INKS[0] if light / 0.05 > 1.05 / light else INKS[1]


def colour_of(index: int) -> str:
    """The colour of a line; colours repeat after the last one."""
    return PALETTE[index % len(PALETTE)]


def rounded(values: Sequence[float]) -> list[float]:
    """The values with five significant digits, which keeps the page small.

    >>> rounded([0.123456789, 1234.5678])
    [0.12346, 1234.6]
    """
    return [float(f"{value:.5g}") for value in values]


def literal(text: str) -> str:
    """A text for a hover template, without variables of plotly."""
    return text.replace("%{", "%\u200b{")


def layout(x: str, y: str, height: int) -> Figure:
    """A layout with titled axes; the page sets its colours and fonts."""
    return {
        "height": height,
        "margin": {"l": 12, "r": 16, "t": 12, "b": 12},
        "xaxis": {"title": {"text": label(x), "standoff": 8}, "automargin": True},
        "yaxis": {"title": {"text": label(y), "standoff": 8}, "automargin": True},
        "hovermode": "closest",
        "showlegend": False,
    }


def filled(xs: Sequence[Any], lows: list[float], highs: list[float], colour: str) -> Figure:
    """The band between the smallest and the largest values."""
    return {
        "type": "scatter", "mode": "lines", "fill": "toself", "fillcolor": faded(colour),
        "x": [*xs, *reversed(xs)], "y": [*highs, *reversed(lows)],
        "line": {"width": 0, "color": colour}, "hoverinfo": "skip",
    }  # fmt: skip


def chosen_epoch(epochs: list[int], values: list[float], best: float, colour: str) -> Figure:
    """A mark at the point nearest to the best epoch."""
    index = min(range(len(epochs)), key=lambda i: abs(epochs[i] - best))
    return {
        "type": "scatter", "mode": "markers", "x": [epochs[index]], "y": [values[index]],
        "marker": {"color": colour, "symbol": "diamond", "size": 9}, "hoverinfo": "skip",
    }  # fmt: skip


def ticks(values: Sequence[Any], key: str, numeric: bool, log: bool) -> Figure:
    """The ticks of an axis, the values themselves if they are few.

    Words are at 0, 1, 2 and so on.
    """
    if not numeric:
        return {
            "tickvals": list(range(len(values))),
            "ticktext": [label(value_text(key, value)) for value in values],
            "range": [-0.5, len(values) - 0.5],
        }
    axis: Figure = {"type": "log" if log else "linear"}
    if len(values) <= _MOST_TICKS:
        axis |= {"tickvals": list(values), "ticktext": [value_text(key, v) for v in values]}
    elif log:
        axis |= decades(values)
    return axis


def decades(values: Sequence[float]) -> Figure:
    """The ticks of a logarithmic axis: 1, 2, 5 or 1 per decade.

    At least two are between the smallest and the largest value, if necessary these themselves.
    """
    low, high = min(values), max(values)
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    steps = (1, 2, 5) if high < 300 * low else (1,)
    # Try 1, 2, 5 of each power, then 1 to 9, then the ends.
    marks = _between([float(f"{step}e{power}") for power in powers for step in steps], low, high)
    marks = marks or _between([float(f"{n}e{p}") for p in powers for n in range(1, 10)], low, high)
    marks = marks or sorted({float(f"{value:.3g}") for value in (low, high)})
    return {"tickvals": marks, "ticktext": [_round_text(mark) for mark in marks]}


def _between(marks: list[float], low: float, high: float) -> list[float]:
    """The marks if at least two are between low and high, else none."""
    return marks if sum(low <= mark <= high for mark in marks) >= 2 else []


def _round_text(value: float) -> str:
    """The text of a round number.

    >>> _round_text(0.2), _round_text(5000), _round_text(2e6)
    ('0.2', '5k', '2M')
    """
    for unit, name in ((1e6, "M"), (1e3, "k")):
        if value >= unit:
            return f"{value / unit:,.10g}{name}"
    return f"{value:.10g}"


def padded(values: Sequence[float]) -> list[float]:
    """A range with a little room around all values."""
    low, high = min(values), max(values)
    # Equal values get a range too.
    room = 0.06 * (high - low) or 0.01
    return [low - room, high + room]


def scale_of(values: Iterable[float]) -> Scale:
    """The smallest and the largest value; 0 and 0 without values."""
    values = list(values)
    return (min(values), max(values)) if values else (0.0, 0.0)
