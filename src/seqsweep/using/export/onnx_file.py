"""A trained network as an ONNX file, whose graph is written node by node.

PyTorch's own exporters cannot write a recurrent network whose number of steps is free.

B sequences, T time steps, F features (channels), H hidden, D directions, C classes.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
from onnx import helper
from torch import Tensor, nn

from seqsweep.models.classifier import RNNClassifier
from seqsweep.using.export.check import Answer, Outputs
from seqsweep.using.export.contents import input_type, metadata, recurrent_network
from seqsweep.using.export.onnx_nodes import Graph, array_info
from seqsweep.using.export.onnx_scaling import add_scaling, add_usable
from seqsweep.using.load import LoadedRun

OPSET = 17
"""The version of the ONNX operators; runtimes since 2022 know it."""

_IR_VERSION = 8
"""The version of the file format that belongs to the operators."""

_GATES = {"RNN": (0,), "GRU": (1, 0, 2), "LSTM": (0, 3, 1, 2)}
"""The order of torch's gates in ONNX: torch has r z n and i f g o, ONNX has z r n and i o f g."""

_LARGEST = 2**31 - 1
"""The most bytes of an ONNX file without separate files for its weights."""


def write(run: LoadedRun) -> bytes:
    """Returns the run's network as the content of an ONNX file.

    Inputs: x (B, T, F) raw values and lengths (B,) int64. Outputs: logits and probabilities,
    each (B, C). B, T and the lengths are free. A sequence without steps, or with a value that
    `LoadedRun.prepare` would refuse, has NaN as outputs.

    Raises:
        ValueError: the network has a part that the graph cannot express, or is too large.
    """
    network = recurrent_network(run, ".onnx")
    graph = Graph()
    _add_network(graph, network, run)
    classes = network.fc.out_features
    proto = graph.finish(
        type(network).__name__,
        [
            array_info("x", input_type(run), ("batch", "time", network.rnn.input_size)),
            array_info("lengths", np.int64, ("batch",)),
        ],
        [array_info(n, np.float32, ("batch", classes)) for n in ("logits", "probabilities")],
    )
    opset = [helper.make_opsetid("", OPSET)]
    model = helper.make_model(proto, opset_imports=opset, ir_version=_IR_VERSION)
    model.producer_name = "seqsweep"
    helper.set_model_props(model, metadata(run))
    if model.ByteSize() > _LARGEST:
        raise ValueError(f"{run.checkpoint}: has more weights than one .onnx file can hold (2 GiB)")
    onnx.checker.check_model(model, full_check=True)
    return model.SerializeToString()


def read(content: bytes, run: LoadedRun) -> Answer:
    """Returns what ONNX Runtime computes from a file's content."""
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])

    def answer(x: npt.NDArray[np.generic], lengths: npt.NDArray[np.int64]) -> Outputs:
        results: Any = session.run(["logits", "probabilities"], {"x": x, "lengths": lengths})
        return Outputs(*results)

    return answer


def _add_network(graph: Graph, network: RNNClassifier, run: LoadedRun) -> None:
    """Adds all nodes, from x and lengths to logits and probabilities."""
    valid = _add_valid(graph)
    x = add_scaling(graph, run.scaling, "x", valid)
    usable = add_usable(graph, x, valid, "lengths")
    output, state = _add_layers(graph, network.rnn, x)
    if network.pooling == "last":
        features = state
    elif network.pooling == "mean":
        features = _add_mean(graph, output)
    else:
        features = _add_maximum(graph, output, valid)
    weights = _constant(graph, "fc.weight", network.fc), _constant(graph, "fc.bias", network.fc)
    logits = graph.node("Gemm", features, *weights, transB=1)
    nan = graph.constant("not_a_number", np.array([np.nan], dtype=np.float32))
    graph.node("Where", usable, logits, nan, output="logits")
    graph.node("Softmax", "logits", output="probabilities", axis=1)


def _add_valid(graph: Graph) -> str:
    """Adds the mask (B, T, 1) of the steps before the end of each sequence."""
    steps = graph.node("Gather", graph.node("Shape", "x"), graph.number(1))
    step = graph.node("Range", graph.number(0), steps, graph.number(1))  # (T,)
    is_valid = graph.node("Less", step, graph.node("Unsqueeze", "lengths", graph.axes(1)))
    return graph.node("Unsqueeze", is_valid, graph.axes(2))


