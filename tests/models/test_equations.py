"""The equations of a program are those of its cell's class, and read like those of a paper."""

import pytest
from example_cells import MGU, CoRNN
from odd_cells import DelayLine

from seqsweep.models.cell import Cell
from seqsweep.models.cells import MinGRU
from seqsweep.models.equations import equations_of
from seqsweep.models.tracing import trace


class Nested(Cell):
    def step(self, x, state):
        return (x - (state - x * 2)) / (state * x)


EQUATIONS = {
    MGU: """
v1 = sigmoid(W_hf h_{t-1} + W_ih[0] x_t + b_ih[0])
v2 = tanh(W_hh (v1 * h_{t-1}) + W_ih[1] x_t + b_ih[1])
h_t = (1 - v1) * h_{t-1} + v1 * v2""",
    CoRNN: """
v1 = tanh(W_hh [h_{t-1}, s1_{t-1}] + W_ih x_t + b_ih)
s1_t = (v1 - h_{t-1} * 2.7 - s1_{t-1} * 4.7) * 0.05 + s1_{t-1}
h_t = s1_t * 0.05 + h_{t-1}""",
    MinGRU: """
v1 = W_ih[1] x_t + b_ih[1]
v2 = sigmoid(W_ih[0] x_t + b_ih[0])
v3 = 0 <= v1
v4 = where(v3, v1 + 0.5, sigmoid(v1))
h_t = (1 - v2) * h_{t-1} + v2 * v4""",
    DelayLine: """
v1 = tanh(W_ih x_t + b_ih)
h_t = rate * s0_{t-1} + v1
s0_t = s1_{t-1}
s1_t = h_{t-1}""""",
    Nested: """
v1 = W_ih x_t + b_ih
h_t = (v1 - (h_{t-1} - (v1 * 2))) / (h_{t-1} * v1)""",
}


@pytest.mark.parametrize("cell", EQUATIONS)
def test_equations_are_those_of_the_class(cell):
    assert list(equations_of(trace(cell, 3, 4))) == EQUATIONS[cell].split("\n")[1:]
