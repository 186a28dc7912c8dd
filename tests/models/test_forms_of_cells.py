"""Every form of a cell computes the same, for any shape: torch, the library, ONNX, stream, bundle.

B sequences, T steps, F features, C classes.
"""

import copy
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import example_cells
import numpy as np
import odd_cells
import pytest
import torch
from cell_by_cell import pooled, states_of
from torch import Tensor, nn
from torch.nn import functional

from seqsweep.extras.export import onnx_file
from seqsweep.models.cells import CELLS, cell_name
from seqsweep.models.classifier import RNNClassifier
from seqsweep.models.own_programs import program_of
from seqsweep.native.program import Program
from seqsweep.native.step import Data, Network, Shape, Work, predict, run
from seqsweep.runs.identity import DATA_MODULE
from seqsweep.using.bundle_file import encode, write_bundle
from seqsweep.using.load import LoadedRun, load_run

F, C = 3, 4
NAMES = [
    *CELLS, "rnn-relu", "indrnn-relu", "example_cells.CoRNN-dt",
    *(cell_name(cell) for cell in (*example_cells.CELLS, *odd_cells.CELLS)),
]  # fmt: skip
# The hidden size, the layers, both directions, the pooling, and the lengths of the sequences.
SHAPES: list[tuple[Any, ...]] = [
    (1, 2, False, "mean", [4, 1, 9]),
    (7, 3, True, "max", [9, 1, 6, 12, 2, 12]),
    (33, 1, False, "last", [5, 2, 5, 3, 1]),
    (7, 2, False, "max", [1, 7, 4]),
    (33, 3, False, "last", [5, 2]),
    (65, 2, False, "mean", [8, 8, 8, 8]),
    (7, 1, True, "last", [6, 23, 1]),
]


def cases() -> Iterator[Any]:
    """Yields each cell with each shape; `make test` takes each cell once."""
    for turn, (n, name) in itertools.product(range(len(SHAPES)), enumerate(NAMES)):
        later = pytest.mark.durability if turn else pytest.mark.slow
        shape = SHAPES[(n + turn) % len(SHAPES)]
        yield pytest.param(name, shape, marks=later if turn or n % 3 else ())


def bundled(folder: Path, name: str, **shape: Any) -> LoadedRun:
    """Returns a run that a bundle holds, with first weights."""
    cell, _, option = name.partition("-")
    model: dict[str, Any] = {
        "_target_": "seqsweep.models.classifier.RNNClassifier",
        "cell": cell, **shape, "nonlinearity": "relu" if option == "relu" else "tanh",
        "cell_options": {"dt": 0.3} if option == "dt" else {},
    }  # fmt: skip
    torch.manual_seed(0)
    network = RNNClassifier(F, num_classes=C, **{k: v for k, v in model.items() if k[0] != "_"})
    content: dict[str, Any] = {
        "epoch": 3,
        "config": {"data": {"_target_": DATA_MODULE}, "model": model},
        "class_names": list("abcd"),
        "channel_names": list("xyz"),
        "scaling": {"missing": "error", "dtype": "float32", "step": None, "shaping": None},
        "state_dict": {f"network.{name}": w for name, w in network.state_dict().items()},
    }
    write_bundle(folder / "run.zip", encode(content))
    loaded = load_run(folder / "run.zip", allow=[cell])
    for key, weight in loaded.network.state_dict().items():
        assert torch.equal(weight, content["state_dict"][f"network.{key}"])
    return loaded


def logits_of(network: RNNClassifier, sequences: list[list[list[Tensor]]]) -> Tensor:
    """Returns logits (B, C) from the outputs of each sequence."""
    return torch.cat([network.fc(pooled(each, network.pooling)) for each in sequences]).detach()