def _add_layers(graph: Graph, rnn: nn.RNNBase, x: str) -> tuple[str, str]:
    """Adds the recurrent layers.

    Returns the last layer's outputs (T, B, D*H), which are 0 at padding, and its final states
    (B, D*H).
    """
    lengths = graph.cast("lengths", np.int32)
    output, state = graph.node("Transpose", x, perm=[1, 0, 2]), ""
    for layer in range(rnn.num_layers):
        output, state = _add_layer(graph, rnn, layer, output, lengths)
    by_sequence = graph.node("Transpose", state, perm=[1, 0, 2])  # (B, D, H)
    return output, graph.node("Reshape", by_sequence, graph.axes(0, -1))


def _add_layer(graph: Graph, rnn: nn.RNNBase, layer: int, x: str, lengths: str) -> tuple[str, str]:
    """Adds one layer of both directions: x (T, B, ...) -> (T, B, D*H) and (D, B, H)."""
    operator = type(rnn).__name__
    directions = 2 if rnn.bidirectional else 1
    attributes: dict[str, Any] = {
        "hidden_size": rnn.hidden_size,
        "direction": "bidirectional" if rnn.bidirectional else "forward",
    }
    if isinstance(rnn, nn.GRU):
        # torch applies the reset gate after the product with the state, ONNX before it.
        attributes["linear_before_reset"] = 1
    if isinstance(rnn, nn.RNN):
        attributes["activations"] = [rnn.nonlinearity.capitalize()] * directions
    weights = _add_weights(graph, rnn, layer)
    output, state = graph.nodes(
        operator, (x, *weights, lengths), (f"output_{layer}", f"state_{layer}"), **attributes
    )
    together = graph.node("Transpose", output, perm=[0, 2, 1, 3])  # (T, B, D, H)
    return graph.node("Reshape", together, graph.axes(0, 0, -1)), state


def _add_weights(graph: Graph, rnn: nn.RNNBase, layer: int) -> tuple[str, str, str]:
    """Adds a layer's weights (of the input, of the state) and both its biases together."""
    suffixes = [f"l{layer}", f"l{layer}_reverse"][: 2 if rnn.bidirectional else 1]

    def stacked(kind: str) -> npt.NDArray[np.float32]:
        return np.stack([_gates(rnn, getattr(rnn, f"{kind}_{s}")) for s in suffixes])

    biases = np.concatenate([stacked("bias_ih"), stacked("bias_hh")], axis=1)
    return (
        graph.constant(f"rnn.weight_ih_l{layer}", stacked("weight_ih")),
        graph.constant(f"rnn.weight_hh_l{layer}", stacked("weight_hh")),
        graph.constant(f"rnn.bias_l{layer}", biases),
    )


def _gates(rnn: nn.RNNBase, weight: Tensor) -> npt.NDArray[np.float32]:
    """Returns a weight (gates * H, ...) with its gates in the order of ONNX."""
    array = weight.detach().numpy()
    gates = array.reshape(-1, rnn.hidden_size, *array.shape[1:])
    return np.concatenate([gates[index] for index in _GATES[type(rnn).__name__]])


def _add_mean(graph: Graph, output: str) -> str:
    """Adds the mean over the valid steps: (T, B, D*H) -> (B, D*H)."""
    total = graph.node("ReduceSum", output, graph.axes(0), keepdims=0)
    lengths = graph.node("Unsqueeze", graph.cast("lengths", np.float32), graph.axes(1))
    return graph.node("Div", total, lengths)


def _add_maximum(graph: Graph, output: str, valid: str) -> str:
    """Adds the maximum over the valid steps: (T, B, D*H) -> (B, D*H)."""
    least = graph.constant("minus_infinity", np.array([-np.inf], dtype=np.float32))
    by_time = graph.node("Transpose", valid, perm=[1, 0, 2])
    return graph.node(
        "ReduceMax", graph.node("Where", by_time, output, least), axes=[0], keepdims=0
    )


def _constant(graph: Graph, name: str, linear: nn.Linear) -> str:
    tensor: Tensor = getattr(linear, name.removeprefix("fc."))
    return graph.constant(name, tensor.detach().numpy())
