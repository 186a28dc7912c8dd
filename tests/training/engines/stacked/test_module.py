"""What a stack measures of its members is what PyTorch computes for each of them."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from seqsweep.data.datamodule import SequenceDataModule
from seqsweep.data.raw import make_sequences
from seqsweep.data.sequences import Splits
from seqsweep.models.classifier import RNNClassifier
from seqsweep.stacked.layout import StackShape
from seqsweep.stacked.network import StackedNetwork
from seqsweep.training.engines.stacked.datamodule import StackDataModule
from seqsweep.training.engines.stacked.evaluation import evaluate

N, T, F, C = 23, 6, 3, 4


@pytest.mark.parametrize("split", ["val", "test"])
def test_the_loss_is_the_plain_cross_entropy_over_all_sequences(split):
    """In float64, over batches of 16 and 7; the training losses of the members play no part."""
    rng = np.random.default_rng(0)
    sequences = make_sequences(
        rng.normal(size=(N, T, F)), np.arange(N) % C, rng.integers(1, T + 1, N), where="test"
    )
    data = SequenceDataModule(
        Splits(sequences, sequences, sequences), 4, val_fraction=0, test_fraction=0,
        standardize=False, eval_batch_size=16,
    )  # fmt: skip
    hidden = [5, 3]
    apart = [RNNClassifier(F, width, C).double().eval() for width in hidden]
    shape = StackShape(F, 8, C, cell="rnn")
    stacked = StackedNetwork(shape, hidden, [0.0, 0.0], torch.float64)
    for k, network in enumerate(apart):
        stacked.load(k, nn.utils.parameters_to_vector(network.parameters()).detach())
    found = evaluate(stacked, StackDataModule(data, [], False, torch.float64), split)
    x, lengths = torch.from_numpy(sequences.x).double(), torch.from_numpy(sequences.lengths)
    with torch.no_grad():
        for k, network in enumerate(apart):
            expected = functional.cross_entropy(
                network(x, lengths), torch.from_numpy(sequences.labels)
            )
            assert found.metrics["loss"][k] == pytest.approx(float(expected), rel=1e-12)
