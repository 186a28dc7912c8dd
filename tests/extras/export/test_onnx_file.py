"""ONNX Runtime computes from a file what the network computes, for any batch, steps, lengths."""

import json
from collections import Counter

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import nn
from torch.nn import functional

from seqsweep.data.vocabulary import Vocabulary
from seqsweep.extras.export import onnx_file
from seqsweep.extras.export.check import (
    difference,
    largest_difference,
    network_outputs,
    raw_sequences,
)
from seqsweep.models.cell import Cell
from seqsweep.models.classifier import (
    BiDirectionalRNN,
    MultiLayerRNN,
    SimpleRNN,
)
from seqsweep.models.tracing import trace
from seqsweep.native.program import FORWARD, OPERATIONS, packaged_program
from seqsweep.runs.provenance import version

POOLINGS = ["last", "mean", "max", "attention"]
SHAPES = [(1, 1), (1, 9), (7, 1), (2, 50), (33, 8)]


def written(run):
    return onnx_file.read(onnx_file.write(run))


def largest_on_shapes(run):
    """The largest difference over batches of several sizes."""
    answer, rng = written(run), np.random.default_rng(0)
    drawn = (raw_sequences(run, *shape, rng) for shape in SHAPES)
    return np.max([largest_difference(run, answer, *one) for one in drawn])


@pytest.mark.slow
@pytest.mark.parametrize("pooling", POOLINGS)
@pytest.mark.parametrize("cell", ["gru", "lru"])
def test_a_file_equals_a_network_with_norms_and_any_pooling(made_run, cell, pooling):
    """The cells without them are compared in tests/models/test_forms_of_cells.py."""
    options = {"num_layers": 3, "bidirectional": True, "dropout": 0.5, "layer_norm": True}
    run = made_run(cell=cell, pooling=pooling, **options)
    for norm in run.network.rnn.norms:
        nn.init.uniform_(norm.weight, -2, 2)
        nn.init.uniform_(norm.bias, -2, 2)
    assert largest_on_shapes(run) < 2e-6


class Operations(Cell):
    """A cell with the operations that the others lack."""

    def step(self, x, state):
        a = torch.maximum(x, state) - torch.minimum(x * 0.5, state.abs()) / (1 + state * state)
        b = torch.where(x > state, functional.softplus(a), -state) + torch.sign(state) * 0.1
        c = b.clamp(-1, 1) * torch.sqrt(x.abs() + 1) - torch.log(1 + a * a).cos() * torch.sin(a)
        new = torch.where(c == 0, torch.relu(x), torch.exp(-c * c)) - 0.1 * state
        return 0.3 * new * (state <= 2)


def test_a_file_has_every_operation_of_programs(made_run):
    run = made_run(cell=Operations, num_layers=2, bidirectional=True, pooling="mean")
    assert largest_on_shapes(run) < 2e-6
    programs = [trace(Operations, 3, 5), packaged_program("gru")]
    used = {i.operation for program in programs for part in FORWARD for i in program.parts[part]}
    of_gradients = {"copy", "without_tiny", "sigmoid_slope", "tanh_slope"}
    assert {*OPERATIONS} - used == of_gradients


def test_a_file_reads_the_indices_of_symbols(symbols_run):
    answer = written(symbols_run)
    rng = np.random.default_rng(1)
    for shape in SHAPES:
        x, lengths = raw_sequences(symbols_run, *shape, rng)
        assert set(np.unique(x[np.isfinite(x)])) <= {0, 1, 2, 3, 4, 1e6}
        assert largest_difference(symbols_run, answer, x, lengths) < 2e-6
    x, lengths = np.ones((5, 4, 1), dtype=np.float32), np.array([4, 4, 4, 3, 4])
    x[0, 1], x[1, 2], x[2, 0], x[3, 3] = 5, -1, np.nan, 99
    rows = np.isnan(answer(x, lengths).logits).all(axis=1)
    assert rows.tolist() == [True, True, True, False, False]


def test_a_file_on_texts_holds_the_vocabulary(symbols_run):
    model = onnx.load_from_string(onnx_file.write(symbols_run))
    names = {one.key: one.value for one in model.metadata_props}
    if symbols_run.vocabulary is None:
        assert names["input"] == "raw values"
        assert "vocabulary" not in names
        return
    assert names["input"] == "indices of symbols, see vocabulary"
    again = Vocabulary.from_plain(json.loads(names["vocabulary"]))
    assert again == symbols_run.vocabulary
    # The indices that the vocabulary gives are those that the run itself reads.
    x, lengths = again.encode(["cab", "a?"], str)
    expected = symbols_run.network(*symbols_run.prepare(["cab", "a?"])).detach().numpy()
    assert difference(written(symbols_run)(x, lengths).logits, expected) < 2e-6


