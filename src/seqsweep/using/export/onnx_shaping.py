"""The steps of `data.transform` as ONNX nodes: crop, downsample, mask channels and frames.

B sequences, T time steps, F features (channels). Each function takes and returns the names of x
(B, T, F) and, where they change, of lengths (B,).
"""

import numpy as np

from seqsweep.data.transforms.shaping import Shaping
from seqsweep.using.export.onnx_nodes import Graph

_END = 2**31 - 1
"""An end behind all steps."""


def add_crop(graph: Graph, shaping: Shaping, x: str, lengths: str) -> tuple[str, str]:
    """Adds the crop. A sequence of which nothing is left gets the length 0."""
    if shaping.first == 0 and shaping.last is None:
        return x, lengths
    last = _END if shaping.last is None else shaping.last
    x = graph.node("Slice", x, graph.axes(shaping.first), graph.axes(last), graph.axes(1))
    ends = graph.node("Min", lengths, graph.axes(last))
    kept = graph.node("Sub", ends, graph.axes(shaping.first))
    return x, graph.node("Max", kept, graph.axes(0))


def add_means(
    graph: Graph, size: int, x: str, lengths: str, may_lack: bool, kind: type[np.generic]
) -> tuple[str, str]:
    """Adds the mean of each `size` steps.

    Args:
        may_lack: a missing value has no weight; else the result is missing too.
        kind: the type of x, and of the result.
    """
    if size == 1:
        return x, lengths
    present = add_valid(graph, x, lengths)
    if may_lack:
        present = graph.node("And", present, graph.node("Not", graph.node("IsNaN", x)))
    zero = graph.constant("missing", np.zeros(1, dtype=kind))
    total = _sum(graph, size, x, graph.node("Where", present, x, zero))
    ones = graph.node("Expand", graph.cast(present, np.float32), graph.node("Shape", x))
    mean = graph.node("Div", total, _sum(graph, size, x, ones))
    return graph.cast(mean, kind), _blocks(graph, lengths, size)


def add_frames(graph: Graph, size: int, x: str, lengths: str, channels: int) -> tuple[str, str]:
    """Adds the frames: each `size` steps become one of `size * channels` channels."""
    if size == 1:
        return x, lengths
    count = graph.node("Mul", _blocks(graph, _count_steps(graph, x), size), graph.number(size))
    step = graph.node("Range", graph.number(0), count, graph.number(1))
    # Where the last steps do not fill a frame, the last one is repeated.
    last = graph.node("Max", graph.node("Sub", lengths, graph.axes(1)), graph.axes(0))
    index = graph.node("Min", step, graph.node("Unsqueeze", last, graph.axes(1)))  # (B, T)
    by_channel = graph.node("Unsqueeze", index, graph.axes(2))
    by_channel = graph.node("Expand", by_channel, graph.axes(1, 1, channels))
    steps = graph.node("GatherElements", x, by_channel, axis=1)
    frames = graph.node("Reshape", steps, graph.axes(0, -1, size * channels))
    return frames, _blocks(graph, lengths, size)


def add_masks(
    graph: Graph, masked: tuple[int, ...], x: str, is_missing: str, kind: type[np.generic]
) -> str:
    """Adds a channel for each one that is `masked`: 1 where its value was missing.

    Args:
        kind: the type of x.
    """
    if not masked:
        return x
    masks = graph.node("Gather", is_missing, graph.axes(*masked), axis=2)
    return graph.node("Concat", x, graph.cast(masks, kind), axis=2)


def add_valid(graph: Graph, x: str, lengths: str) -> str:
    """Adds the mask (B, T, 1) of the steps before the end of each sequence."""
    step = graph.node("Range", graph.number(0), _count_steps(graph, x), graph.number(1))  # (T,)
    is_valid = graph.node("Less", step, graph.node("Unsqueeze", lengths, graph.axes(1)))
    return graph.node("Unsqueeze", is_valid, graph.axes(2))


def _count_steps(graph: Graph, x: str) -> str:
    return graph.node("Gather", graph.node("Shape", x), graph.number(1))


def _blocks(graph: Graph, count: str, size: int) -> str:
    """Adds the number of blocks of `size` steps that hold `count` steps."""
    return graph.node("Div", graph.node("Add", count, graph.number(size - 1)), graph.number(size))


def _sum(graph: Graph, size: int, x: str, values: str) -> str:
    """Adds the sums of `size` steps each, in float64."""
    steps = _count_steps(graph, x)
    blocks = graph.node("Mul", _blocks(graph, steps, size), graph.number(size))
    more = graph.node("Unsqueeze", graph.node("Sub", blocks, steps), graph.axes(0))
    pads = graph.node("Concat", graph.axes(0, 0, 0, 0), more, graph.axes(0), axis=0)
    padded = graph.cast(graph.node("Pad", values, pads), np.float64)
    # A 0 in the shape keeps the batch; the channels follow from the rest.
    grouped = graph.node("Reshape", padded, _group_shape(graph, size, x))
    return graph.node("ReduceSum", grouped, graph.axes(2), keepdims=0)


def _group_shape(graph: Graph, size: int, x: str) -> str:
    channels = graph.node("Gather", graph.node("Shape", x), graph.axes(2))
    return graph.node("Concat", graph.axes(0, -1, size), channels, axis=0)
