"""Adds the embedding, the recurrent layers and the pooling as ONNX nodes.

B sequences, T time steps, E embedding, H hidden, D directions. The functions take and return the
names of arrays in the graph.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
from torch import Tensor, nn

from seqsweep.extras.export.onnx_cells import add_cell
from seqsweep.extras.export.onnx_nodes import Graph
from seqsweep.extras.export.onnx_scaling import Prepared
from seqsweep.models.cell_layers import CellLayers
from seqsweep.models.classifier import RNNClassifier
from seqsweep.using.stream import Layer

_GATES = {"RNN": (0,), "GRU": (1, 0, 2), "LSTM": (0, 3, 1, 2)}
"""The positions of torch's gates (r z n, i f g o) in ONNX's order (z r n, i o f g)."""


def add_embedding(graph: Graph, embedding: nn.Embedding, x: str) -> str:
    """Adds the embedding of each symbol: (..., 1) -> (..., E)."""
    # Any other value would end the whole batch with an error, so the first symbol replaces it.
    first = graph.constant("first_symbol", np.array([0], dtype=np.float32))
    last = np.array([embedding.num_embeddings - 1], dtype=np.float32)
    at_most = graph.node("LessOrEqual", x, graph.constant("last_symbol", last))
    is_index = graph.node("And", graph.node("GreaterOrEqual", x, first), at_most)
    index = graph.cast(graph.node("Where", is_index, x, first), np.int64)
    vectors = graph.constant("embedding.weight", embedding.weight.detach().numpy())
    return graph.node("Gather", vectors, graph.node("Squeeze", index, graph.axes(-1)))


def add_layers(graph: Graph, layers: list[Layer], x: str, prepared: Prepared) -> tuple[str, str]:
    """Adds the recurrent layers on x (B, T, ...).

    Returns the last layer's outputs (T, B, D*H), 0 at padding, and its final states (B, D*H).
    """
    lengths = graph.cast(prepared.lengths, np.int32)
    output = graph.node("Transpose", x, perm=[1, 0, 2])
    for position, layer in enumerate(layers):
        output = add_norm(graph, layer, position, output)
        if isinstance(layer.rnn, CellLayers):
            valid = graph.node("Transpose", prepared.valid, perm=[1, 0, 2])
            output = add_cell(graph, layer, position, output, valid)
        else:
            output = _add_layer(graph, layer, position, output, lengths)
    return output, _add_final(graph, output, prepared.lengths, layers[-1].rnn)


def add_norm(graph: Graph, layer: Layer, position: int, x: str) -> str:
    """Adds the normalisation before a layer, if it has one."""
    if layer.norm is None:
        return x
    weights = graph.linear(f"rnn.norms.{position - 1}", layer.norm)
    options: dict[str, Any] = {"axis": -1, "epsilon": layer.norm.eps}
    return graph.node("LayerNormalization", x, *weights, **options)


def _add_final(graph: Graph, output: str, lengths: str, rnn: nn.RNNBase | CellLayers) -> str:
    """Adds the output at the last step that each direction reads: (T, B, D*H) -> (B, D*H)."""
    by_sequence = graph.node("Transpose", output, perm=[1, 0, 2])  # (B, T, D*H)
    index = graph.node("Sub", graph.node("Unsqueeze", lengths, graph.axes(1)), graph.axes(1))
    last = graph.node("GatherND", by_sequence, index, batch_dims=1)
    if not rnn.bidirectional:
        return last
    first = graph.node("Gather", output, graph.number(0), axis=0)
    is_forward = np.arange(2 * rnn.hidden_size) < rnn.hidden_size
    return graph.node("Where", graph.constant("is_forward", is_forward), last, first)


def _add_layer(graph: Graph, layer: Layer, position: int, x: str, lengths: str) -> str:
    """Adds one layer of torch: (T, B, ...) -> (T, B, D*H)."""
    rnn = layer.rnn
    assert isinstance(rnn, nn.RNNBase)
    attributes: dict[str, Any] = {
        "hidden_size": rnn.hidden_size,
        "direction": "bidirectional" if rnn.bidirectional else "forward",
    }
    if isinstance(rnn, nn.GRU):
        # torch applies the reset gate after the product with the state, ONNX by default before it.
        attributes["linear_before_reset"] = 1
    if isinstance(rnn, nn.RNN):
        # ONNX needs one activation for each direction.
        attributes["activations"] = [rnn.nonlinearity.capitalize()] * (1 + rnn.bidirectional)
    inputs = (x, *_add_weights(graph, rnn, layer.number, position), lengths)
    output = graph.node(type(rnn).__name__, *inputs, **attributes)
    together = graph.node("Transpose", output, perm=[0, 2, 1, 3])  # (T, B, D, H)
    return graph.node("Reshape", together, graph.axes(0, 0, -1))


def _add_weights(graph: Graph, rnn: nn.RNNBase, number: int, position: int) -> tuple[str, str, str]:
    """Adds a layer's weights for input and state, and its biases."""
    suffixes = [f"l{number}", f"l{number}_reverse"][: 1 + rnn.bidirectional]

    def stacked(kind: str) -> npt.NDArray[np.float32]:
        return np.stack([_gates(rnn, getattr(rnn, f"{kind}_{s}")) for s in suffixes])

    by_input, by_state = stacked("weight_ih"), stacked("weight_hh")
    if rnn.bias:
        biases = np.concatenate([stacked("bias_ih"), stacked("bias_hh")], axis=1)
    else:
        biases = np.zeros((len(by_state), 2 * by_state.shape[1]), dtype=np.float32)
    return (
        graph.constant(f"rnn.weight_ih_l{position}", by_input),
        graph.constant(f"rnn.weight_hh_l{position}", by_state),
        graph.constant(f"rnn.bias_l{position}", biases),
    )


