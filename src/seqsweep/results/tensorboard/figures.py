"""Pictures of a finished run: its errors, how far its gradient reaches, what its states do.

They may be drawn in a thread of a process that trains, and draws itself. So all is done by
matplotlib's own objects: no pyplot, and no setting of the process is changed or, where it would
show, heeded. C classes, T steps.
"""

import io
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any

WIDTH, HEIGHT = 550, 440
"""Pixels of a picture: TensorBoard's page shows two or three of this size side by side."""

_DPI = 110
_MOST_COUNTS, _MOST_LABELS = 12, 25
_LABEL = 14
_MISSING = "\N{WHITE SQUARE}"
_COLORS = ("#1f77b4", "#ff7f0e", "#2ca02c", "#d62728", "#9467bd",
           "#8c564b", "#e377c2", "#7f7f7f", "#bcbd22", "#17becf")  # fmt: skip
_GRID = {"color": "#b0b0b0", "linewidth": 0.8, "linestyle": "-", "alpha": 0.3}
_LEGEND = {"frameon": True, "framealpha": 0.8, "facecolor": "white", "edgecolor": "0.8",
           "labelcolor": "black", "fancybox": True, "shadow": False, "numpoints": 1}  # fmt: skip
_BLACK = {"color": "black", "fontsize": 10}
_TITLE = _BLACK | {"y": 1.0}
"""The place where matplotlib would put it, after it has drawn all labels of ticks to find it."""


def confusion(counts: Sequence[Sequence[int]], classes: Sequence[str], split: str) -> bytes:
    """Which classes are taken for which, as a PNG.

    Args:
        counts: (C, C), rows the true class.
        classes: C names.
        split: of which the sequences are.
    """
    from matplotlib.ticker import FixedFormatter, FixedLocator  # with matplotlib, for a picture

    total = sum(map(sum, counts))
    right = sum(row[index] for index, row in enumerate(counts))
    shares = [[count / max(1, sum(row)) for count in row] for row in counts]

    every = math.ceil(len(classes) / _MOST_LABELS)
    places, names = range(0, len(classes), every), [_label(name) for name in classes[::every]]
    longest = max(map(len, names))

    def draw(axes: Any) -> None:
        axes.imshow(shares, cmap="Blues", vmin=0, vmax=1, interpolation="nearest",
                    aspect="equal", origin="upper")  # fmt: skip
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_locator(FixedLocator(places))
            axis.set_major_formatter(FixedFormatter(names))
        axes.tick_params(axis="x", rotation=90 if longest > 3 else 0)
        if len(classes) <= _MOST_COUNTS:
            for row, column, count in _cells(counts):
                color = "white" if shares[row][column] > 0.5 else "black"
                axes.text(column, row, count, ha="center", va="center", color=color, fontsize=8)
        axes.set_xlabel("predicted", **_BLACK)
        axes.set_ylabel("true", **_BLACK)
        words = {"val": "validation", "test": "test", "train": "training"}.get(split, split)
        axes.set_title(f"{words}, best epoch: {right} of {total} right", **_TITLE)

    return _png(draw, left=0.1 + 0.013 * longest, bottom=0.1 + 0.017 * longest)


def gradient(norms: Mapping[str, Sequence[float]]) -> bytes:
    """How the gradient of the loss shrinks or grows on its way back through time, as a PNG.

    After Bengio, Simard, Frasconi (1994), Learning long-term dependencies with gradient descent is
    difficult: where the line falls steeply, early steps teach the network nothing.

    Args:
        norms: for each layer and direction the mean norm of dL/dh_t, the last step first.
    """
    from matplotlib.ticker import LogFormatter  # with matplotlib, when a picture is drawn

    layers = list(dict.fromkeys(name.removesuffix(" reverse") for name in norms))

    def draw(axes: Any) -> None:
        for name, values in norms.items():
            color = _COLORS[layers.index(name.removesuffix(" reverse")) % len(_COLORS)]
            style = "--" if name.endswith(" reverse") else "-"
            shown = [value if value and math.isfinite(value) else math.nan for value in values]
            marker = "o" if len(shown) < 2 else ""
            look = {"color": color, "marker": marker, "markersize": 6, "linewidth": 1.5}
            axes.plot(shown, style, label=_label(name, 20), **look)
        axes.set_yscale("log")
        for set_formatter in (axes.yaxis.set_major_formatter, axes.yaxis.set_minor_formatter):
            set_formatter(LogFormatter(minor_thresholds=(1, 0.4)))  # no mathtext: a third faster
        axes.set_xlabel("steps before the last one read", **_BLACK)
        axes.grid(**_GRID)
        axes.legend(fontsize=8, loc="best", **_LEGEND)
        axes.set_title("gradient through time: mean |dL/dh| of each step", **_TITLE)

    return _png(draw, left=0.13)


