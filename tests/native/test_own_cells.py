"""The library trains a user's cell as float64 does, to a share of each weight's own gradient."""

from typing import Any

import example_cells
import odd_cells
import pytest
import torch

from seqsweep.models.cell import Cell
from seqsweep.models.own_programs import program_of
from seqsweep.models.tracing import trace
from seqsweep.native.program import packaged_program
from seqsweep.native.step import Network, Shape, run

OWN: list[type[Cell]] = [*example_cells.CELLS, *odd_cells.CELLS]
OPTIONS = {odd_cells.Leaky: {"dt": 0.3}, example_cells.CoRNN: {"dt": 0.2}}
# The hidden size, the layers, both directions, the pooling, and the lengths of the sequences.
NETWORKS: list[tuple[Any, ...]] = [
    (1, 2, True, "mean", [4, 1, 9]),
    (7, 3, True, "max", [23, 1, 14, 50, 2, 50]),
    (33, 1, True, "last", [12, 7, 12, 3, 1]),
    (65, 2, False, "mean", [8, 8, 8, 8]),
]
# The momentum after one step is the gradient.
MOMENTUM = {"lr": 0.0, "momentum": 0.5}


def exact_gradients(case, network) -> list[torch.Tensor]:
    loss = case.loss(network, case.order())
    return list(torch.autograd.grad(loss, network.parameters(), materialize_grads=True))


def gradient(case, network: Network) -> torch.Tensor:
    """Returns the gradient of all weights by the library."""
    run([case.work(network)], case.data, None)
    return network.state["momentum_buffer"]


@pytest.mark.sampled(20)
@pytest.mark.parametrize("cell", OWN, ids=lambda cell: cell.__name__)
@pytest.mark.parametrize("network", NETWORKS, ids=lambda network: f"H={network[0]}")
def test_each_gradient_is_that_of_float64(make_case, cell, network):
    hidden, layers, both, pooling, lengths = network
    options = OPTIONS.get(cell, {})
    program = trace(cell, 5, hidden, options)
    shape = Shape(5, hidden, 3, cell, "tanh", layers, both, pooling, 0.0, program)
    case = make_case(
        shape, lengths, options=MOMENTUM, batch_size=len(lengths), cell_options=options
    )
    classifier = case.classifier()
    exact = exact_gradients(case, classifier)
    rough = exact_gradients(case, classifier.float())
    found = gradient(case, case.network()).split([g.numel() for g in exact])
    names = [name for name, _ in classifier.named_parameters()]
    for name, mine, single, double in zip(names, found, rough, exact, strict=True):
        error, of_float32 = (
            (each.double().flatten() - double.flatten()).abs().max() for each in (mine, single)
        )
        assert error <= max(1e-5 * double.abs().max(), 3 * of_float32), name


@pytest.mark.parametrize("name", ["rnn", "rnn-relu", "gru", "lstm", "indrnn", "indrnn-relu"])
def test_a_kernel_and_the_program_of_its_cell_compute_the_same(make_case, name):
    cell, _, relu = name.partition("-")
    shape = Shape(3, 33, 4, cell, relu or "tanh", 2, True, "mean")
    case = make_case(shape, [9, 4, 9, 1, 6], options=MOMENTUM)
    by_kernel = gradient(case, case.network())
    case.shape = shape._replace(program=packaged_program(name))
    by_program = gradient(case, case.network())
    close = 2e-6 * float(by_kernel.abs().max())
    torch.testing.assert_close(by_program, by_kernel, rtol=0, atol=close)
    assert not torch.equal(by_program, by_kernel)  # they round differently


@pytest.mark.parametrize(
    ("cell", "reason"),
    [
        (odd_cells.TooManyBlocks, "a product has more than 16 blocks"),
        (odd_cells.TooLong, "the step has more than 512 operations"),
    ],
)
def test_a_step_that_is_too_long_has_no_program(cell: type[Cell], reason: str):
    assert program_of({"cell": cell, "hidden_size": 4}) == reason