def _gates(rnn: nn.RNNBase, weight: Tensor) -> npt.NDArray[np.float32]:
    """Returns a weight (gates * H, ...) with ONNX's order of gates."""
    array = weight.detach().numpy()
    gates = array.reshape(-1, rnn.hidden_size, *array.shape[1:])
    return np.concatenate([gates[index] for index in _GATES[type(rnn).__name__]])


def add_pooling(graph: Graph, network: RNNClassifier, output: str, prepared: Prepared) -> str:
    """Adds the pooling over valid steps: (T, B, D*H) -> (B, D*H)."""
    valid = graph.node("Transpose", prepared.valid, perm=[1, 0, 2])  # (T, B, 1)
    if network.attention is not None:
        # The score of each step: (T, B, D*H) -> (T, B, 1).
        weight, bias = graph.linear("attention.projection", network.attention.projection)
        product = graph.node("MatMul", output, graph.node("Transpose", weight, perm=[1, 0]))
        hidden = graph.node("Tanh", graph.node("Add", product, bias))
        query = network.attention.query.weight.detach().numpy().T
        scores = graph.node("MatMul", hidden, graph.constant("attention.query", query))
        scores = _masked(graph, scores, valid)
        return _add_sum(graph, graph.node("Mul", output, graph.node("Softmax", scores, axis=0)))
    if network.pooling == "mean":
        lengths = graph.node("Unsqueeze", graph.cast(prepared.lengths, np.float32), graph.axes(1))
        return graph.node("Div", _add_sum(graph, output), lengths)
    return graph.node("ReduceMax", _masked(graph, output, valid), axes=[0], keepdims=0)


def _masked(graph: Graph, values: str, valid: str) -> str:
    """Replaces the values at padding by minus infinity."""
    least = graph.constant("minus_infinity", np.array([-np.inf], dtype=np.float32))
    return graph.node("Where", valid, values, least)


def _add_sum(graph: Graph, values: str) -> str:
    """Adds the sum over the time steps: (T, B, ...) -> (B, ...)."""
    return graph.node("ReduceSum", values, graph.axes(0), keepdims=0)
