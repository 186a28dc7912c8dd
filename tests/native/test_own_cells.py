"""The library trains a user's cell as float64 does, to a share of each weight's own gradient."""

from typing import Any

import example_cells
import numpy as np
import odd_cells
import pytest
import torch

from seqsweep.models import tracing
from seqsweep.models.cell import Cell
from seqsweep.models.cells import GRU, LRU, LSTM, MinLSTM, cell_name
from seqsweep.models.own_programs import program_of
from seqsweep.native.program import packaged_program
from seqsweep.native.step import Data, Network, Shape, predict, run, trace

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
    program = tracing.trace(cell, 5, hidden, options)
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


@pytest.mark.parametrize("function", [torch.log1p, torch.expm1])
def test_log1p_and_expm1_keep_their_digits_near_zero(function):
    class Near(Cell):
        def step(self, x, state):
            return function(x)

    sizes = 10.0 ** torch.arange(-12, 1)
    x = torch.cat((sizes, -sizes, torch.tensor([0, 30, 88, torch.inf]))).float()
    shape = Shape(1, 1, 2, "near", program=tracing.trace(Near, 1, 1))
    network = Network(shape, "sgd", torch.tensor([1.0, 0, 1.0, 0, 0, 0]))
    ones = np.ones(len(x), dtype=np.int64)
    data = Data(x[:, None, None].numpy(), ones, 0 * ones, 2)
    found = torch.from_numpy(predict(network, data)[:, 0])
    torch.testing.assert_close(found, function(x.double()).float(), rtol=1e-6, atol=0)


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


class Three(odd_cells.with_weights(states=3, rate=1)):
    """No step reads block 1, which is computed from block 0; block 2 depends on the input alone."""

    rate: torch.Tensor

    def step(self, x, state):
        a, _, c = state.chunk(3, dim=1)
        a = torch.tanh(x + self.rate * a + c)
        return torch.cat((a, (a * 2).sin(), x.sin()), dim=1)

    def output(self, states, x):
        a, b, c = states.chunk(3, dim=1)
        return a * c + self.rate * b


def curve(case) -> torch.Tensor:
    """Returns |dL/dh| by the number of steps that follow, of the first layer and direction."""
    return torch.from_numpy(trace(case.network(), case.data)[0, 0])


# The blocks of the state that the output reads.
OUTPUT_BLOCKS = {
    **{cell: [0] for cell in (LSTM, example_cells.PeepholeLSTM, example_cells.CoRNN)},
    **{cell: [0, 1] for cell in (LRU, odd_cells.Swapped)},
    **{cell: [0] for cell in (GRU, MinLSTM, example_cells.MGU, odd_cells.Leaky)},
    odd_cells.DelayLine: [2],
    Three: [0, 1, 2],
    odd_cells.Memoryless: [],
}


@pytest.mark.parametrize("pooling", ["last", "mean"])
@pytest.mark.parametrize("cell", OUTPUT_BLOCKS, ids=lambda cell: cell.__name__)
def test_the_gradient_through_time_is_by_the_blocks_that_the_output_reads(make_case, cell, pooling):
    shape = Shape(3, 7, 3, cell, pooling=pooling, program=tracing.trace(cell, 3, 7))
    case = make_case(shape, [6, 6, 6, 6])
    network = case.classifier()
    weights = {n.removeprefix("rnn.").removesuffix("_l0"): w for n, w in network.named_parameters()}
    own = cell({name: weights[name] for name in cell.shapes(3, 7)})
    projected = own.project(case.x.double().transpose(0, 1).flatten(0, 1))
    states = [torch.zeros(4, cell.state_size(7), dtype=torch.float64)]
    for x in projected.split(4):
        states.append(own.step(x, states[-1]))
    outputs = own.output(torch.cat(states[1:]), projected).view(6, 4, 7)
    logits = network.fc(outputs[-1] if pooling == "last" else outputs.mean(0))
    loss = torch.nn.functional.cross_entropy(logits, case.labels, reduction="sum")
    gradients = torch.autograd.grad(loss, states[:0:-1], materialize_grads=True)
    blocks = torch.stack(gradients).view(6, 4, -1, 7)[:, :, OUTPUT_BLOCKS[cell]]
    expected = blocks.flatten(2).norm(dim=2).mean(1)
    torch.testing.assert_close(curve(case), expected, rtol=1e-5, atol=1e-8)
    if cell in (LSTM, GRU):
        case.shape = shape._replace(cell=cell_name(cell), program=None)
        torch.testing.assert_close(curve(case), expected, rtol=1e-5, atol=1e-8)


def test_where_no_step_reads_the_output_the_curve_follows_it_to_the_state(make_case):
    own: Any = example_cells.SRU
    case = make_case(Shape(3, 7, 3, own, program=tracing.trace(own, 3, 7)), [6, 6])
    assert curve(case).min() > 0


@pytest.mark.parametrize(
    ("cell", "reason"),
    [
        (odd_cells.TooManyBlocks, "a product has more than 16 blocks"),
        (odd_cells.TooLong, "the step has more than 512 operations"),
    ],
)
def test_a_step_that_is_too_long_has_no_program(cell: type[Cell], reason: str):
    assert program_of({"cell": cell, "hidden_size": 4}) == reason
