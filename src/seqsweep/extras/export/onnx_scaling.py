"""Adds the scaling as ONNX nodes, equal to `Scaling.apply` in every bit.

B sequences, T time steps, F features (channels). The functions for `data.transform` take and return
the names of x (B, T, F) and, if lengths change, of lengths (B,).
"""

from typing import NamedTuple

import numpy as np
from onnx import GraphProto

from seqsweep.data.checks import Floats
from seqsweep.data.scaling import Scaling
from seqsweep.data.transforms import Shaping
from seqsweep.extras.export.onnx_nodes import Graph, array_info

_END = 2**31 - 1
"""An end index beyond all steps."""


class Prepared(NamedTuple):
    """The names of x (B, T, F), lengths (B,), and the valid steps (B, T, 1)."""

    x: str
    lengths: str
    valid: str


def add_scaling(graph: Graph, scaling: Scaling | None, x: str, lengths: str) -> Prepared:
    """Adds the preparation of raw values for the network, with zeros as padding."""
    values = x
    if scaling is not None:
        values, lengths = add_scaled(graph, scaling, x, lengths)
    valid = _add_valid(graph, values, lengths)
    return Prepared(graph.node("Where", valid, values, _zero(graph)), lengths, valid)


def add_usable(graph: Graph, x: str, valid: str, symbols: int | None) -> str:
    """Adds a mask (B, 1) of the sequences or steps whose valid values can all be read.

    Args:
        symbols: the number of symbols if x holds their indices; None if values must be finite.
    """
    bound = graph.constant("bound", np.array([symbols or np.inf], dtype=np.float32))
    is_usable = graph.node("Less", graph.node("Abs", x), bound)  # False for NaN
    if symbols is not None:
        not_negative = graph.node("GreaterOrEqual", x, _zero(graph))
        is_usable = graph.node("And", is_usable, not_negative)
    counted = graph.cast(graph.node("Or", is_usable, graph.node("Not", valid)), np.float32)
    by_row = graph.node("Flatten", counted)  # (B, ...) 0.0 or 1.0
    return graph.cast(graph.node("ReduceMin", by_row, axes=[1]), np.bool_)


def add_scaled(graph: Graph, scaling: Scaling, x: str, lengths: str) -> tuple[str, str]:
    """Adds transform, filling and standardisation, in the order of `Scaling.apply`.

    Without transforms of several steps, x may also be a single step (B, F).
    """
    kind, shaping = np.dtype(scaling.dtype).type, scaling.shaping
    values = graph.cast(x, kind)
    if shaping is not None:
        values, lengths = _add_crop(graph, shaping, values, lengths)
        may_lack = scaling.fill is not None
        values, lengths = _add_means(graph, shaping.downsample, values, lengths, may_lack, kind)
    whole = _filled(graph, scaling, values)
    if shaping is not None:
        is_missing = graph.node("IsNaN", values)
        if shaping.masked:  # a mask is 1 where the value was missing
            masks = graph.node("Gather", is_missing, graph.axes(*shaping.masked), axis=-1)
            whole = graph.node("Concat", whole, graph.cast(masks, kind), axis=-1)
        channels = len(shaping.channel_names) + len(shaping.masked)
        whole, lengths = _add_frames(graph, shaping.frame, whole, lengths, channels)
    if scaling.mean is None or scaling.deviation is None:
        return graph.cast(whole, np.float32), lengths
    # Like `Scaling.apply`, this computes in float64 and rounds at the end.
    mean = graph.constant("mean", scaling.mean)
    difference = graph.node("Sub", graph.cast(whole, np.float64), mean)
    deviation = graph.constant("deviation", scaling.deviation)
    return graph.cast(graph.node("Div", difference, deviation), np.float32), lengths


def _filled(graph: Graph, scaling: Scaling, x: str) -> str:
    """Adds the replacement of missing values."""
    if scaling.fill is None:
        return x
    fill = graph.constant("fill", scaling.fill)
    if scaling.missing != "forward":
        return graph.node("Where", graph.node("IsNaN", x), fill, x)
    batch = graph.node("Gather", graph.node("Shape", x), graph.axes(0))
    channels = graph.axes(len(scaling.fill))
    first = graph.node("Expand", fill, graph.node("Concat", batch, channels, axis=0))
    outputs = ("last_value", "without_missing")
    along_time = {"scan_input_axes": [1], "scan_output_axes": [1], "num_scan_inputs": 1}
    return graph.nodes("Scan", (first, x), outputs, body=_step(scaling.fill), **along_time)[1]


