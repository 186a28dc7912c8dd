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
from seqsweep.models.cells import cell_class, cell_name
from seqsweep.models.classifier import RNNClassifier
from seqsweep.models.tracing import trace
from seqsweep.native.assembly import assemble
from seqsweep.native.program import Program
from seqsweep.native.step import Data, Network, Shape, Work, run
from seqsweep.seeding import drawing_from

_LENGTHS = (5, 3, 4)
_CLASSES = 3
_TOLERANCE = 1e-4
"""The largest error of a gradient, as a share of the largest gradient of its weight."""


def program_of(model: dict[str, Any]) -> Program | str:
    """Returns the program of the cell of a section `model`, or why it has none."""
    options = dict(model.get("cell_options") or {})
    cell = cell_class(model["cell"])
    if "nonlinearity" in inspect.signature(cell).parameters:
        options["nonlinearity"] = model["nonlinearity"]
    return _traced(cell, 3, model["hidden_size"], json.dumps(options))


@functools.lru_cache(maxsize=512)
def _traced(cell: type[Cell], inputs: int, hidden: int, options: str) -> Program | str:
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
    if any(str(_traced(cell, inputs, hidden, options)) != text for inputs in widths):
        raise ValueError(f"{where}: its step depends on the number of inputs; give engine=autograd")
    network, errors = gradient_errors(cell, json.loads(options), widths[0], hidden)
    for (name, _), error in zip(network.named_parameters(), errors, strict=True):
        if not error <= _TOLERANCE:
            line = inspect.getsourcelines(cell.step)[1]
            raise ValueError(
                f"{where}: the gradient of {name} that its program computes differs from autograd's"
                f" by {error:.1e} of the largest; {Path(inspect.getfile(cell)).name}:{line}: step "
                "must compute the same each time; give engine=autograd otherwise"
            )


def gradient_errors(
    cell: type[Cell], given: dict[str, Any], inputs: int, hidden: int
) -> tuple[RNNClassifier, list[float]]:
    """Compares the native gradient of a small network with autograd's in float64.

    Returns:
        The network, and for each of its parameters the largest difference as a share of its
        largest gradient. A difference that autograd has in float32 too counts as 0.
    """
    arguments: dict[str, Any] = {"cell": cell, "pooling": "mean"}
    arguments |= {name: value for name, value in given.items() if name == "nonlinearity"}
    arguments["cell_options"] = {k: v for k, v in given.items() if k not in arguments}
    program = _traced(cell, inputs, hidden, json.dumps(given))
    assert isinstance(program, Program), program
    with drawing_from(torch.Generator().manual_seed(0)):
        network = RNNClassifier(inputs, hidden, _CLASSES, **arguments)
        x = torch.randn(len(_LENGTHS), max(_LENGTHS), inputs)
    labels = torch.arange(_CLASSES)
    weights = nn.utils.parameters_to_vector(network.parameters()).detach()
    shape = Shape(inputs, hidden, _CLASSES, pooling="mean", program=program)
    native = Network(shape, "sgd", weights)
    data = Data(x.numpy(), torch.tensor(_LENGTHS).numpy(), labels.numpy(), _CLASSES)
    # The momentum after a step of length 0 is the gradient.
    values = {"lr": 0.0, "momentum": 0.5, "weight_decay": 0.0, "nesterov": 0.0}
    run([Work(native, labels, _CLASSES, values, 0, False)], data, None)
    plain = _gradients(network, x, labels)
    exact = _gradients(network.double(), x, labels)
    found = native.state["momentum_buffer"].split([g.numel() for g in exact])
    errors: list[float] = []
    for mine, single, double in zip(found, plain, exact, strict=True):
        size = float(double.abs().max())
        error, of_float32 = (
            float((part.double().flatten() - double.flatten()).abs().max())
            for part in (mine, single)
        )
        errors.append(0.0 if error <= 3 * of_float32 + 1e-7 else error / max(size, 1e-30))
    return network, errors


def _gradients(network: nn.Module, x: Tensor, labels: Tensor) -> list[Tensor]:
    """Returns the gradients of a network by autograd, with the precision of its weights."""
    logits = network(x.to(next(network.parameters())), torch.tensor(_LENGTHS))
    loss = functional.cross_entropy(logits, labels)
    return list(torch.autograd.grad(loss, list(network.parameters())))