def by_library(network: RNNClassifier, program: Program | None, data: Data) -> tuple[Any, Tensor]:
    """Returns the logits, and the gradient of all weights."""
    layers: Any = network.rnn.num_layers
    shape = Shape(
        F, network.hidden_size, C, network.cell, network.nonlinearity, layers,
        network.rnn.bidirectional, network.pooling, 0.0, program,
    )  # fmt: skip
    weights = nn.utils.parameters_to_vector(network.parameters()).detach()
    native = Network(shape, "sgd", weights)
    logits = predict(native, data)
    one = Data(data.x[1:2], data.lengths[1:2], data.labels[1:2], C)
    assert np.array_equal(predict(native, one)[0], logits[1])  # whatever stands beside it
    # The momentum after a step of length 0 is the gradient.
    options = {"lr": 0.0, "momentum": 0.5, "weight_decay": 0.0, "nesterov": 0.0}
    order = torch.arange(len(data.labels))
    run([Work(native, order, len(order), options, 0, False)], data, None)
    return logits, native.state["momentum_buffer"]


def by_autograd(network: RNNClassifier, data: Data) -> list[Tensor]:
    x = torch.from_numpy(data.x).to(network.fc.weight)
    loss = functional.cross_entropy(
        network(x, torch.from_numpy(data.lengths)), torch.from_numpy(data.labels)
    )
    return list(torch.autograd.grad(loss, list(network.parameters()), materialize_grads=True))


@pytest.mark.sampled(8)
@pytest.mark.parametrize(("name", "shape"), [*cases()])
def test_every_form_of_a_cell_computes_the_same(tmp_path, name, shape):
    """Values behind the end of a sequence are NaN, or 0 where a form takes one length."""
    hidden, layers, both, pooling, lengths = shape
    loaded = bundled(
        tmp_path, name, hidden_size=hidden, num_layers=layers, bidirectional=both, pooling=pooling
    )
    network: Any = loaded.network
    in_double = copy.deepcopy(network).double()
    ends, steps = np.array(lengths), max(lengths)
    x = np.random.default_rng(steps).normal(size=(len(ends), steps, F)).astype(np.float32)
    padding = np.arange(steps) >= ends[:, None]
    x[padding] = np.nan
    data = Data(x, ends, np.arange(len(ends)) % C, C)
    sequences = [row[:end] for row, end in zip(x, ends, strict=True)]

    outputs = [states_of(in_double, torch.from_numpy(each).double())[1] for each in sequences]
    exact = logits_of(in_double, outputs)
    by_torch = in_double(torch.from_numpy(x).double(), torch.from_numpy(ends))
    torch.testing.assert_close(by_torch, exact, rtol=0, atol=1e-12)
    close = 3e-6 * max(1, float(exact.abs().max()))

    program = program_of(loaded.config["model"] | {"cell": network.cell_class})
    assert isinstance(program, Program)
    gradients, rough = by_autograd(in_double, data), by_autograd(network, data)
    for each in [program] if "." in name else [None, program]:
        logits, gradient = by_library(network, each, data)
        np.testing.assert_allclose(logits, exact, rtol=0, atol=close)
        ours = 0 if "." in name else 3e-6 * max(float(one.abs().max()) for one in gradients)
        parts = gradient.double().split([weight.numel() for weight in gradients])
        for mine, single, double in zip(parts, rough, gradients, strict=True):
            of_float32 = (single - double).abs().max()
            error = (mine.view_as(double) - double).abs().max()
            assert error <= max(1e-5 * double.abs().max(), 3 * of_float32, ours)

    by_onnx = onnx_file.read(onnx_file.write(loaded))
    np.testing.assert_allclose(by_onnx(x, ends).logits, exact, rtol=0, atol=close)
    probabilities = exact.softmax(dim=1).numpy()
    np.testing.assert_allclose(loaded.predict_proba(sequences), probabilities, atol=close)
    if both:
        return
    by_step, stream = onnx_file.read(onnx_file.write(loaded, step=True)), loaded.stream()
    x[padding] = 0
    outputs = [states_of(in_double, row)[1] for row in torch.from_numpy(x).double()]
    for end in range(1, steps + 1):
        exact = logits_of(in_double, [[one_way[:end] for one_way in each] for each in outputs])
        logits = by_step(x, np.full_like(ends, end)).logits
        np.testing.assert_allclose(logits, exact, rtol=0, atol=close)
        streamed = stream.push(x[:, end - 1])
        np.testing.assert_allclose(streamed, exact.softmax(dim=1).numpy(), atol=close)
