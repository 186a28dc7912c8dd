"""The figure of a confusion matrix."""

from collections.abc import Sequence
from typing import Any

from seqsweep.results.formatting import count, cut
from seqsweep.results.report.findings import Confusion
from seqsweep.results.report.plot_parts import GROUND, SHADES, Figure, ink_on, label, layout

_MOST_NUMBERED = 20
"""The number of classes up to which cells have their counts and axes their names."""

_LONGEST_CLASS = 18


def confusion_figure(confusion: Confusion) -> Figure:
    """The counts of a confusion matrix, shaded by their share of the row."""
    size = len(confusion.classes)
    shares = [[n / (sum(row) or 1) for n in row] for row in confusion.counts]
    names = [label(name) for name in short_classes(confusion)]
    hover = [
        [
            f"{names[t]} classified as {names[p]}<br>{count(n, 'time')}, "
            f"{shares[t][p]:.1%} of its row"
            for p, n in enumerate(row)
        ]
        for t, row in enumerate(confusion.counts)
    ]
    room = 6 * max(map(len, short_classes(confusion)))  # long names are vertical
    indices = range(size)
    # The basic bundle of plotly has no heatmap, so the cells are bars of height 1.
    trace = {
        "type": "bar", "width": 1, "textposition": "none",
        "x": [p for _ in indices for p in indices],
        "y": [1] * size**2, "base": [t - 0.5 for t in indices for _ in indices],
        "marker": {
            "color": [SHADES[round(100 * share)] for row in shares for share in row],
            "line": {"color": GROUND, "width": 1},
        },
        "hovertext": [text for row in hover for text in row], "hoverinfo": "text",
    }  # fmt: skip
    shape = layout("predicted class", "true class", min(760, max(300, 110 + 30 * size)) + room)
    marks = {"tickvals": list(indices), "ticktext": names, "showgrid": False, "ticks": ""}
    shape["xaxis"] |= marks | {"range": [-0.5, size - 0.5]}
    shape["yaxis"] |= marks | {"range": [size - 0.5, -0.5]}
    if size > _MOST_NUMBERED:
        shape["xaxis"]["showticklabels"] = shape["yaxis"]["showticklabels"] = False
    numbered = [_numbers(confusion, shares)] if size <= _MOST_NUMBERED else []
    return {"data": [trace, *numbered], "layout": shape}


def _numbers(confusion: Confusion, shares: Sequence[Sequence[float]]) -> dict[str, Any]:
    """The counts, each in a colour that is readable on its shade."""
    cells = [(t, p, n) for t, row in enumerate(confusion.counts) for p, n in enumerate(row) if n]
    return {
        "type": "scatter", "mode": "text", "hoverinfo": "skip",
        "x": [p for _, p, _ in cells], "y": [t for t, _, _ in cells],
        "text": [f"{n}" for _, _, n in cells],
        "textfont": {"color": [ink_on(shares[t][p]) for t, p, _ in cells]},
    }  # fmt: skip


def short_classes(confusion: Confusion) -> list[str]:
    """The names of the classes, cut to the room on an axis."""
    return [cut(name, _LONGEST_CLASS) for name in confusion.classes]


def confusion_width(confusion: Confusion) -> int:
    """The largest useful width in pixels; beyond it the cells would only become flat."""
    longest = max(map(len, short_classes(confusion)))
    return 130 + 8 * longest + max(62, 5 * longest) * len(confusion.classes)
