"""The library traces gradients and states as the stacked engine does."""

import numpy as np
import pytest
import torch

from seqsweep.native.step import Shape, run, trace
from seqsweep.stacked.batches import StackData
from seqsweep.stacked.layout import StackShape
from seqsweep.stacked.loss import StackedLoss
from seqsweep.stacked.network import StackedNetwork
from seqsweep.stacked.trajectories import gradients_through_time

CELLS = [("rnn", "tanh"), ("rnn", "relu"), ("gru", "tanh"), ("lstm", "tanh")]


@pytest.mark.parametrize("pooling", ["last", "max"])
@pytest.mark.parametrize("lengths", [[4, 2, 4, 1, 3], [3, 3, 3]])
@pytest.mark.parametrize(("cell", "nonlinearity"), CELLS)
def test_traced_gradients_and_states_are_those_of_the_stacked_engine(
    make_case, cell, nonlinearity, lengths, pooling
):
    shape = Shape(3, 5, 4, cell, nonlinearity, 2, True, pooling, 0.3)
    case = make_case(shape, lengths, class_weights=[0.5, 1.0, 2.0, 1.5], label_smoothing=0.1)
    traced = trace(case.network(), case.data)

    double = torch.float64
    stack = StackShape(3, 8, 4, cell, nonlinearity, 2, True, pooling)
    network = StackedNetwork(stack, [5], [0.3], double)
    network.load(0, case.initial_weights())
    loss = StackedLoss([case.weights], [0.1], 4, double)
    data = StackData(case.x, case.ends, case.labels, True, double, network.device)
    rows, steps = data.order(torch.arange(len(lengths))[None, None])
    ends = None if data.equal else case.ends[rows[:, 0]] - 1
    expected = gradients_through_time(network, loss, data.batch(rows[:, 0], steps[0], ends))
    np.testing.assert_allclose(traced.gradients, expected.numpy(), atol=2e-6)
    states = network.states[:, :, :5].transpose(0, 1).flatten(1)  # (R, D*H)
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
