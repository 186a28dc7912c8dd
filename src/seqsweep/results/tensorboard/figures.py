"""Pictures of a finished run: its errors, how far its gradient reaches, what its states do.

C classes, T steps.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any

from seqsweep.results.report.plot_parts import SHADES, decades, ink_on
from seqsweep.results.tensorboard.canvas import (
    BLACK,
    HEIGHT,
    WIDTH,
    Plot,
    Point,
    is_known,
    legend_size,
    linear_ticks,
    mixed,
    padded,
    text_width,
)

_TOP, _BOTTOM, _RIGHT = 35, HEIGHT - 53, WIDTH - 16
_MOST_COUNTS, _MOST_LABELS, _MOST_TICKS = 12, 25, 9
_LABEL = 14
_MISSING = "\N{WHITE SQUARE}"
_COLORS = ("#1f77b4", "#ff7f0e", "#2ca02c", "#d62728", "#9467bd",
           "#8c564b", "#e377c2", "#7f7f7f", "#bcbd22", "#17becf")  # fmt: skip


def confusion(counts: Sequence[Sequence[int]], classes: Sequence[str], split: str) -> bytes:
    """Which classes are taken for which, as a PNG.

    Args:
        counts: (C, C), rows the true class.
        classes: C names.
        split: of which the sequences are.
    """
    size, total = len(counts), sum(map(sum, counts))
    right = sum(row[index] for index, row in enumerate(counts))
    every = math.ceil(len(classes) / _MOST_LABELS)
    names = {float(index): _label(classes[index]) for index in range(0, len(classes), every)}
    longest = max(text_width(name) for name in names.values())
    upright = max(map(len, names.values())) > 3
    left, bottom = 38 + longest, _BOTTOM - (longest - 12 if upright else 0)
    side = min(_RIGHT - left, bottom - _TOP)
    left += (_RIGHT - left - side) / 2

    plot = Plot((left, bottom - side, left + side, bottom), (-0.5, size - 0.5), (size - 0.5, -0.5))
    shares = [[count / max(1, sum(row)) for count in row] for row in counts]
    for row, column, count in _cells(counts):
        share = shares[row][column]
        corners = (column - 0.5, row + 0.5), (column + 0.5, row - 0.5)
        plot.cell(*corners, SHADES[round(100 * share)])
        if count and size <= _MOST_COUNTS:
            plot.text(plot.at(column, row), str(count), colour=ink_on(share))
    plot.frame()
    plot.ticks(names, names, upright)
    words = {"val": "validation", "test": "test", "train": "training"}.get(split, split)
    plot.titles(f"{words}, best epoch: {right} of {total} right", "predicted", "true")
    return plot.png()


def gradient(norms: Mapping[str, Sequence[float | None]]) -> bytes:
    """How the gradient of the loss shrinks or grows on its way back through time, as a PNG.

    After Bengio, Simard, Frasconi (1994), Learning long-term dependencies with gradient descent is
    difficult: where the line falls steeply, early steps teach the network nothing.

    Args:
        norms: for each layer and direction the mean norm of dL/dh_t, the last step first.
    """
    lines = {name: _logarithms(values) for name, values in norms.items()}
    ys = [y for points in lines.values() for _, y in points if math.isfinite(y)]
    low, high = (min(ys), max(ys)) if ys else (0.0, 0.0)
    if high - low < 0.01:  # a flat line is drawn in the middle
        low, high = low - 0.5, high + 0.5
    x = padded([0, max(map(len, norms.values())) - 1])
    plot = Plot((72, _TOP, _RIGHT, _BOTTOM), x, padded([low, high]))
    ticks = linear_ticks(x), _log_ticks(low, high)
    plot.grid(*ticks)
    layers = list(dict.fromkeys(name.removesuffix(" reverse") for name in norms))
    entries: list[tuple[str, str, float, bool]] = []
    for name, points in lines.items():
        color = _COLORS[layers.index(name.removesuffix(" reverse")) % len(_COLORS)]
        dashed = name.endswith(" reverse")
        for part in _unbroken(points):
            plot.line(part, color, 2.2, dashed)
            if len(part) == 1:
                plot.dot(part[0], color, 4)
        entries.append((_label(name, 20), color, 2.2, dashed))
    plot.frame()
    plot.ticks(*ticks)
    drawn = [plot.at(*p) for points in lines.values() for p in points if math.isfinite(p[1])]
    plot.legend(
        _emptiest_corner(plot, legend_size([label for label, *_ in entries]), drawn), entries
    )
    plot.titles(
        "gradient through time: mean |dL/dh| of each step", "steps before the last one read"
    )
    return plot.png()


def trajectories(found: Mapping[str, Any], classes: Sequence[str]) -> bytes:
    """The path of the last layer's state while it reads, by class, as a PNG.

    Args:
        found: `explained`, the share of the variance along both axes, and for each class the path
            of its mean and those of some sequences, (T, 2) each.
        classes: C names.
    """
    paths = [
        [_finite(line) for line in (*path["sequences"], path["mean"])]
        for path in found["classes"].values()
    ]
    points = [point for path in paths for line in path for point in line] or [(0.0, 0.0)]
    ends = [padded([point[axis] for point in points]) for axis in (0, 1)]
    entries = [
        (_name(classes, index), _COLORS[place % len(_COLORS)], 3.2, False)
        for place, index in enumerate(found["classes"])
    ]
    width, height = legend_size([label for label, *_ in entries])
    plot = Plot((72, _TOP, WIDTH - width - 14, _BOTTOM), *ends)
    ticks = linear_ticks(ends[0]), linear_ticks(ends[1])
    plot.grid(*ticks)
    for path, (_, color, *_) in zip(paths, entries, strict=True):
        for sequence in path[:-1]:
            plot.line(sequence, mixed(color, 0.4), 1)
    for path, (_, color, thickness, _) in zip(paths, entries, strict=True):
        plot.line(path[-1], color, thickness)
        for end in path[-1][-1:]:
            plot.dot(end, color, 6, BLACK)
    plot.frame()
    plot.ticks(*ticks)
    plot.legend((WIDTH - width - 6, (_TOP + _BOTTOM - height) / 2), entries)
    shares = ["" if s is None else f" ({s:.0%} of the variance)" for s in found["explained"]]
    plot.titles(
        "states while reading: class means, their ends, sequences",
        f"first component{shares[0]}", f"second component{shares[1]}",
    )  # fmt: skip
    return plot.png()


def _cells(counts: Sequence[Sequence[int]]) -> Iterator[tuple[int, int, int]]:
    """Row, column and count of all cells."""
    for row, values in enumerate(counts):
        for column, count in enumerate(values):
            yield row, column, count


def _logarithms(values: Sequence[float | None]) -> list[Point]:
    """Returns the points of a line; NaN for what has no place on a logarithmic axis."""
    return [
        (step, math.log10(value) if value and 1e-300 < value < 1e300 else math.nan)
        for step, value in enumerate(values)
    ]


def _finite(points: Sequence[Sequence[float]]) -> list[Point]:
    return [(x, y) for x, y in points if math.isfinite(x) and math.isfinite(y)]


def _log_ticks(low: float, high: float) -> dict[float, str]:
    """Returns the ticks between two powers of ten, by their logarithms."""
    marks = decades([10**low, 10**high])
    every = math.ceil(len(marks["tickvals"]) / _MOST_TICKS)
    labels = zip(marks["tickvals"][::-every], marks["ticktext"][::-every], strict=True)
    room = 0.05 * (high - low)
    places = {math.log10(value): text for value, text in labels}
    return {place: text for place, text in places.items() if low - room <= place <= high + room}


def _unbroken(points: Sequence[Point]) -> list[list[Point]]:
    """Returns the parts of a line between its gaps."""
    parts: list[list[Point]] = [[]]
    for point in points:
        if math.isfinite(point[1]):
            parts[-1].append(point)
        elif parts[-1]:
            parts.append([])
    return [part for part in parts if part]


def _emptiest_corner(plot: Plot, size: Point, points: Sequence[Point]) -> Point:
    """Returns where a legend covers the fewest of the points."""
    left, top, right, bottom = plot.box
    width, height = size
    corners = [
        (x, y) for x in (right - width - 6, left + 6) for y in (top + 6, bottom - height - 6)
    ]

    def covered(corner: Point) -> int:
        inside = (0 <= x - corner[0] <= width and 0 <= y - corner[1] <= height for x, y in points)
        return sum(inside)

    return min(corners, key=covered)


def _name(classes: Sequence[str], index: str) -> str:
    """Of a class by its number."""
    return _label(classes[int(index)] if int(index) < len(classes) else index)


def _label(name: str, longest: int = _LABEL) -> str:
    """On one line, and not too long for it; a box for a character that the font lacks."""
    text = "".join(_shown(char) for char in str(name))
    return text if len(text) <= longest else text[: longest - 1] + "…"


@cache
def _shown(char: str) -> str:
    if not char.isprintable():
        return " "
    return char if is_known(char) else _MISSING
