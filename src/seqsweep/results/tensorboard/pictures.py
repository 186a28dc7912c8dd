"""Draws pictures of a finished run: its errors, and the gradient through time.

The ground is transparent and texts have a medium tone, for TensorBoard's light and dark pages.
Shapes: C classes, T time steps.
"""

import io
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib import rcParams
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator

from seqsweep.results.formatting import split_words
from seqsweep.results.plot_parts import (
    class_labels,
    draw_confusion,
    drawable,
    paper_style,
)
from seqsweep.text import cut

_DPI, _WIDE, _HIGH = 150, 3.6, 3.0
WIDTH, HEIGHT = round(_WIDE * _DPI), round(_HIGH * _DPI)
"""The size of a picture in pixels. TensorBoard's page shows two or three of them side by side."""

_TONE = "#858585"
"""The colour of texts and lines: as clear on white as on TensorBoard's dark ground."""
_STYLE: Any = {
    "font.size": 9, "axes.labelsize": 9.5, "legend.fontsize": 8.5, "figure.titlesize": 9.5,
    "axes.linewidth": 0.8, "lines.linewidth": 1.4, "grid.color": _TONE, "grid.alpha": 0.25,
    "figure.facecolor": "none", "axes.facecolor": "none", "figure.dpi": _DPI,
    "figure.constrained_layout.use": False,  # choosing the place takes half of the time
    **dict.fromkeys(("text.color", "axes.labelcolor", "axes.edgecolor"), _TONE),
    **dict.fromkeys(("xtick.color", "ytick.color"), _TONE),
}  # fmt: skip


def png(draw: Callable[..., Figure], *given: Any) -> bytes:
    """Returns a drawn picture as the content of a png file."""
    buffer = io.BytesIO()
    with paper_style():
        rcParams.update(_STYLE)
        canvas = FigureCanvasAgg(draw(*given))
        canvas.print_png(buffer, pil_kwargs={"compress_level": 3})
    return buffer.getvalue()


def confusion(counts: Sequence[Sequence[int]], classes: Sequence[str], split: str) -> Figure:
    """Draws the confusion matrix.

    Args:
        counts: (C, C), a row for each true class and a column for each predicted class.
        classes: C names.
        split: the split of the counted sequences.
    """
    matrix = np.array(counts)
    title = f"{split_words(split)}, best epoch: {matrix.trace()} of {matrix.sum()} right"
    labels = class_labels(classes)
    longest = max(map(len, labels.values()))
    left, bottom = 0.12 + 0.02 * longest, 0.15 + (0.024 * longest if longest > 3 else 0)
    figure, axes = _plot(title, "predicted", "true", (left, bottom, 0.98 - left, 0.91 - bottom))
    draw_confusion(axes, counts, labels, 8.5 if len(matrix) <= 10 else 7)
    return figure


def gradient(norms: Mapping[str, Sequence[float | None]]) -> Figure:
    """Draws the norm of the gradient as it flows back through time.

    A line that falls steeply means that early time steps teach the network nothing (Bengio, Simard,
    Frasconi 1994, Learning long-term dependencies with gradient descent is difficult).

    Args:
        norms: the mean norm of dL/dh_t for each layer and direction, the last time step first.
    """
    title = "gradient through time: mean |dL/dh|"
    figure, axes = _plot(title, "steps before the last one read", "", (0.17, 0.15, 0.81, 0.76))
    # A norm that is missing, zero or too large for an axis leaves a gap.
    lines = {
        name: [norm if norm and 1e-100 < norm < 1e100 else math.nan for norm in values]
        for name, values in norms.items()
    }
    axes.set_yscale("log")
    drawn = [norm for line in lines.values() for norm in line if norm == norm]
    # Each decade has three ticks if there are few. Minor ticks would take half of the drawing time.
    subs = (1, 2, 5) if drawn and max(drawn) < 300 * min(drawn) else (1,)
    axes.yaxis.set_major_locator(LogLocator(subs=subs))
    axes.yaxis.set_major_formatter("{x:.4g}")
    axes.yaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.grid()
    # Both directions of a layer have one colour; the reverse direction is dashed.
    layers = list(dict.fromkeys(name.removesuffix(" reverse") for name in norms))
    for name, line in lines.items():
        colour = f"C{layers.index(name.removesuffix(' reverse'))}"
        style = "--" if name.endswith(" reverse") else "-"
        # A point between two gaps has no line, so it needs a dot.
        dot = "." if len(line) == 1 or any(map(math.isnan, line)) else ""
        axes.plot(line, style, marker=dot, color=colour, label=drawable(cut(name, 20)))
    axes.legend()
    return figure


def _plot(title: str, x: str, y: str, place: Any) -> tuple[Figure, Axes]:
    """Returns a new picture with empty axes.

    `place` is the left, bottom, width and height of the axes, as shares of the picture.
    """
    figure = Figure((_WIDE, _HIGH))
    axes = figure.add_axes(place)
    figure.suptitle(title)
    axes.set(xlabel=x, ylabel=y)
    return figure, axes
