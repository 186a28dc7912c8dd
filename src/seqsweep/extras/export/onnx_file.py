"""Writes a trained network as an ONNX file, node by node.

PyTorch's exporters for such networks are deprecated, so this module uses none of them.

B sequences, T time steps, F features (channels), H hidden, D directions, C classes.
"""

import math
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
from onnx import helper

from seqsweep.data.checks import Array
from seqsweep.extras.export.check import Answer, Outputs
from seqsweep.extras.export.contents import count_symbols, input_type, metadata, scaling_inside
from seqsweep.extras.export.onnx_cells import add_cell
from seqsweep.extras.export.onnx_layers import add_embedding, add_layers, add_norm, add_pooling
from seqsweep.extras.export.onnx_nodes import Graph, array_info
from seqsweep.extras.export.onnx_scaling import add_scaled, add_scaling, add_usable
from seqsweep.models.classifier import RNNClassifier
from seqsweep.models.torch_operations import Untraceable
from seqsweep.using.load import LoadedRun
from seqsweep.using.stream import check_steps, known_network, layers_of, scaling_of_step

OPSET = 17
"""The version of the ONNX operators; runtimes since 2022 know it."""

_IR_VERSION = 8
"""The version of the file format that belongs to the operators."""

_LENGTHS = {"lengths": (np.int64, ("batch",))}
_TYPES = {"tensor(float)": np.float32, "tensor(double)": np.float64}


def write(run: LoadedRun, step: bool = False) -> bytes:
    """Returns the run's network as the content of an ONNX file.

    Inputs: x (B, T, F), which holds raw values or indices of symbols, and lengths (B,) int64.
    Outputs: logits and probabilities, each (B, C). B, T and the lengths may vary. The outputs are
    NaN for a sequence without steps, or with a value that `LoadedRun.prepare` would refuse.

    With `step`, x is a single step (B, F), and the other inputs are the states before it. The
    outputs are those of the steps so far, and the next states.

    Raises:
        ValueError: the network has a part that the graph cannot express.
    """
    network = known_network(run.network, f"{run.checkpoint}: cannot write {{}} as .onnx")
    if step:
        check_steps(network, run.scaling, run.checkpoint)
    graph = Graph()
    try:
        features, usable = (_add_step if step else _add_sequences)(graph, network, run)
    except Untraceable as error:
        what = f"model.cell={network.cell} as .onnx, because it has no program"
        raise ValueError(f"{run.checkpoint}: cannot write {what}: {error}") from error
    _add_head(graph, network, features, usable)
    shape = ("batch", *([] if step else ["time"]), len(run.source_channels))
    inputs = {"x": (input_type(run), shape), **(graph.states if step else _LENGTHS)}
    of_head = np.float32, ("batch", network.fc.out_features)
    outputs = {"logits": of_head, "probabilities": of_head}
    outputs |= {f"new_{name}": state for name, state in graph.states.items()}
    infos = ([array_info(name, *one) for name, one in side.items()] for side in (inputs, outputs))
    proto = graph.finish(type(network).__name__, *infos)
    opset = [helper.make_opsetid("", OPSET)]
    model = helper.make_model(proto, opset_imports=opset, ir_version=_IR_VERSION)
    model.producer_name = "seqsweep"
    helper.set_model_props(model, metadata(run, graph.states))
    onnx.checker.check_model(model, full_check=True)
    return model.SerializeToString()


def read(content: bytes) -> Answer:
    """Returns a function that runs the content of an ONNX file in ONNX Runtime."""
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    run: Any = session.run
    states = session.get_inputs()[1:]
    if states[0].name == "lengths":
        return lambda x, lengths: Outputs(*run(None, {"x": x, "lengths": lengths}))

    def answer_by_step(x: Array, lengths: npt.NDArray[np.int64]) -> Outputs:
        feeds = {one.name: np.zeros((len(x), one.shape[1]), _TYPES[one.type]) for one in states}
        outputs = list[Outputs]()
        for step in x.swapaxes(0, 1):
            logits, probabilities, *new = run(None, {"x": step, **feeds})
            feeds = dict(zip(feeds, new, strict=True))
            outputs.append(Outputs(logits, probabilities))
        last = lengths - 1, np.arange(len(x))
        return Outputs(*(np.stack(steps)[last] for steps in zip(*outputs, strict=True)))

    return answer_by_step


def _add_sequences(graph: Graph, network: RNNClassifier, run: LoadedRun) -> tuple[str, str]:
    """Adds the nodes up to the head's input (B, D*H), and the mask (B, 1) of usable outputs."""
    prepared = add_scaling(graph, scaling_inside(run), "x", "lengths")
    usable = add_usable(graph, prepared.x, prepared.valid, count_symbols(run))
    has_steps = graph.node("Greater", prepared.lengths, graph.axes(0))
    has_steps = graph.node("Unsqueeze", has_steps, graph.axes(1))
    usable = graph.node("And", usable, has_steps)
    embedding = network.embedding
    x = prepared.x if embedding is None else add_embedding(graph, embedding, prepared.x)
    output, state = add_layers(graph, layers_of(network), x, prepared)
    features = state if network.pooling == "last" else add_pooling(graph, network, output, prepared)
    return features, usable


def _add_head(graph: Graph, network: RNNClassifier, features: str, usable: str) -> None:
    logits = graph.node("Gemm", features, *graph.linear("fc", network.fc), transB=1)
    nan = graph.constant("not_a_number", np.array([np.nan], dtype=np.float32))
    graph.node("Where", usable, logits, nan, output="logits")
    graph.node("Softmax", "logits", output="probabilities", axis=1)


def _add_step(graph: Graph, network: RNNClassifier, run: LoadedRun) -> tuple[str, str]:
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
    is_usable = add_usable(graph, x, valid, count_symbols(run))
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
