"""The equations of a program are those of its cell's class, and read like those of a paper."""

import pytest
import torch
from example_cells import MGU

from seqsweep.models.cell import Cell
from seqsweep.models.equations import equations_of
from seqsweep.models.tracing import trace


class Nested(Cell):
    """A cell whose output is the state before."""

    state_size = staticmethod(lambda hidden: 2 * hidden)

    def step(self, x, state):
        h, _ = state.chunk(2, dim=1)
        return torch.cat(((x - (h - x * 2)) / (h * x), h), dim=1)

    def output(self, states, x):
        return states.chunk(2, dim=1)[1]


EQUATIONS = {
    MGU: """
v1 = sigmoid(W_hf h_{t-1} + W_ih[0] x_t + b_ih[0])
v2 = tanh(W_hh (v1 * h_{t-1}) + W_ih[1] x_t + b_ih[1])
h_t = (1 - v1) * h_{t-1} + v1 * v2""",
    Nested: """
v1 = W_ih x_t + b_ih
s0_t = (v1 - (s0_{t-1} - (v1 * 2))) / (s0_{t-1} * v1)
h_t = s0_{t-1}""",
}


@pytest.mark.parametrize("cell", EQUATIONS)
def test_equations_are_those_of_the_class(cell):
    assert list(equations_of(trace(cell, 3, 4))) == EQUATIONS[cell].split("\n")[1:]
