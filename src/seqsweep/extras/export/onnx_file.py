"""Writes a trained network as an ONNX file, node by node.

PyTorch's exporters for such networks are deprecated, so this module uses none of them.

B sequences, T time steps, F features (channels), H hidden, D directions, C classes.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
from onnx import helper

from seqsweep.extras.export.check import Answer, Outputs
from seqsweep.extras.export.contents import (
    count_symbols,
    input_type,
    layers_of,
    metadata,
    recurrent_network,
    scaling_inside,
)
from seqsweep.extras.export.onnx_layers import add_embedding, add_layers, add_pooling
from seqsweep.extras.export.onnx_nodes import Graph, array_info
from seqsweep.extras.export.onnx_scaling import add_scaling, add_usable
from seqsweep.models.classifier import RNNClassifier
from seqsweep.models.torch_operations import Untraceable
from seqsweep.using.load import LoadedRun

OPSET = 17
"""The version of the ONNX operators; runtimes since 2022 know it."""

_IR_VERSION = 8
"""The version of the file format that belongs to the operators."""


def write(run: LoadedRun) -> bytes:
    """Returns the run's network as the content of an ONNX file.

    Inputs: x (B, T, F), which holds raw values or indices of symbols, and lengths (B,) int64.
    Outputs: logits and probabilities, each (B, C). B, T and the lengths may vary. The outputs are
    NaN for a sequence without steps, or with a value that `LoadedRun.prepare` would refuse.

    Raises:
        ValueError: the network has a part that the graph cannot express.
    """
    network = recurrent_network(run)
    graph = Graph()
    try:
        _add_network(graph, network, run)
    except Untraceable as error:
        what = f"model.cell={network.cell} as .onnx, because it has no program"
        raise ValueError(f"{run.checkpoint}: cannot write {what}: {error}") from error
    classes = network.fc.out_features
    proto = graph.finish(
        type(network).__name__,
        [
            array_info("x", input_type(run), ("batch", "time", len(run.source_channels))),
            array_info("lengths", np.int64, ("batch",)),
        ],
        [array_info(n, np.float32, ("batch", classes)) for n in ("logits", "probabilities")],
    )
    opset = [helper.make_opsetid("", OPSET)]
    model = helper.make_model(proto, opset_imports=opset, ir_version=_IR_VERSION)
    model.producer_name = "seqsweep"
    helper.set_model_props(model, metadata(run))
    onnx.checker.check_model(model, full_check=True)
    return model.SerializeToString()


def read(content: bytes) -> Answer:
    """Returns a function that runs the content of an ONNX file in ONNX Runtime."""
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])

    def answer(x: npt.NDArray[np.generic], lengths: npt.NDArray[np.int64]) -> Outputs:
        results: Any = session.run(["logits", "probabilities"], {"x": x, "lengths": lengths})
        return Outputs(*results)

    return answer


def _add_network(graph: Graph, network: RNNClassifier, run: LoadedRun) -> None:
    """Adds all nodes, from x and lengths to logits and probabilities."""
    prepared = add_scaling(graph, scaling_inside(run), "x", "lengths")
    usable = add_usable(graph, prepared, count_symbols(run))
    embedding = network.embedding
    x = prepared.x if embedding is None else add_embedding(graph, embedding, prepared.x)
    output, state = add_layers(graph, layers_of(network), x, prepared)
    features = state if network.pooling == "last" else add_pooling(graph, network, output, prepared)
    logits = graph.node("Gemm", features, *graph.linear("fc", network.fc), transB=1)
    nan = graph.constant("not_a_number", np.array([np.nan], dtype=np.float32))
    graph.node("Where", usable, logits, nan, output="logits")
    graph.node("Softmax", "logits", output="probabilities", axis=1)
