"""Pictures of a finished run: its errors, how far its gradient reaches, what its states do.

All are drawn by matplotlib's own objects, without pyplot and its global state: a picture is the
same whatever the process has drawn before. C classes, T steps.
"""

import io
import math
import warnings
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

WIDTH, HEIGHT = 550, 440
"""Pixels of a picture: TensorBoard's page shows two or three of this size side by side."""

_DPI = 110
_MOST_COUNTS, _MOST_LABELS = 12, 25
_LABEL = 14
_COLORS = tuple(f"C{number}" for number in range(10))


def confusion(counts: Sequence[Sequence[int]], classes: Sequence[str], split: str) -> bytes:
    """Which classes are taken for which, as a PNG.

    Args:
        counts: (C, C), rows the true class.
        classes: C names.
        split: of which the sequences are.
    """
    total = sum(map(sum, counts))
    right = sum(row[index] for index, row in enumerate(counts))
    shares = [[count / max(1, sum(row)) for count in row] for row in counts]

    every = math.ceil(len(classes) / _MOST_LABELS)
    places, names = range(0, len(classes), every), [_label(name) for name in classes[::every]]
    longest = max(map(len, names))

    def draw(axes: Any) -> None:
        axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
        turned = 90 if longest > 3 else 0
        axes.set_xticks(places, names, rotation=turned, fontsize=8, parse_math=False)
        axes.set_yticks(places, names, fontsize=8, parse_math=False)
        if len(classes) <= _MOST_COUNTS:
            for row, column, count in _cells(counts):
                color = "white" if shares[row][column] > 0.5 else "black"
                axes.text(column, row, count, ha="center", va="center", color=color, fontsize=8)
        axes.set_xlabel("predicted")
        axes.set_ylabel("true")
        words = {"val": "validation", "test": "test", "train": "training"}.get(split, split)
        axes.set_title(f"{words}, best epoch: {right} of {total} right", fontsize=10)

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
            axes.plot(shown, style, color=color, label=_label(name, 20), marker=marker)
        axes.set_yscale("log")
        for set_formatter in (axes.yaxis.set_major_formatter, axes.yaxis.set_minor_formatter):
            set_formatter(LogFormatter(minor_thresholds=(1, 0.4)))  # no mathtext: a third faster
        axes.tick_params(labelsize=8, which="both")
        axes.set_xlabel("steps before the last one read")
        axes.grid(alpha=0.3)
        axes.legend(fontsize=8)
        axes.set_title("gradient through time: mean |dL/dh| of each step", fontsize=10)

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
        axes.set_xlabel(f"first component{shares[0]}")
        axes.set_ylabel(f"second component{shares[1]}")
        axes.grid(alpha=0.3)
        legend = axes.legend(fontsize=7, loc="center left", bbox_to_anchor=(1, 0.5))
        for text in legend.get_texts():
            text.set_parse_math(False)
        axes.set_title("states while reading: class means, their ends, sequences", fontsize=10)

    return _png(draw, left=0.1, right=0.89 - 0.012 * longest)


def _png(
    draw: Callable[[Any], None], left: float, right: float = 0.97, bottom: float = 0.12
) -> bytes:
    """Margins are shares of the picture: to let matplotlib find them takes twice the drawing."""
    with _matplotlib() as make:
        figure = make()
        draw(figure.add_axes((left, bottom, right - left, 0.92 - bottom)))
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png", dpi=_DPI)
        return buffer.getvalue()


@contextmanager
def _matplotlib() -> Generator[Callable[[], Any]]:
    """Makes an empty figure, whatever a person's matplotlibrc says; loaded when a picture is drawn:
    it takes half a second."""
    import matplotlib.style
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    def make() -> Any:
        figure = Figure((WIDTH / _DPI, HEIGHT / _DPI), dpi=_DPI)
        FigureCanvasAgg(figure)
        return figure

    with matplotlib.style.context("default"), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph")  # a class in a script that the font lacks
        yield make


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
    """On one line, and not too long for it."""
    shown = "".join(char if char.isprintable() else " " for char in str(name))
    return shown if len(shown) <= longest else shown[: longest - 1] + "…"
