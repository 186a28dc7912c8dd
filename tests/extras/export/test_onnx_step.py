"""ONNX Runtime computes step by step what the file of whole sequences computes for each prefix."""

import json

import numpy as np
import onnx
import pytest

from seqsweep.extras.export import onnx_file
from seqsweep.extras.export.check import difference, network_outputs, raw_sequences


def files_of(run):
    """The answers of a run's file of single steps, and of its file of whole sequences."""
    return (onnx_file.read(onnx_file.write(run, step)) for step in (True, False))


def largest_over_prefixes(run, batch=3, steps=12):
    """The largest difference of the step's file from the other file, and from the network."""
    by_step, whole = files_of(run)
    x, lengths = raw_sequences(run, batch, steps, np.random.default_rng(steps))
    shaping = getattr(run.scaling, "shaping", None)
    cropped, worst = 0 if shaping is None else shaping.first, [0.0, 0.0]
    for end in range(1, x.shape[1] + 1):
        ends = np.minimum(end, lengths)
        found = by_step(x, ends)
        worst[0] = np.max([worst[0], *map(difference, found, whole(x, ends))])
        if end > cropped:
            expected = network_outputs(run, x, ends)
            worst[1] = np.max([worst[1], *map(difference, found, expected)])
    return worst


@pytest.mark.parametrize("cell", ["gru", "lru"])
def test_each_prefix_has_the_outputs_of_the_whole_file_with_norms(made_run, cell):
    run = made_run(cell=cell, pooling="max", layer_norm=True, num_layers=2)
    from_file, from_network = largest_over_prefixes(run)
    assert from_file < 1e-6
    assert from_network < 1e-5


@pytest.mark.sampled(4, 7)
@pytest.mark.parametrize("pooling", ["last", "mean", "max"])
@pytest.mark.parametrize(
    "scaling",
    ["none", "as given", "zero, as given", "time stamps", "standard, crop", "time stamps, masks",
     "standard, crop the start"],
)  # fmt: skip
def test_a_step_is_prepared_as_in_the_whole_file(made_run, scaling, pooling):
    run = made_run(scaling, cell="lstm", pooling=pooling)
    from_file, from_network = largest_over_prefixes(run, steps=15)
    assert from_file < 1e-6
    assert from_network < 1e-5


def test_after_a_value_that_cannot_be_read_all_outputs_are_nan(made_run):
    run = made_run("standard, crop the start", pooling="max", nonlinearity="relu")
    by_step, whole = files_of(run)
    x = np.zeros((4, 9, 3), dtype=np.float32)
    x[0, 1, 0] = np.nan  # the crop leaves it out
    x[1, 4, 2], x[2, 5, 1] = np.nan, -np.inf
    for end in range(1, 10):
        found, expected = (answer(x, np.full(4, end)).logits for answer in (by_step, whole))
        assert np.array_equal(np.isnan(found), np.isnan(expected))
        assert np.isnan(found).all(axis=1).tolist() == [end < 4, end < 4 or end > 4,
                                                        end < 4 or end > 5, end < 4]  # fmt: skip


def test_a_file_says_which_states_it_has_and_how_they_begin(made_run):
    states = {"steps": 1, "state_l0": 10, "state_l1": 10, "sum": 5}
    run = made_run(cell="lru", pooling="mean", num_layers=2)
    model = onnx.load_from_string(onnx_file.write(run, step=True))
    names = {one.key: one.value for one in model.metadata_props}
    assert names["input"] == "one step: raw values; NaN is filled in: mean"
    assert json.loads(names["class_names"]) == ["up", "down", "left", "größer"]
    described = json.loads(names["states"])
    assert {name: one["shape"] for name, one in described.items()} == {
        name: ["batch", width] for name, width in states.items()
    }
    kinds = {name: one["type"] for name, one in described.items()}
    assert kinds == dict.fromkeys(states, "float32") | dict.fromkeys(("steps", "sum"), "float64")
    assert {one["first"] for one in described.values()} == {0}
    assert [one.name for one in model.graph.input] == ["x", *states]
    new = [described[name]["new"] for name in states]
    assert [one.name for one in model.graph.output] == ["logits", "probabilities", *new]
    operators = {node.op_type for node in model.graph.node}
    assert not operators & {"Scan", "Loop", "GRU", "LSTM"}


def test_what_needs_more_than_one_step_is_refused(made_run):
    runs = [made_run("forward"), made_run(bidirectional=True), made_run("standard, frame")]
    for run in runs:
        with pytest.raises(ValueError, match=r"best\.ckpt: cannot be used step by step, because "):
            onnx_file.write(run, step=True)
