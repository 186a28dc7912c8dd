"""The program of a user's cell: traced from the class, and compared with it once.

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
from seqsweep.native.step import Data, Network, Shape, Work, predict, run
from seqsweep.seeding import drawing_from

_LENGTHS = (5, 3, 4)
_COUNTS = (3, 8, 64)
"""The numbers of sequences for which the logits of a program are compared with its class's."""
_CLASSES = 3
_TOLERANCE = 1e-4
"""The largest error of a gradient, as a share; see `_compare_gradients`."""


def program_of(model: dict[str, Any]) -> Program | str:
    """Returns the program of the cell of a section `model`, or why it has none."""
    options = dict(model.get("cell_options") or {})
    cell = cell_class(model["cell"])
    if "nonlinearity" in inspect.signature(cell).parameters:
        options["nonlinearity"] = model["nonlinearity"]
    return checked(cell, 3, model["hidden_size"], json.dumps(options))


@functools.lru_cache(maxsize=512)
def traced(cell: type[Cell], inputs: int, hidden: int, options: str) -> Program | str:
    """Returns the program of a class with these options (JSON), or why it has none."""
    try:
        program = trace(cell, inputs, hidden, json.loads(options))
        assemble(program)  # refuses a step that is too long
    except ValueError as error:
        return str(error)
    return program


@functools.lru_cache(maxsize=512)
def checked(cell: type[Cell], inputs: int, hidden: int, options: str) -> Program | str:
    """Returns what `traced` does, or how the program differs from the class.

    Logits and gradients of small networks are compared with torch's.
    """
    program = traced(cell, inputs, hidden, options)
    if isinstance(program, str) or cell in CELLS.values() or why_missing():
        return program
    # A narrow network costs less, and shows the same if it has the same program.
    narrow = min(hidden, 32)
    width = narrow if traced(cell, inputs, narrow, options) == program else hidden
    try:
        difference = _difference(cell, program, json.loads(options), inputs, width)
    except (RuntimeError, ValueError) as error:  # the class fails with numbers
        difference = str(error).partition("\n")[0]
    if difference is None:
        return program
    code = inspect.unwrap(cell.step).__code__
    return f"{Path(code.co_filename).name}:{code.co_firstlineno}: {difference}"


def check_program(network: RNNClassifier, program: Program) -> None:
    """Refuses a program that depends on the number of inputs.

    Raises:
        ValueError: the program is not that of each layer.
    """
    layers = network.rnn
    assert isinstance(layers, CellLayers)
    options = json.dumps(layers.options)
    for inputs in {inputs for inputs, _ in layers.lanes()}:
        if traced(layers.cell, inputs, layers.hidden_size, options) != program:
            where = f"model.cell={cell_name(layers.cell)}"
            raise ValueError(
                f"{where}: its step depends on the number of inputs; give engine=autograd"
            )


def describe_cell(network: RNNClassifier, inputs: int) -> tuple[tuple[str, ...], str]:
    """Returns the equations of a network's cell, and a line on how it is trained.

    Args:
        inputs: the number of inputs of the first layer.
    """
    cell, equations = network.cell_class, network.cell_class.equations
    if network.nonlinearity == "relu":
        equations = tuple(equation.replace("tanh(", "max(0, ") for equation in equations)
    program = checked(cell, inputs, network.hidden_size, json.dumps(network.cell_options))
    if isinstance(program, str):
        return equations, f"autograd, because the cell has no program: {program}"
    equations = equations or equations_of(program)
    if missing := why_missing():
        return equations, f"native gradient: not compared with float64; {missing}"
    own = None if cell in CELLS.values() else program
    _, _, errors = _compare_gradients(cell, own, network.cell_options, inputs, network.hidden_size)
    words = f"differs from float64 by at most {torch.tensor(errors)[:, 0].max():.0e} of the largest"
    return equations, f"native gradient: {words}"


def _difference(
    cell: type[Cell], program: Program, given: dict[str, Any], inputs: int, hidden: int
) -> str | None:
    """Returns how a program differs from its class, if it does."""
    network, native, errors = _compare_gradients(cell, program, given, inputs, hidden)
    for count in _COUNTS:
        x, lengths = _draw(count, 2, inputs), torch.full((count,), 2)
        data = Data(x.numpy(), lengths.numpy(), torch.zeros_like(lengths).numpy(), _CLASSES)
        found = torch.from_numpy(predict(native, data))
        with torch.no_grad():
            plain, exact = network.float()(x, lengths), network.double()(x.double(), lengths)
        error, of_float32 = ((exact - logits).abs().max() for logits in (found, plain))
        if error > max(_TOLERANCE * exact.abs().max(), 3 * of_float32):
            return "step must compute the same each time, for any number of sequences"
    for (name, _), (error, of_float32) in zip(network.named_parameters(), errors, strict=True):
        if not error <= max(_TOLERANCE, 3 * of_float32):
            return (
                f"it has a gradient of its own: that of {name} differs from the program's by "
                f"{error:.1e} of the largest"
            )
    return None


def _draw(count: int, steps: int, inputs: int) -> Tensor:
    return torch.randn(count, steps, inputs, generator=torch.Generator().manual_seed(count))


def _compare_gradients(
    cell: type[Cell], program: Program | None, given: dict[str, Any], inputs: int, hidden: int
) -> tuple[RNNClassifier, Network, list[tuple[float, float]]]:
    """Compares the gradients of a small network with autograd's in float64.

    Args:
        program: the program of a cell of the user's; None for a cell of this package.

    Returns:
        The network, its copy in the library, and for each parameter the largest differences of the
        native gradient and of autograd's in float32, as shares of the parameter's largest gradient;
        or, where that is near 0, of a thousandth of the largest of all.
    """
    arguments: dict[str, Any] = {"cell": cell, "pooling": "mean"}
    arguments |= {name: value for name, value in given.items() if name == "nonlinearity"}
    arguments["cell_options"] = {k: v for k, v in given.items() if k not in arguments}
    with drawing_from(torch.Generator().manual_seed(0)):
        network = RNNClassifier(inputs, hidden, _CLASSES, **arguments)
    x, labels = _draw(len(_LENGTHS), max(_LENGTHS), inputs), torch.arange(_CLASSES)
    weights = nn.utils.parameters_to_vector(network.parameters()).detach()
    names = network.cell, network.nonlinearity
    shape = Shape(inputs, hidden, _CLASSES, *names, pooling="mean", program=program)
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
    return network, native, errors


def _gradients(network: nn.Module, x: Tensor, labels: Tensor) -> list[Tensor]:
    """Returns the gradients of a network by autograd, with the precision of its weights."""
    logits = network(x.to(next(network.parameters())), torch.tensor(_LENGTHS))
    loss = functional.cross_entropy(logits, labels)
    return list(torch.autograd.grad(loss, list(network.parameters()), materialize_grads=True))
