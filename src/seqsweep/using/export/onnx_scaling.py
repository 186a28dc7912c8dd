"""The scaling of raw values as ONNX nodes, which give the bits of `Scaling.apply`.

B sequences, T time steps, F features (channels).
"""

from typing import NamedTuple

import numpy as np
from onnx import GraphProto

from seqsweep.data.checks import Float64, Floats
from seqsweep.data.fitted import Scaling
from seqsweep.using.export.onnx_nodes import Graph, array_info
from seqsweep.using.export.onnx_shaping import add_crop, add_frames, add_masks, add_means, add_valid


class Prepared(NamedTuple):
    """The names of a network's input: x (B, T, F), lengths (B,), and valid (B, T, 1)."""

    x: str
    lengths: str
    valid: str


def add_scaling(graph: Graph, scaling: Scaling | None, x: str, lengths: str) -> Prepared:
    """Adds the steps from raw values to a network's input, with zeros as padding.

    Args:
        scaling: None for x that is prepared already.
    """
    values = x
    if scaling is not None:
        values, lengths = _scaled(graph, scaling, x, lengths)
    valid = add_valid(graph, values, lengths)
    return Prepared(graph.node("Where", valid, values, _zero(graph)), lengths, valid)


def add_usable(graph: Graph, prepared: Prepared, symbols: int | None) -> str:
    """Adds a mask (B, 1) of the sequences with steps and only usable values.

    Args:
        symbols: the number of symbols, where x holds their indices; else values must be finite.
    """
    x, lengths, valid = prepared
    bound = graph.constant("bound", np.array([symbols or np.inf], dtype=np.float32))
    is_usable = graph.node("Less", graph.node("Abs", x), bound)  # False for NaN
    if symbols is not None:
        not_negative = graph.node("GreaterOrEqual", x, _zero(graph))
        is_usable = graph.node("And", is_usable, not_negative)
    counted = graph.cast(graph.node("Or", is_usable, graph.node("Not", valid)), np.float32)
    all_usable = graph.node("ReduceMin", counted, axes=[1, 2], keepdims=0)  # (B,) 0.0 or 1.0
    has_steps = graph.node("Greater", lengths, graph.axes(0))
    result = graph.node("And", graph.cast(all_usable, np.bool_), has_steps)
    return graph.node("Unsqueeze", result, graph.axes(1))


def _scaled(graph: Graph, scaling: Scaling, x: str, lengths: str) -> tuple[str, str]:
    """Adds transform, missing values and standardisation, as `Scaling.apply` has them."""
    kind, shaping = np.dtype(scaling.dtype).type, scaling.shaping
    values = graph.cast(x, kind)
    if shaping is not None:
        values, lengths = add_crop(graph, shaping, values, lengths)
        may_lack = scaling.fill is not None
        values, lengths = add_means(graph, shaping.downsample, values, lengths, may_lack, kind)
    whole = _filled(graph, scaling, values)
    if shaping is not None:
        is_missing = graph.node("IsNaN", values)
        whole = add_masks(graph, shaping.masked, whole, is_missing, kind)
        channels = len(shaping.channel_names) + len(shaping.masked)
        whole, lengths = add_frames(graph, shaping.frame, whole, lengths, channels)
    if scaling.mean is None or scaling.deviation is None:
        return graph.cast(whole, np.float32), lengths
    return _standardized(graph, whole, scaling.mean, scaling.deviation), lengths


def _standardized(graph: Graph, x: str, mean: Float64, deviation: Float64) -> str:
    """Adds (x - mean) / deviation in float64, rounded to float32."""
    constants = graph.constant("mean", mean), graph.constant("deviation", deviation)
    difference = graph.node("Sub", graph.cast(x, np.float64), constants[0])
    return graph.cast(graph.node("Div", difference, constants[1]), np.float32)


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
    """Returns one time step of filling forward: a missing value becomes the last one."""
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
