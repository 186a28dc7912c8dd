"""Pictures of a finished run: errors, gradient through time, and states.

C classes, T time steps.
"""

import math
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from seqsweep.results.report.plot_parts import SHADES, decades, ink_on
from seqsweep.results.tensorboard.canvas import (
    BLACK,
    HEIGHT,
    WIDTH,
    Plot,
    Point,
    font_has,
    legend_size,
    linear_ticks,
    mixed,
    padded,
    text_width,
)

_TOP, _BOTTOM, _RIGHT = 35, HEIGHT - 53, WIDTH - 16
_MOST_COUNTS, _MOST_LABELS, _MOST_TICKS = 12, 25, 9
_LONGEST_LABEL = 14
_MISSING = "\N{WHITE SQUARE}"
_COLOURS = ("#1f77b4", "#ff7f0e", "#2ca02c", "#d62728", "#9467bd",
            "#8c564b", "#e377c2", "#7f7f7f", "#bcbd22", "#17becf")  # fmt: skip


def confusion(counts: Sequence[Sequence[int]], classes: Sequence[str], split: str) -> bytes:
    """Returns a PNG of the confusion matrix.

    Args:
        counts: (C, C), a row for each true class and a column for each predicted one.
        classes: C names.
        split: the split of the counted sequences.
    """
    size, total = len(counts), sum(map(sum, counts))
    right = sum(row[index] for index, row in enumerate(counts))
    # With many classes, only some have a label. Long labels below the axes read upwards.
    every = math.ceil(len(classes) / _MOST_LABELS)
    names = {float(index): _label(classes[index]) for index in range(0, len(classes), every)}
    longest = max(text_width(name) for name in names.values())
    upright = max(map(len, names.values())) > 3
    # The axes are the largest square that leaves room for the labels.
    left, bottom = 38 + longest, _BOTTOM - (longest - 12 if upright else 0)
    side = min(_RIGHT - left, bottom - _TOP)
    left += (_RIGHT - left - side) / 2

    plot = Plot((left, bottom - side, left + side, bottom), (-0.5, size - 0.5), (size - 0.5, -0.5))
    for row, values in enumerate(counts):
        for column, count in enumerate(values):
            share = count / max(1, sum(values))
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
    """Returns a PNG of the gradient's norm on its way back through time.

    After Bengio, Simard, Frasconi (1994), Learning long-term dependencies with gradient descent is
    difficult. If a line falls steeply, early time steps teach the network nothing.

    Args:
        norms: the mean norm of dL/dh_t for each layer and direction, the last time step first.
    """
    lines = {name: _logarithms(values) for name, values in norms.items()}
    finite = [point for points in lines.values() for point in _finite(points)]
    heights = [y for _, y in finite] or [0.0]
    low, high = min(heights), max(heights)
    if high - low < 0.01:  # A flat line is drawn in the middle.
        low, high = low - 0.5, high + 0.5
    x = padded([0, max(map(len, norms.values())) - 1])
    plot = Plot((72, _TOP, _RIGHT, _BOTTOM), x, padded([low, high]))
    ticks = linear_ticks(x), _log_ticks(low, high)
    plot.grid(*ticks)
    # Both directions of a layer have one colour; the reverse direction is dashed.
    layers = list(dict.fromkeys(name.removesuffix(" reverse") for name in norms))
    entries: list[tuple[str, str, float, bool]] = []
    for name, points in lines.items():
        colour = _COLOURS[layers.index(name.removesuffix(" reverse")) % len(_COLOURS)]
        dashed = name.endswith(" reverse")
        for part in _unbroken(points):
            plot.line(part, colour, 2.2, dashed)
            if len(part) == 1:
                plot.dot(part[0], colour, 4)
        entries.append((_label(name, 20), colour, 2.2, dashed))
    plot.frame()
    plot.ticks(*ticks)
    size = legend_size([label for label, *_ in entries])
    plot.legend(_emptiest_corner(plot, size, [plot.at(*point) for point in finite]), entries)
    plot.titles(
        "gradient through time: mean |dL/dh| of each step", "steps before the last one read"
    )
    return plot.png()


