"""Precision and gradients through time of a user's cell; cells too large for the library."""

import example_cells
import numpy as np
import odd_cells
import pytest
import torch

from seqsweep.models import tracing
from seqsweep.models.cell import Cell
from seqsweep.models.cells import GRU, LRU, LSTM, MinLSTM, cell_name
from seqsweep.models.own_programs import program_of
from seqsweep.native.step import Data, Network, Shape, predict, trace


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


def test_a_step_that_is_too_long_has_no_program():
    reason = program_of({"cell": odd_cells.TooManyBlocks, "hidden_size": 4})
    assert reason == "a product has more than 16 blocks"
    reason = program_of({"cell": odd_cells.TooLong, "hidden_size": 4})
    assert reason == "the step has more than 512 operations"
