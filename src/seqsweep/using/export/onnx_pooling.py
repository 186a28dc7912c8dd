"""The poolings of a network as ONNX nodes.

B sequences, T time steps, H hidden, D directions.
"""

import numpy as np

from seqsweep.models.attention import AttentionPooling
from seqsweep.models.classifier import RNNClassifier
from seqsweep.using.export.onnx_nodes import Graph
from seqsweep.using.export.onnx_scaling import Prepared


def add_pooling(graph: Graph, network: RNNClassifier, output: str, prepared: Prepared) -> str:
    """Adds the pooling over the valid steps: (T, B, D*H) -> (B, D*H).

    Args:
        output: is 0 at padding.
    """
    by_time = graph.node("Transpose", prepared.valid, perm=[1, 0, 2])
    if network.attention is not None:
        scores = _masked(graph, _add_scores(graph, network.attention, output), by_time)
        return _add_sum(graph, graph.node("Mul", output, graph.node("Softmax", scores, axis=0)))
    if network.pooling == "mean":
        lengths = graph.node("Unsqueeze", graph.cast(prepared.lengths, np.float32), graph.axes(1))
        return graph.node("Div", _add_sum(graph, output), lengths)
    return graph.node("ReduceMax", _masked(graph, output, by_time), axes=[0], keepdims=0)


def _add_scores(graph: Graph, attention: AttentionPooling, output: str) -> str:
    """Adds the score of each step: (T, B, D*H) -> (T, B, 1)."""
    weight, bias = graph.linear("attention.projection", attention.projection)
    product = graph.node("MatMul", output, graph.node("Transpose", weight, perm=[1, 0]))
    hidden = graph.node("Tanh", graph.node("Add", product, bias))
    query = attention.query.weight.detach().numpy().T
    return graph.node("MatMul", hidden, graph.constant("attention.query", query))


def _masked(graph: Graph, values: str, by_time: str) -> str:
    """Adds minus infinity in place of the values at padding."""
    least = graph.constant("minus_infinity", np.array([-np.inf], dtype=np.float32))
    return graph.node("Where", by_time, values, least)


def _add_sum(graph: Graph, values: str) -> str:
    return graph.node("ReduceSum", values, graph.axes(0), keepdims=0)