@pytest.mark.sampled(9)
def test_a_file_takes_any_batch_steps_and_lengths_of_raw_values(made_run, scaling):
    run = made_run(scaling, cell="lstm", bidirectional=True, pooling="max")
    answer = written(run)
    rng = np.random.default_rng(1)
    for shape in SHAPES:
        x, lengths = raw_sequences(run, *shape, rng)
        assert np.isfinite(network_outputs(run, x, lengths).logits).all()
        assert largest_difference(run, answer, x, lengths) < 2e-6


@pytest.mark.parametrize(("cell", "pooling"), [("gru", "attention"), ("lru", "mean")])
def test_values_behind_the_lengths_change_no_bit(made_run, cell, pooling):
    run = made_run(cell=cell, num_layers=2, bidirectional=True, pooling=pooling)
    answer = written(run)
    rng = np.random.default_rng(2)
    x = rng.normal(size=(3, 9, 3)).astype(np.float32)
    lengths = np.array([4, 7, 1])
    expected = answer(x, lengths)
    for value in (0, 1e30, np.nan, np.inf):
        changed = x.copy()
        changed[np.arange(9) >= lengths[:, None]] = value
        logits, probabilities = answer(changed, lengths)
        assert np.array_equal(logits, expected.logits)
        assert np.array_equal(probabilities, expected.probabilities)
    # Fewer or more steps of padding change the shapes of the products, so only the last bits.
    shorter = answer(x[:, :7], lengths)
    assert max(map(difference, shorter, expected)) < 2e-6


def test_the_networks_of_the_notebook_can_be_written(made_run):
    """Input that a data module of one's own prepares is taken as it is."""
    for network in (SimpleRNN(3, 5, 4), MultiLayerRNN(3, 5, 2, 4), BiDirectionalRNN(3, 5, 2, 4)):
        run = made_run("none", network=network)
        model = onnx.load_from_string(onnx_file.write(run))
        assert {p.key: p.value for p in model.metadata_props}["input"] == "prepared by mine.Data"
        assert largest_on_shapes(run) < 2e-6


@pytest.mark.parametrize("pooling", POOLINGS)
@pytest.mark.parametrize("nonlinearity", ["tanh", "relu"])
def test_a_sequence_that_a_prediction_refuses_has_nan(made_run, pooling, nonlinearity):
    run = made_run("standard", pooling=pooling, nonlinearity=nonlinearity, num_layers=2)
    x, _ = raw_sequences(run, 4, 6, np.random.default_rng(3))
    x[~np.isfinite(x)] = 0
    lengths = np.array([6, 5, 6, 0])
    whole = written(run)(x, lengths)
    x[0, 2, 1] = np.nan
    x[1, 4, 0] = -np.inf
    for value, expected in zip(written(run)(x, lengths), whole, strict=True):
        assert np.isnan(value[[0, 1, 3]]).all()
        assert np.array_equal(value[2], expected[2])
    with pytest.raises(ValueError, match="missing"):
        run.prepare(x[:1])


def test_transformed_sequences_of_which_nothing_is_left_have_nan_as_outputs(made_run):
    run = made_run("standard, crop the start", pooling="max")
    x = np.zeros((4, 7, 3), dtype=np.float32)
    rows = np.isnan(written(run)(x, np.array([7, 3, 4, 2])).logits).all(axis=1)
    assert rows.tolist() == [False, True, False, True]
    # A missing value that is refused does not vanish in a mean.
    run = made_run("standard, downsample")
    x[0, 1, 1] = np.nan
    rows = np.isnan(written(run)(x[:2], np.array([7, 7])).logits).all(axis=1)
    assert rows.tolist() == [True, False]
    with pytest.raises(ValueError, match="missing"):
        run.prepare(x[:1])
    with pytest.raises(Exception, match="sequence_lens"):  # more than there are steps
        written(made_run())(x, np.array([8] * 4))
    with pytest.raises(Exception, match="invalid index"):
        written(made_run(cell="mingru", pooling="mean"))(x, np.array([8] * 4))


def test_a_file_says_what_it_is(made_run):
    run = made_run(cell="gru", num_layers=3, bidirectional=True)
    content = onnx_file.write(run)
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    names = session.get_modelmeta().custom_metadata_map
    assert json.loads(names["class_names"]) == ["up", "down", "left", "größer"]
    assert json.loads(names["channel_names"]) == ["a", "b", "c"]
    assert names["run_id"] == "0123456789abcdef"
    assert names["seqsweep_version"] == version()
    assert names["input"] == "raw values; NaN is filled in: mean"
    shapes = {one.name: (one.type, one.shape) for one in session.get_inputs()}
    assert shapes == {
        "x": ("tensor(float)", ["batch", "time", 3]),
        "lengths": ("tensor(int64)", ["batch"]),
    }
    outputs = {one.name: one.shape for one in session.get_outputs()}
    assert outputs == {"logits": ["batch", 4], "probabilities": ["batch", 4]}
    model = onnx.load_from_string(content)
    assert [(one.domain, one.version) for one in model.opset_import] == [("", 17)]
    operators = Counter(node.op_type for node in model.graph.node)
    assert operators["GRU"] == 3  # one operator for each layer, which runtimes have optimised
