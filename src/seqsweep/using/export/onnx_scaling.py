"""The scaling of raw values as ONNX nodes, which give the bits of `Scaling.apply`.

B sequences, T time steps, F features (channels).
"""

import numpy as np
from onnx import GraphProto

from seqsweep.data.fitted import Scaling
from seqsweep.data.precision import Float64
from seqsweep.using.export.onnx_nodes import Graph, array_info


def add_scaling(graph: Graph, scaling: Scaling | None, x: str, valid: str) -> str:
    """Adds the steps from raw values x (B, T, F) to a network's input, with zeros as padding.

    Args:
        scaling: None for x that is prepared already.
        valid: (B, T, 1) False at padding.
    """
    values = x if scaling is None else _scaled(graph, scaling, x)
    return graph.node("Where", valid, values, _zero(graph))


def add_usable(graph: Graph, x: str, valid: str, lengths: str, symbols: int | None) -> str:
    """Adds a mask (B, 1) of the sequences with steps and only usable values.

    Args:
        x: (B, T, F) the network's input.
        symbols: the number of symbols, where x holds their indices; else values must be finite.
    """
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


def _scaled(graph: Graph, scaling: Scaling, x: str) -> str:
    """Adds units, missing values and standardisation, as `Scaling.apply` has them."""
    values = x
    if scaling.units is not None:
        values = _shifted(graph, x, scaling.units.zero, scaling.units.one, "unit")
        # Without standardisation the network takes the values themselves, not those in units.
        if scaling.mean is None:
            one = graph.constant("unit_one", scaling.units.one)
            zero = graph.constant("unit_zero", scaling.units.zero)
            back = graph.node("Mul", graph.cast(values, np.float64), one)
            values = graph.cast(graph.node("Add", back, zero), np.float32)
    values = _filled(graph, scaling, values)
    if scaling.mean is None or scaling.deviation is None:
        return values
    return _shifted(graph, values, scaling.mean, scaling.deviation, "standard")


def _shifted(graph: Graph, x: str, zero: Float64, one: Float64, name: str) -> str:
    """Adds (x - zero) / one in float64, rounded to float32."""
    constants = graph.constant(f"{name}_zero", zero), graph.constant(f"{name}_one", one)
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
    return graph.nodes("Scan", (first, x), outputs, body=_step(len(scaling.fill)), **along_time)[1]


def _step(channels: int) -> GraphProto:
    """Returns one time step of filling forward: a missing value becomes the last one."""
    body = Graph()
    body.node("IsNaN", "now", output="is_missing")
    body.node("Where", "is_missing", "before", "now", output="after")
    body.node("Identity", "after", output="filled")
    names = ("before", "now"), ("after", "filled")
    inputs, outputs = ([array_info(n, np.float32, ("batch", channels)) for n in g] for g in names)
    return body.finish("fill_forward", inputs, outputs)


def _zero(graph: Graph) -> str:
    return graph.constant("zero", np.zeros(1, dtype=np.float32))
