"""The program of a user's cell: traced from the class, and compared with autograd once.

B batch, T time steps, F features, H hidden.
"""

import functools
import inspect
import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from seqsweep.models.cell import Cell
from seqsweep.models.cell_layers import CellLayers
from seqsweep.models.cells import CELLS, cell_class, cell_name
from seqsweep.models.classifier import RNNClassifier
from seqsweep.models.equations import equations_of
from seqsweep.models.tracing import trace
from seqsweep.native.assembly import assemble
from seqsweep.native.library import why_missing
from seqsweep.native.program import Program
from seqsweep.native.step import Data, Network, Shape, Work, run
from seqsweep.seeding import drawing_from

_LENGTHS = (5, 3, 4)
_CLASSES = 3
_TOLERANCE = 1e-4
"""The largest error of a gradient, as a share; see `gradient_errors`."""


def program_of(model: dict[str, Any]) -> Program | str:
    """Returns the program of the cell of a section `model`, or why it has none."""
    options = dict(model.get("cell_options") or {})
    cell = cell_class(model["cell"])
    if "nonlinearity" in inspect.signature(cell).parameters:
        options["nonlinearity"] = model["nonlinearity"]
    return traced(cell, 3, model["hidden_size"], json.dumps(options))


@functools.lru_cache(maxsize=512)
def traced(cell: type[Cell], inputs: int, hidden: int, options: str) -> Program | str:
    """Returns the program of a class with these options (JSON), or why it has none."""
    try:
        program = trace(cell, inputs, hidden, json.loads(options))
        assemble(program)  # refuses a step that is too long
    except ValueError as error:
        return str(error)
    return program


def check_program(network: RNNClassifier, program: Program) -> None:
    """Refuses a program that depends on sizes, or that computes something else than the cell.

    The gradients of a small network are compared with autograd's. A number of the class that
    changes, such as one that it draws with numpy, shows there.

    Raises:
        ValueError: the program is not that of the network's cell.
    """
    layers = network.rnn
    assert isinstance(layers, CellLayers)
    widths = tuple(sorted({inputs for inputs, _ in layers.lanes()}))
    _check(layers.cell, json.dumps(layers.options), widths, layers.hidden_size, str(program))


@functools.lru_cache(maxsize=512)
def _check(cell: type[Cell], options: str, widths: tuple[int, ...], hidden: int, text: str) -> None:
    where = f"model.cell={cell_name(cell)}"
    if any(str(traced(cell, inputs, hidden, options)) != text for inputs in widths):
        raise ValueError(f"{where}: its step depends on the number of inputs; give engine=autograd")
    network, errors = gradient_errors(cell, json.loads(options), widths[0], hidden)
    for (name, _), (error, of_float32) in zip(network.named_parameters(), errors, strict=True):
        if not error <= max(_TOLERANCE, 3 * of_float32):
            line = inspect.getsourcelines(cell.step)[1]
            raise ValueError(
                f"{where}: the gradient of {name} that its program computes differs from autograd's"
                f" by {error:.1e} of the largest; {Path(inspect.getfile(cell)).name}:{line}: step "
                "must compute the same each time; give engine=autograd otherwise"
            )


def describe_cell(network: RNNClassifier, inputs: int) -> tuple[tuple[str, ...], str]:
    """Returns the equations of a network's cell, and a line on how it is trained.

    Args:
        inputs: the number of inputs of the first layer.
    """
    cell, equations = network.cell_class, network.cell_class.equations
    if network.nonlinearity == "relu":
        equations = tuple(equation.replace("tanh(", "max(0, ") for equation in equations)
    program = traced(cell, inputs, network.hidden_size, json.dumps(network.cell_options))
    if isinstance(program, str):
        return equations, f"autograd, because the cell has no program: {program}"
    equations = equations or equations_of(program)
    if missing := why_missing():
        return equations, f"native gradient: not compared with float64; {missing}"
    _, errors = gradient_errors(cell, network.cell_options, inputs, network.hidden_size)
    words = f"differs from float64 by at most {torch.tensor(errors)[:, 0].max():.0e} of the largest"
    return equations, f"native gradient: {words}"


def gradient_errors(
    cell: type[Cell], given: dict[str, Any], inputs: int, hidden: int
) -> tuple[RNNClassifier, list[tuple[float, float]]]:
    """Compares the gradients of a small network with autograd's in float64.

    Returns:
        The network, and for each of its parameters the largest differences of the native gradient
        and of autograd's in float32, as shares of the parameter's largest gradient; or, where that
        is near 0, of a thousandth of the largest of all.
    """
    arguments: dict[str, Any] = {"cell": cell, "pooling": "mean"}
    arguments |= {name: value for name, value in given.items() if name == "nonlinearity"}
    arguments["cell_options"] = {k: v for k, v in given.items() if k not in arguments}
    name = cell_name(cell)
    program = None if name in CELLS else traced(cell, inputs, hidden, json.dumps(given))
    assert not isinstance(program, str), program
    with drawing_from(torch.Generator().manual_seed(0)):
        network = RNNClassifier(inputs, hidden, _CLASSES, **arguments)
        x = torch.randn(len(_LENGTHS), max(_LENGTHS), inputs)
    labels = torch.arange(_CLASSES)
    weights = nn.utils.parameters_to_vector(network.parameters()).detach()
    shape = Shape(inputs, hidden, _CLASSES, name, pooling="mean", program=program)
    shape = shape._replace(nonlinearity=network.nonlinearity)
    native = Network(shape, "sgd", weights)
    data = Data(x.numpy(), torch.tensor(_LENGTHS).numpy(), labels.numpy(), _CLASSES)
    # The momentum after a step of length 0 is the gradient.
    values = {"lr": 0.0, "momentum": 0.5, "weight_decay": 0.0, "nesterov": 0.0}
    run([Work(native, labels, _CLASSES, values, 0, False)], data, None)
    plain = _gradients(network, x, labels)
    exact = _gradients(network.double(), x, labels)
    found = native.state["momentum_buffer"].split([g.numel() for g in exact])
    largest = [float(g.abs().max()) for g in exact]
    errors: list[tuple[float, float]] = []
    for double, size, *others in zip(exact, largest, found, plain, strict=True):
        scale = max(size, max(largest) / 1000)
        error, of_float32 = (
            float((g.double().view_as(double) - double).abs().max()) / scale for g in others
        )
        errors.append((error, of_float32))
    return network, errors


def _gradients(network: nn.Module, x: Tensor, labels: Tensor) -> list[Tensor]:
    """Returns the gradients of a network by autograd, with the precision of its weights."""
    logits = network(x.to(next(network.parameters())), torch.tensor(_LENGTHS))
    loss = functional.cross_entropy(logits, labels)
    return list(torch.autograd.grad(loss, list(network.parameters())))
