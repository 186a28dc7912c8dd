"""A network that autograd has trained is traced as torch's cells have its states in float64."""

import numpy as np
import pytest
import torch
from cell_by_cell import trace_by_cells

from seqsweep.data.sequences import Sequences
from seqsweep.models.classifier import RNNClassifier
from seqsweep.models.module import SequenceClassifier
from seqsweep.training.trace import trace_module

CELLS = [("rnn", "tanh"), ("rnn", "relu"), ("gru", "tanh"), ("lstm", "tanh")]


@pytest.mark.parametrize("pooling", ["last", "mean", "max"])
@pytest.mark.parametrize("lengths", [[5, 4, 4, 2, 1], [3, 3, 3]], ids=["mixed", "equal"])
@pytest.mark.parametrize("bidirectional", [False, True], ids=["one", "both"])
@pytest.mark.parametrize(("cell", "nonlinearity"), CELLS)
def test_gradients_and_states_are_those_of_torchs_cells(
    cell, nonlinearity, bidirectional, lengths, pooling
):
    torch.manual_seed(3)
    network = RNNClassifier(2, 4, 3, cell, nonlinearity, 2, bidirectional, 0.3, pooling)
    x = torch.randn(len(lengths), max(lengths), 2)
    x[torch.arange(max(lengths)) >= torch.tensor(lengths)[:, None]] = 0
    labels = torch.arange(len(lengths)) % 3
    weights = torch.tensor([0.5, 1.0, 2.0])
    sequences = Sequences(
        x=x.numpy(),
        lengths=np.array(lengths),
        labels=labels.numpy(),
        class_names=("a", "b", "c"),
        channel_names=("u", "v"),
    )
    module = SequenceClassifier(network, 3, class_weights=weights, label_smoothing=0.1)
    gradients, states = trace_module(module, sequences)
    assert all(parameter.grad is None for parameter in network.parameters())
    expected = trace_by_cells(
        network.double(), x.double(), torch.tensor(lengths), labels, weights.double(), 0.1
    )
    np.testing.assert_allclose(gradients, expected[0].numpy(), atol=2e-6)
    np.testing.assert_allclose(states, expected[1].numpy(), atol=1e-6)