def _step(fill: Floats) -> GraphProto:
    """Returns a step of filling forward: NaN becomes the last value."""
    body = Graph()
    body.node("IsNaN", "now", output="is_missing")
    body.node("Where", "is_missing", "before", "now", output="after")
    body.node("Identity", "after", output="filled")
    names = ("before", "now"), ("after", "filled")
    kind, shape = fill.dtype.type, ("batch", len(fill))
    inputs, outputs = ([array_info(name, kind, shape) for name in group] for group in names)
    return body.finish("fill_forward", inputs, outputs)


def _zero(graph: Graph) -> str:
    return graph.constant("zero", np.zeros(1, dtype=np.float32))


def _add_crop(graph: Graph, shaping: Shaping, x: str, lengths: str) -> tuple[str, str]:
    """Adds the crop, which may leave a sequence of length 0."""
    if shaping.first == 0 and shaping.last is None:
        return x, lengths
    last = _END if shaping.last is None else shaping.last
    x = graph.node("Slice", x, graph.axes(shaping.first), graph.axes(last), graph.axes(1))
    ends = graph.node("Min", lengths, graph.axes(last))
    kept = graph.node("Sub", ends, graph.axes(shaping.first))
    return x, graph.node("Max", kept, graph.axes(0))


def _add_means(
    graph: Graph, size: int, x: str, lengths: str, may_lack: bool, kind: type[np.generic]
) -> tuple[str, str]:
    """Adds the means of blocks of `size` steps; a block becomes one step.

    Args:
        may_lack: whether a mean leaves missing values out; otherwise they make the mean missing.
        kind: the type of x, and of the result.
    """
    if size == 1:
        return x, lengths
    present = _add_valid(graph, x, lengths)
    if may_lack:
        present = graph.node("And", present, graph.node("Not", graph.node("IsNaN", x)))
    zero = graph.constant("missing", np.zeros(1, dtype=kind))
    total = _sum(graph, size, x, graph.node("Where", present, x, zero))
    ones = graph.node("Expand", graph.cast(present, np.float32), graph.node("Shape", x))
    mean = graph.node("Div", total, _sum(graph, size, x, ones))
    return graph.cast(mean, kind), _blocks(graph, lengths, size)


def _add_frames(graph: Graph, size: int, x: str, lengths: str, channels: int) -> tuple[str, str]:
    """Adds the frames: `size` steps become one step of `size * channels` channels."""
    if size == 1:
        return x, lengths
    count = graph.node("Mul", _blocks(graph, _count_steps(graph, x), size), graph.number(size))
    step = graph.node("Range", graph.number(0), count, graph.number(1))
    # If the last steps do not fill a frame, the last step is repeated.
    last = graph.node("Max", graph.node("Sub", lengths, graph.axes(1)), graph.axes(0))
    index = graph.node("Min", step, graph.node("Unsqueeze", last, graph.axes(1)))  # (B, T)
    by_channel = graph.node("Unsqueeze", index, graph.axes(2))
    by_channel = graph.node("Expand", by_channel, graph.axes(1, 1, channels))
    steps = graph.node("GatherElements", x, by_channel, axis=1)
    frames = graph.node("Reshape", steps, graph.axes(0, -1, size * channels))
    return frames, _blocks(graph, lengths, size)


def _add_valid(graph: Graph, x: str, lengths: str) -> str:
    """Adds the mask (B, T, 1) of the steps before the end."""
    step = graph.node("Range", graph.number(0), _count_steps(graph, x), graph.number(1))  # (T,)
    is_valid = graph.node("Less", step, graph.node("Unsqueeze", lengths, graph.axes(1)))
    return graph.node("Unsqueeze", is_valid, graph.axes(2))


def _count_steps(graph: Graph, x: str) -> str:
    return graph.node("Gather", graph.node("Shape", x), graph.number(1))


def _blocks(graph: Graph, count: str, size: int) -> str:
    """Adds `count / size`, rounded up: the number of blocks of `size` steps."""
    return graph.node("Div", graph.node("Add", count, graph.number(size - 1)), graph.number(size))


def _sum(graph: Graph, size: int, x: str, values: str) -> str:
    """Adds the sums of `size` steps each, in float64."""
    steps = _count_steps(graph, x)
    blocks = graph.node("Mul", _blocks(graph, steps, size), graph.number(size))
    more = graph.node("Unsqueeze", graph.node("Sub", blocks, steps), graph.axes(0))
    pads = graph.node("Concat", graph.axes(0, 0, 0, 0), more, graph.axes(0), axis=0)
    padded = graph.cast(graph.node("Pad", values, pads), np.float64)
    # In the shape, 0 keeps the batch, and -1 stands for the number of blocks.
    channels = graph.node("Gather", graph.node("Shape", x), graph.axes(2))
    shape = graph.node("Concat", graph.axes(0, -1, size), channels, axis=0)
    grouped = graph.node("Reshape", padded, shape)
    return graph.node("ReduceSum", grouped, graph.axes(2), keepdims=0)
