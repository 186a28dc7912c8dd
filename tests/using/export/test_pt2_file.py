"""torch computes from a .pt2 file what the network computes, for any batch, steps and lengths."""

import io
import json
import zipfile

import numpy as np
import pytest
import torch

from seqsweep.using.export import pt2_file
from seqsweep.using.export.check import (
    difference,
    network_outputs,
    prepared,
    raw_sequences,
)
from seqsweep.using.export.scan import ScannedClassifier
from seqsweep.using.export.scan_input import RawInput

CELLS = [("rnn", "tanh"), ("rnn", "relu"), ("gru", "tanh"), ("lstm", "tanh")]
POOLINGS = ["last", "mean", "max", "attention"]
SHAPES = [(1, 1), (1, 9), (7, 1), (4, 6), (2, 50), (33, 8)]


def eager(run):
    """The function of the exported module before its export, which takes seconds."""
    module = ScannedClassifier(run.network, run.scaling).eval()

    def answer(x, lengths):
        with torch.inference_mode():
            outputs = module(torch.from_numpy(x), torch.from_numpy(lengths))
        return [outputs[name].numpy() for name in ("logits", "probabilities")]

    return answer


def largest_over(run, answer, shapes):
    rng = np.random.default_rng(1)
    differences = list[float]()
    for batch, steps in shapes:
        x, lengths = raw_sequences(run, batch, steps, rng)
        differences += map(difference, answer(x, lengths), network_outputs(run, x, lengths))
    return np.max(differences)  # NaN where one of them is


@pytest.mark.sampled(8)
@pytest.mark.parametrize("is_bidirectional", [False, True], ids=["one way", "both ways"])
@pytest.mark.parametrize("layers", [1, 2, 3])
@pytest.mark.parametrize(("cell", "nonlinearity"), CELLS)
def test_the_loop_computes_what_the_network_does(
    made_run, cell, nonlinearity, layers, is_bidirectional
):
    for pooling in POOLINGS:
        run = made_run(
            cell=cell,
            nonlinearity=nonlinearity,
            num_layers=layers,
            bidirectional=is_bidirectional,
            pooling=pooling,
        )
        assert largest_over(run, eager(run), [(4, 6)]) < 2e-6


@pytest.mark.parametrize("is_bidirectional", [False, True], ids=["one way", "both ways"])
@pytest.mark.parametrize(("cell", "nonlinearity"), CELLS)
def test_the_loop_normalises_between_layers(made_run, cell, nonlinearity, is_bidirectional):
    options = {"nonlinearity": nonlinearity, "bidirectional": is_bidirectional}
    run = made_run(cell=cell, num_layers=3, layer_norm=True, **options)
    with torch.no_grad():
        for norm in run.network.rnn.norms:
            norm.weight.uniform_(-2, 2)
            norm.bias.uniform_(-2, 2)
    assert largest_over(run, eager(run), [(4, 6)]) < 2e-6


@pytest.mark.slow
def test_a_file_reads_the_indices_of_symbols(symbols_run):
    answer = pt2_file.read(pt2_file.write(symbols_run), symbols_run)
    assert largest_over(symbols_run, answer, SHAPES) < 2e-6
    x, lengths = np.ones((5, 4, 1), dtype=np.float32), np.array([4, 4, 4, 3, 4])
    x[0, 1], x[1, 2], x[2, 0], x[3, 3] = 5, -1, np.nan, 99
    rows = np.isnan(answer(x, lengths).logits).all(axis=1)
    assert rows.tolist() == [True, True, True, False, False]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("cell", "nonlinearity", "pooling", "scaling"),
    [
        ("rnn", "tanh", "last", "mean"),
        ("rnn", "relu", "mean", "forward"),
        ("gru", "tanh", "attention", "standard"),
        ("gru", "tanh", "max", "time stamps"),
        ("lstm", "tanh", "last", "none"),
        ("rnn", "tanh", "mean", "forward, all"),
        ("rnn", "tanh", "last", "standard, crop"),
    ],
)
def test_a_file_takes_any_batch_steps_and_lengths(made_run, cell, nonlinearity, pooling, scaling):
    # An export takes a second for each layer and direction.
    layers = 2 if pooling in ("attention", "max") else 1
    options = {"nonlinearity": nonlinearity, "num_layers": layers, "bidirectional": True}
    options["layer_norm"] = pooling == "attention"
    run = made_run(scaling, cell=cell, pooling=pooling, **options)
    answer = pt2_file.read(pt2_file.write(run), run)
    assert largest_over(run, answer, SHAPES) < 2e-6


def test_the_scaling_gives_the_bits_of_the_run(made_run, scaling):
    run = made_run(scaling)
    x, lengths = raw_sequences(run, 9, 12, np.random.default_rng(1))
    scaled, steps = RawInput(run.scaling)(torch.from_numpy(x), torch.from_numpy(lengths))
    expected = prepared(run, x, lengths)
    assert torch.equal(steps, expected.lengths)
    assert torch.equal(scaled[:, : expected.x.shape[1]], expected.x)


@pytest.mark.slow
def test_a_file_says_what_it_is_and_refuses_as_the_onnx_file_does(made_run):
    run = made_run("standard", pooling="max")
    content = pt2_file.write(run)
    names = {"class_names": "", "channel_names": "", "run_id": "", "input": ""}
    program = torch.export.load(io.BytesIO(content), extra_files=names)
    assert json.loads(names["class_names"]) == ["up", "down", "left", "größer"]
    assert json.loads(names["channel_names"]) == ["a", "b", "c"]
    assert names["run_id"] == "0123456789abcdef"
    assert names["input"] == "raw values"
    x = torch.zeros(4, 5, 3)
    x[0, 1, 2] = torch.nan
    x[1, 1, 2] = torch.inf
    logits = program.module()(x, torch.tensor([5, 5, 0, 5]))["logits"]
    assert logits.isnan().all(dim=1).tolist() == [True, True, True, False]


@pytest.mark.slow
def test_a_file_holds_no_pickle(made_run):
    with zipfile.ZipFile(io.BytesIO(pt2_file.write(made_run()))) as archive:
        contents = [archive.read(name) for name in archive.namelist()]
    # A pickle begins with the first mark, and a file of `torch.save`, which holds one, with "PK".
    assert [content[:2] for content in contents if content[:2] in (b"\x80\x02", b"PK")] == []
