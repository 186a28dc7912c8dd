"""Builds the report's section on the confusion matrix."""

from seqsweep.results.confusion import Confusion, find_confusion
from seqsweep.results.findings import Findings
from seqsweep.results.report import plotly_parts as plots
from seqsweep.results.sections import TEMPLATES, Figure, Section
from seqsweep.text import count, cut

_MOST_NUMBERED = 20
"""The most classes for which cells show their counts and axes show class names."""


_LONGEST_CLASS = 18


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


def confusion_figure(confusion: Confusion) -> Figure:
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
