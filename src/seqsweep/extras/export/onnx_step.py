"""Adds a single step of a stream as ONNX nodes.

B streams, F features (channels), H hidden. The functions take and return the names of arrays in the
graph.
"""

import math

import numpy as np

from seqsweep.extras.export.contents import count_symbols, scaling_inside
from seqsweep.extras.export.onnx_cells import add_cell
from seqsweep.extras.export.onnx_layers import add_embedding, add_norm
from seqsweep.extras.export.onnx_nodes import Graph
from seqsweep.extras.export.onnx_scaling import add_all_usable, add_scaled
from seqsweep.models.classifier import RNNClassifier
from seqsweep.using.load import LoadedRun
from seqsweep.using.stream import layers_of, scaling_of_step


def add_step(graph: Graph, network: RNNClassifier, run: LoadedRun) -> tuple[str, str]:
    """Adds the head's input (B, H) for x (B, F), and the mask (B, 1) of usable outputs.

    The state `steps` counts the steps in double precision. It becomes NaN with a value that cannot
    be read, after which no output is right.
    """
    scaling, kept = scaling_of_step(scaling_inside(run))
    x = "x" if scaling is None else add_scaled(graph, scaling, "x", "")[0]
    steps, start = graph.state("steps", 1, np.float64), _number(graph, kept.start)
    # All comparisons with NaN are false.
    valid = graph.node("Less", steps, _number(graph, kept.stop))
    valid = graph.node("And", valid, graph.node("GreaterOrEqual", steps, start))
    x = graph.node("Where", valid, x, graph.constant("zero", np.zeros(1, dtype=np.float32)))
    is_usable = add_all_usable(graph, x, valid, count_symbols(run), axes=[1])
    is_usable = graph.node("Unsqueeze", is_usable, graph.axes(1))
    one = graph.node("Where", is_usable, _number(graph, 1), _number(graph, math.nan))
    count = graph.node("Add", steps, one, output="new_steps")
    if network.embedding is not None:
        x = add_embedding(graph, network.embedding, x)
    for position, layer in enumerate(layers_of(network)):
        x = add_norm(graph, layer, position, x)
        x = add_cell(graph, layer, position, x, valid, is_step=True)
    is_begun = graph.node("Greater", count, start)
    if network.pooling == "mean":
        total = graph.state("sum", network.hidden_size, np.float64)
        # Behind the end the output is 0, as at padding.
        total = graph.node("Add", total, graph.cast(x, np.float64), output="new_sum")
        read = graph.node("Sub", graph.node("Min", count, _number(graph, kept.stop)), start)
        return graph.cast(graph.node("Div", total, read), np.float32), is_begun
    pooled = graph.state(network.pooling, network.hidden_size)
    if network.pooling == "max":
        larger = graph.node("Max", pooled, x)
        x = graph.node("Where", graph.node("Equal", steps, start), x, larger)
    return graph.node("Where", valid, x, pooled, output=f"new_{pooled}"), is_begun


def _number(graph: Graph, value: float) -> str:
    return graph.constant(f"float64_{value}", np.array([value], dtype=np.float64))