def trajectories(found: Mapping[str, Any], classes: Sequence[str]) -> bytes:
    """The path of the last layer's state while it reads, by class, as a PNG.

    Args:
        found: `explained`, the share of the variance along both axes, and for each class the path
            of its mean and those of some sequences, (T, 2) each.
        classes: C names.
    """

    names = {index: _name(classes, index) for index in found["classes"]}
    longest = max(map(len, names.values()))

    def draw(axes: Any) -> None:
        for place, (index, paths) in enumerate(found["classes"].items()):
            color = _COLORS[place % len(_COLORS)]
            for path in paths["sequences"]:
                axes.plot(*zip(*path, strict=True), color=color, linewidth=0.7, alpha=0.4)
            x, y = zip(*paths["mean"], strict=True)
            axes.plot(x, y, color=color, linewidth=2.2, label=f" {names[index]}")  # none for "_"
            axes.plot(x[-1], y[-1], "o", color=color, markersize=8, markeredgecolor="black")
        shares = [f" ({share:.0%} of the variance)" for share in found["explained"]]
        axes.set_xlabel(f"first component{shares[0]}", **_BLACK)
        axes.set_ylabel(f"second component{shares[1]}", **_BLACK)
        axes.grid(**_GRID)
        axes.legend(fontsize=7, loc="center left", bbox_to_anchor=(1, 0.5), **_LEGEND)
        axes.set_title("states while reading: class means, their ends, sequences", **_TITLE)

    return _png(draw, left=0.1, right=0.89 - 0.012 * longest)


def _png(
    draw: Callable[[Any], None], left: float, right: float = 0.97, bottom: float = 0.12
) -> bytes:
    """Margins are shares of the picture: to let matplotlib find them takes twice the drawing."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # half a second: when one is drawn
    from matplotlib.figure import Figure

    size = WIDTH / _DPI, HEIGHT / _DPI
    figure = Figure(size, dpi=_DPI, facecolor="white", frameon=True, linewidth=0)
    figure.set_layout_engine("none")
    canvas = FigureCanvasAgg(figure)
    axes = figure.add_axes((left, bottom, right - left, 0.92 - bottom), facecolor="white")
    _make_plain(axes)
    draw(axes)
    _write_plainly(figure, axes)
    buffer = io.BytesIO()
    canvas.print_png(buffer)  # savefig would heed settings of the process
    return buffer.getvalue()


def _make_plain(axes: Any) -> None:
    """As matplotlib's default style has it, whatever a person's matplotlibrc says."""
    axes.grid(visible=False, which="both")
    axes.set_axisbelow("line")
    axes.margins(0.05)
    for spine in axes.spines.values():
        spine.set(visible=True, edgecolor="black", linewidth=0.8)
    sides = {"left": True, "bottom": True, "right": False, "top": False}
    labels = {f"label{side}": shown for side, shown in sides.items()}
    look = {"direction": "out", "color": "black", "labelcolor": "black", "labelsize": 8}
    for which, length, width in (("major", 3.5, 0.8), ("minor", 2, 0.6)):
        pad = 3.5 if which == "major" else 3.4
        axes.tick_params(
            which=which, length=length, width=width, pad=pad, **sides, **labels, **look
        )
    for axis in (axes.xaxis, axes.yaxis):
        axis.labelpad = 4
        axis.set_label_position("bottom" if axis is axes.xaxis else "left")
        axis.set_major_formatter(lambda value, _: f"{value:g}")


def _write_plainly(figure: Any, axes: Any) -> None:
    """All texts in the font that comes with matplotlib; none is read as TeX."""
    from matplotlib.text import Text

    for axis in (axes.xaxis, axes.yaxis):
        axis.get_ticklabels(which="both")  # makes those that would be made while it is drawn
    for text in figure.findobj(Text):
        font = _font().copy()
        font.set_size(text.get_fontsize())
        text.set(usetex=False, parse_math=False, fontproperties=font)
    if axes.get_legend():
        axes.get_legend().get_frame().set_linewidth(1.0)


@cache
def _font() -> Any:
    import matplotlib
    from matplotlib.font_manager import FontProperties

    return FontProperties(fname=f"{matplotlib.get_data_path()}/fonts/ttf/DejaVuSans.ttf")


@cache
def _known() -> frozenset[int]:
    """The characters of the font."""
    from matplotlib.font_manager import get_font

    return frozenset(get_font(_font().get_file()).get_charmap())


def _cells(counts: Sequence[Sequence[int]]) -> Iterator[tuple[int, int, int]]:
    """Row, column and count of those that are not 0."""
    for row, values in enumerate(counts):
        for column, count in enumerate(values):
            if count:
                yield row, column, count


def _name(classes: Sequence[str], index: str) -> str:
    """Of a class by its number."""
    return _label(classes[int(index)] if int(index) < len(classes) else index)


def _label(name: str, longest: int = _LABEL) -> str:
    """On one line, and not too long for it; a box for a character that the font lacks."""
    known = _known()
    shown = "".join(
        (char if ord(char) in known else _MISSING) if char.isprintable() else " "
        for char in str(name)
    )
    return shown if len(shown) <= longest else shown[: longest - 1] + "…"
