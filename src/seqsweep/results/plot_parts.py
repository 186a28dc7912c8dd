"""Makes the parts that figures share: style, texts, a confusion matrix, files.

This package avoids pyplot, which keeps one current figure for the whole process.
"""

import contextlib
import io
import math
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from textwrap import wrap
from typing import Any, NamedTuple

import numpy as np
from matplotlib import rc_context, rcdefaults, rcParams
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont, get_font
from matplotlib.image import AxesImage

from seqsweep.runs.files import write_bytes, write_text
from seqsweep.text import cut

WIDTHS = {1: 85, 2: 175}
"""The width of a figure in mm, by the number of columns of a page."""

INKS = ("#1F2A44", "#D55E00", "#56B4E9", "#7A1F5C", "#E8A200")
"""Colours with different lightness, for a paper that is printed in grey."""
GREY = "#7F7F7F"
SYMBOLS = ("o", "s", "^", "D", "v")
DASHES = ("-", (0, (5, 1.5)), (0, (1, 1)), (0, (5, 1, 1, 1)), (0, (8, 2)))

_STYLE: Any = {
    "svg.fonttype": "none", "svg.hashsalt": "seqsweep", "pdf.fonttype": 42,
    "font.size": 7, "axes.labelsize": 8, "legend.fontsize": 7, "legend.frameon": False,
    "axes.linewidth": 0.6, "axes.spines.top": False, "axes.spines.right": False,
    "axes.formatter.useoffset": False, "lines.linewidth": 1, "lines.solid_capstyle": "butt",
    "lines.markersize": 3.5, "xtick.major.width": 0.6, "ytick.major.width": 0.6,
    "xtick.major.size": 2.5, "ytick.major.size": 2.5, "grid.color": "#E3E3E3",
    "grid.linewidth": 0.5, "axes.axisbelow": True, "text.parse_math": False,
    "figure.constrained_layout.use": True,
}  # fmt: skip
# Files of equal figures are equal, so they name neither the time nor matplotlib's version.
_METADATA: dict[str, dict[str, Any]] = {
    "svg": {"Creator": "seqsweep", "Date": None},
    "pdf": {"Creator": "seqsweep", "Producer": "seqsweep", "CreationDate": None},
}
_MOST_COUNTS, MOST_LABELS = 12, 25
LONGEST_LABEL = 14
_MISSING = "\N{WHITE SQUARE}"


@dataclass(frozen=True)
class Drawing:
    """A figure with the name of its files and its caption."""

    name: str
    figure: Figure
    caption: str


class Mark(NamedTuple):
    """A row of a figure: a point with a bar, or only a name."""

    name: str
    value: float | None = None
    low: float | None = None
    high: float | None = None
    symbol: str = "o"


@contextlib.contextmanager
def paper_style() -> Generator[None]:
    """Draws and writes figures with the project's style, whatever matplotlibrc says."""
    with rc_context():
        rcdefaults()
        rcParams.update(_STYLE)
        yield


def write_drawing(drawing: Drawing, folder: Path) -> list[Path]:
    """Writes a figure as SVG and PDF, and its caption as text."""
    paths: list[Path] = []
    for end, metadata in _METADATA.items():
        file = io.BytesIO()
        drawing.figure.savefig(file, format=end, metadata=metadata)
        paths.append(folder / f"{drawing.name}.{end}")
        write_bytes(paths[-1], file.getvalue(), sync=False)
    paths.append(folder / f"{drawing.name}.txt")
    write_text(paths[-1], f"{drawing.caption}\n", sync=False)
    return paths


def new_figure(columns: int, height: float) -> tuple[Figure, Axes]:
    """Returns a figure with empty axes; the height is in mm."""
    figure = Figure((WIDTHS[columns] / 25.4, height / 25.4))
    return figure, figure.add_subplot()


def draw_rows(rows: Sequence[Mark], columns: int, label: str) -> tuple[Figure, Axes]:
    """Draws rows of points with bars, the first on top.

    Names that need more than two lines beside the axes stand above their rows.

    Args:
        label: The label of the horizontal axis.
    """
    texts = [lines_of(row.name, 24 if columns == 1 else 56) for row in rows]
    above = max(text.count("\n") for text in texts) > 1
    texts = [lines_of(row.name, 54 * columns) for row in rows] if above else texts
    lines = max(text.count("\n") for text in texts) + 1 + above
    figure, axes = new_figure(columns, 12 + len(rows) * (1.5 + 2.9 * lines))
    axes.set_yticks(range(len(rows)), [""] * len(rows) if above else texts)
    for index, (row, text) in enumerate(zip(rows, texts, strict=True)):
        if row.low is not None and row.high is not None:
            axes.plot([row.low, row.high], [index] * 2, color=INKS[0], gid=f"bar-{index}")
        if row.value is not None:
            axes.plot(row.value, index, row.symbol, color=INKS[0], gid=f"point-{index}")
        else:
            axes.get_yticklabels()[index].set_fontweight("bold")
        if above:
            across = axes.get_yaxis_transform()
            axes.annotate(text, (0, index), (2, 3), across, "offset points", va="bottom")
    axes.set(ylim=(len(rows) - 0.5, -0.9 if above else -0.5), xlabel=lines_of(label, 60))
    axes.grid(axis="x")
    axes.tick_params(axis="y", length=0)
    return figure, axes


def lines_of(text: str, longest: int) -> str:
    """Returns a text that the font can draw, in lines of at most `longest` characters."""
    return "\n".join(wrap(drawable(text), longest))


def drawable(text: str) -> str:
    """Returns a text in one line; characters without a glyph become squares."""
    font = get_font(findfont(FontProperties()))
    printable = (char if char.isprintable() else " " for char in text)
    return "".join(char if font.get_char_index(ord(char)) else _MISSING for char in printable)


def class_labels(classes: Sequence[str]) -> dict[int, str]:
    """Returns the names at an axis by position; with many classes, only some have one."""
    step = math.ceil(len(classes) / MOST_LABELS)
    return {n: drawable(cut(classes[n], LONGEST_LABEL)) for n in range(0, len(classes), step)}


def draw_confusion(
    axes: Axes, counts: Sequence[Sequence[int]], labels: Mapping[int, str], size: float
) -> AxesImage:
    """Draws a confusion matrix, with rows for the true classes.

    Args:
        labels: The result of `class_labels`.
        size: The size of the numbers in points.
    """
    matrix = np.array(counts)
    shares = matrix / np.maximum(1, matrix.sum(axis=1, keepdims=True))
    image = axes.imshow(shares, "Blues", vmin=0, vmax=1)
    if len(matrix) <= _MOST_COUNTS:
        for row, column in np.argwhere(matrix):
            colour = "white" if shares[row, column] > 0.65 else "black"
            text = str(matrix[row, column])
            axes.text(column, row, text, color=colour, size=size, ha="center", va="center")
    # Long labels below the axes are vertical.
    turned = 90 if max(map(len, labels.values())) > 3 else 0
    axes.set_xticks(list(labels), list(labels.values()), rotation=turned)
    axes.set_yticks(list(labels), list(labels.values()))
    return image
