"""The library traces gradients and states as torch's cells have them in float64."""

import numpy as np
import pytest
import torch
from cell_by_cell import trace_by_cells

from seqsweep.native.step import Shape, run, trace

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


def test_a_trace_changes_no_weight_and_no_later_result(make_case):
    case = make_case(Shape(3, 5, 4, "lstm", num_layers=2, dropout=0.5), [4, 2, 3], batch_size=2)
    traced, plain = case.network(), case.network()
    first = trace(traced, case.data)
    results = [run([case.work(network)], case.data, None)[0] for network in (traced, plain)]
    assert torch.equal(traced.weights, plain.weights)
    assert np.array_equal(results[0].train.confusion, results[1].train.confusion)
    again = trace(traced, case.data, case.initial_weights())
    assert np.array_equal(first.gradients, again.gradients)
    assert np.array_equal(first.states, again.states)
