"""Draws a network as boxes, with the shapes of their tensors.

B sequences, T time steps, F features, H hidden.
"""

import itertools
import math
from typing import NamedTuple

import torch
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from seqsweep.data.batch import Batch
from seqsweep.results.figures.parts import GREY, INKS, WIDTHS, Drawing, lines_of, new_figure
from seqsweep.text import count
from seqsweep.using.explain import Block, Row, explain
from seqsweep.using.load import LoadedRun

MOST_LEVELS = 40
"""The most levels of boxes, one below the other, which a figure has room for."""

_ARROW = {"arrowstyle": "-|>", "linewidth": 0.7}
_GAP, _LINE, _PADDING = 5.0, 3.2, 2.0  # in mm


class Box(NamedTuple):
    """A part of the network, with a line for each tensor that it returns."""

    title: str
    lines: tuple[str, ...]


def draw_network(run: LoadedRun, columns: int) -> Drawing:
    """Draws the forward pass that `explain` describes, from the input to the logits.

    Raises:
        ValueError: the network has too many parts, or is a LightningModule of the user.
    """
    run.check_classifies()
    batch = _batch(run)
    explanation = explain(run.network, batch, run.class_names)
    levels: list[list[Box]] = []
    for block in explanation.blocks:
        boxes = _boxes(block, run, batch)
        # Both directions of a layer read the same input, so they stand side by side.
        if "backward" in block.title:
            levels[-1] += boxes
        else:
            levels += [[box] for box in boxes]
    if len(levels) > MOST_LEVELS:
        raise ValueError(f"has {len(levels)} parts; a figure has room for {MOST_LEVELS}")
    heights = [_PADDING + _LINE * max(1 + len(box.lines) for box in level) for level in levels]
    height = sum(heights) + _GAP * (len(levels) - 1) + 2
    figure, axes = new_figure(columns, height)
    axes.set(xlim=(0, WIDTHS[columns]), ylim=(height - 1, -1), position=(0, 0, 1, 1))
    axes.axis("off")
    top, middle = 0.0, WIDTHS[columns] / 2
    above: list[float] = []
    for level, tall in zip(levels, heights, strict=True):
        wide, sides = (40.0, (-0.5, 0.5)) if len(level) > 1 else (60.0, (0.0,))
        centres = [middle + side * (wide + 2) for side in sides]
        for start, end in itertools.product(above, centres):
            axes.annotate("", (end, top), (start, top - _GAP), arrowprops=_ARROW)
        for centre, box in zip(centres, level, strict=True):
            _draw_box(axes, box, (centre - wide / 2, top), (wide, tall))
        above, top = centres, top + tall + _GAP
    caption = (
        f"The network. {explanation.title}. B sequences of T time steps; the numbers are features, "
        "and each box has the tensors that it returns and its number of parameters."
    )
    return Drawing("network", figure, caption)


def _batch(run: LoadedRun) -> Batch:
    """Returns a batch whose B and T differ from all sizes of the network."""
    sizes = {size for weight in run.network.parameters() for size in weight.shape}
    sizes |= {len(run.channel_names), len(run.class_names)}
    number, steps = itertools.islice((n for n in itertools.count(11) if n not in sizes), 2)
    shape = (number, steps) if run.vocabulary else (number, steps, len(run.channel_names))
    x = torch.ones(shape, dtype=torch.int64 if run.vocabulary else torch.float32)
    zeros = torch.zeros(number, dtype=torch.int64)
    return Batch(x, zeros + steps, zeros)


def _boxes(block: Block, run: LoadedRun, batch: Batch) -> list[Box]:
    """Returns the boxes of a block; the block of the head begins with the pooling."""
    title, _, reads = block.title.removesuffix(": one batch of train").partition(": reads ")
    title = ", ".join(title.split(", ")[:2])
    if reads and title.startswith("Layer ") and not title.startswith("Layer norm"):
        title += f": {getattr(run.network, 'cell', '')}"
    weights = dict(run.network.named_parameters())
    size = sum(math.prod(row.shape) for row in block.rows if row.name in weights)
    tensors = [row for row in block.rows if row.name not in weights]
    if block.title.startswith(("Input", "Result")):
        tensors = tensors[:1]
    lines = [f"{row.name}: {_shape(row, batch)}" for row in tensors]
    sizes = [count(size, "parameter")] if size else []
    if title == "Head":
        return [Box(f"Pooling: {reads}", tuple(lines)), Box("Head: linear", tuple(sizes))]
    return [Box(title, (*lines, *sizes))] if block.rows else []


def _shape(row: Row, batch: Batch) -> str:
    """Returns a shape as text: `B × T × 32`."""
    symbols = dict(zip(batch.x.shape[:2], "BT", strict=True))
    sizes = [str(symbols.get(size, size)) for size in row.shape]
    return " \N{MULTIPLICATION SIGN} ".join(sizes) or "1"


def _draw_box(axes: Axes, box: Box, corner: tuple[float, float], size: tuple[float, float]) -> None:
    axes.add_patch(Rectangle(corner, *size, facecolor="#F1F4F8", edgecolor=INKS[0], linewidth=0.7))
    for line, text in enumerate((box.title, *box.lines)):
        place = corner[0] + size[0] / 2, corner[1] + (_PADDING + _LINE) / 2 + line * _LINE
        weight, ink = ("normal", GREY) if line else ("bold", INKS[0])
        axes.text(*place, lines_of(text, 200), ha="center", va="center", weight=weight, color=ink)