def trajectories(states: Mapping[str, Any], classes: Sequence[str]) -> bytes:
    """Returns a PNG of the last layer's states for each class.

    Args:
        states: `explained` is the share of the variance along both axes. `classes` has for each
            class the `mean` path and the paths of some `sequences`, (T, 2) each.
        classes: C names.
    """
    paths = [
        [_finite(line) for line in (*path["sequences"], path["mean"])]
        for path in states["classes"].values()
    ]
    # The axes fit all finite points of all paths.
    points = [point for path in paths for line in path for point in line] or [(0.0, 0.0)]
    ends = [padded([point[axis] for point in points]) for axis in (0, 1)]
    entries = [
        (_class_label(classes, number), _COLOURS[index % len(_COLOURS)], 3.2, False)
        for index, number in enumerate(states["classes"])
    ]
    width, height = legend_size([label for label, *_ in entries])
    plot = Plot((72, _TOP, WIDTH - width - 14, _BOTTOM), *ends)
    ticks = linear_ticks(ends[0]), linear_ticks(ends[1])
    plot.grid(*ticks)
    for path, (_, colour, *_) in zip(paths, entries, strict=True):
        for sequence in path[:-1]:
            plot.line(sequence, mixed(colour, 0.4), 1)
    # The means are drawn last, above the sequences of all classes.
    for path, (_, colour, thickness, _) in zip(paths, entries, strict=True):
        plot.line(path[-1], colour, thickness)
        for end in path[-1][-1:]:
            plot.dot(end, colour, 6, BLACK)
    plot.frame()
    plot.ticks(*ticks)
    plot.legend((WIDTH - width - 6, (_TOP + _BOTTOM - height) / 2), entries)
    shares = ["" if s is None else f" ({s:.0%} of the variance)" for s in states["explained"]]
    plot.titles(
        "states while reading: class means, their ends, sequences",
        f"first component{shares[0]}", f"second component{shares[1]}",
    )  # fmt: skip
    return plot.png()


def _logarithms(values: Sequence[float | None]) -> list[Point]:
    """Returns the points of a line on a logarithmic axis; NaN for gaps."""
    return [
        (step, math.log10(value) if value and 1e-300 < value < 1e300 else math.nan)
        for step, value in enumerate(values)
    ]


def _finite(points: Sequence[Sequence[float]]) -> list[Point]:
    return [(x, y) for x, y in points if math.isfinite(x) and math.isfinite(y)]


def _log_ticks(low: float, high: float) -> dict[float, str]:
    """Returns the ticks between two powers of ten, by their logarithms."""
    # The labels of the report's axes serve here too; some are left out if there are many.
    marks = decades([10**low, 10**high])
    every = math.ceil(len(marks["tickvals"]) / _MOST_TICKS)
    labels = zip(marks["tickvals"][::-every], marks["ticktext"][::-every], strict=True)
    room = 0.05 * (high - low)
    ticks = {math.log10(value): text for value, text in labels}
    return {tick: text for tick, text in ticks.items() if low - room <= tick <= high + room}


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
    """Returns the corner where a legend of this size covers the fewest points."""
    left, top, right, bottom = plot.box
    width, height = size
    # Of equal corners, `min` takes the first, the upper right one.
    corners = [
        (x, y) for x in (right - width - 6, left + 6) for y in (top + 6, bottom - height - 6)
    ]

    def covered(corner: Point) -> int:
        inside = (0 <= x - corner[0] <= width and 0 <= y - corner[1] <= height for x, y in points)
        return sum(inside)

    return min(corners, key=covered)


def _class_label(classes: Sequence[str], number: str) -> str:
    return _label(classes[int(number)] if int(number) < len(classes) else number)


def _label(name: str, longest: int = _LONGEST_LABEL) -> str:
    """Returns a name in one line that the font can draw."""
    text = "".join(_drawable(char) for char in str(name))
    return text if len(text) <= longest else text[: longest - 1] + "…"


@cache
def _drawable(char: str) -> str:
    if not char.isprintable():
        return " "
    return char if font_has(char) else _MISSING
