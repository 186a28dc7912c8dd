"""ONNX's own reference evaluator reads a file as the network computes."""

from typing import Any

import numpy as np
import onnx
import pytest
from onnx.reference import ReferenceEvaluator

from seqsweep.extras.export import onnx_file
from seqsweep.extras.export.check import Outputs, largest_difference, raw_sequences

# The evaluator lacks scans from the end, and the lengths of ONNX's recurrent operators.
OPERATORS, PROGRAMS = ("rnn", "gru", "lstm"), ("indrnn", "mingru", "minlstm", "lru")
pytestmark = pytest.mark.durability


def evaluated(run):
    evaluator: Any = ReferenceEvaluator(onnx.load_from_string(onnx_file.write(run)))
    return lambda x, lengths: Outputs(*evaluator.run(None, {"x": x, "lengths": lengths}))


@pytest.mark.filterwarnings("ignore:(invalid value|overflow) encountered")  # at padding, by NumPy
@pytest.mark.parametrize("pooling", ["last", "mean", "max", "attention"])
@pytest.mark.parametrize("scaling", ["mean", "time stamps", "standard, all"])
@pytest.mark.parametrize("cell", [*OPERATORS, *PROGRAMS, "example_cells.MGU"])
def test_the_reference_evaluator_computes_what_the_network_does(made_run, cell, scaling, pooling):
    run = made_run(scaling, cell=cell, num_layers=2, dropout=0.1, pooling=pooling)
    x, lengths = raw_sequences(run, 4, 24, np.random.default_rng(0))
    if cell in OPERATORS:
        x, lengths = x[:1], lengths[:1]  # one sequence has no padding
    assert largest_difference(run, evaluated(run), x, lengths) < 2e-6
