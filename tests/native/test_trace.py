"""The library traces gradients and states as torch's cells have them in float64."""

import numpy as np
import pytest
from cell_by_cell import trace_by_cells

from seqsweep.native.step import Shape, trace

CELLS = [("rnn", "tanh"), ("rnn", "relu"), ("gru", "tanh"), ("lstm", "tanh")]


@pytest.mark.parametrize("pooling", ["last", "mean", "max"])
@pytest.mark.parametrize("lengths", [[4, 2, 4, 1, 3], [3, 3, 3]])
@pytest.mark.parametrize(("cell", "nonlinearity"), CELLS)
def test_traced_gradients_and_states_are_those_of_torchs_cells(
    make_case, cell, nonlinearity, lengths, pooling
):
    shape = Shape(3, 5, 4, cell, nonlinearity, 2, True, pooling, 0.3)
    case = make_case(shape, lengths, class_weights=[0.5, 1.0, 2.0, 1.5], label_smoothing=0.1)
    traced = trace(case.network(), case.data)
    gradients, states = trace_by_cells(
        case.classifier(), case.x.double(), case.ends, case.labels, case.weights.double(), 0.1
    )
    np.testing.assert_allclose(traced.gradients, gradients.numpy(), atol=2e-6)
    np.testing.assert_allclose(traced.states, states.numpy(), atol=1e-6)
