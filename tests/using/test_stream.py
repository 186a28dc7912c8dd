"""A stream gives at each step what the network computes for the steps so far."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import seqsweep
from seqsweep.data.scaling import Scaling
from seqsweep.data.transforms import Shaping
from seqsweep.models.classifier import RNNClassifier

MEAN, DEVIATION = np.array([5.0, -200.0]), np.array([2.0, 70.0])


@pytest.fixture(scope="module")
def loaded(trained):
    return seqsweep.load_run(trained.run)


@pytest.fixture
def made_run(loaded):
    """`made_run(cell="gru")`: a run with another network, and the options of its shaping."""

    def make(shaping=None, missing: Any = "mean", **options):
        torch.manual_seed(0)
        scaling = Scaling(missing, "float64", np.array([4.0, -190.0]), MEAN, DEVIATION)
        if shaping is not None:
            scaling = replace(scaling, shaping=Shaping(("left", "right"), **shaping))
        network = RNNClassifier(2, 5, 3, **options).eval()
        return replace(loaded, network=network, scaling=scaling)

    return make


def raw(batch, steps):
    rng = np.random.default_rng(steps)
    x = MEAN + DEVIATION * rng.normal(size=(batch, steps, 2))
    x[rng.random(x.shape) < 0.1] = np.nan
    return x


def of_network(run, x):
    with torch.inference_mode():
        return run.network(*run.prepare(x)).double().softmax(dim=1).numpy()


def largest_difference(run, x):
    """The largest difference over all prefixes of x, behind the steps that a crop leaves out."""
    shaping, stream = run.scaling.shaping or Shaping(()), run.stream()
    pushed = [stream.push(x[:, step]) for step in range(x.shape[1])]
    assert np.isnan(pushed[: shaping.first]).all()
    ends = range(shaping.first + 1, x.shape[1] + 1)
    return max(np.abs(pushed[end - 1] - of_network(run, x[:, :end])).max() for end in ends)


@pytest.mark.parametrize("pooling", ["last", "mean", "max"])
@pytest.mark.parametrize("cell", ["lstm", "lru"])
def test_each_prefix_has_the_probabilities_of_the_network(made_run, cell, pooling):
    """A crop leaves out steps at both ends, and the layers are normalised."""
    options = {"cell": cell, "pooling": pooling, "num_layers": 2, "layer_norm": True}
    run = made_run({"first": 2, "last": 9}, **options)
    assert largest_difference(run, raw(3, 12)) < 1e-6


def test_the_first_step_decides_the_number_of_streams_until_a_reset(made_run):
    run, x = made_run(cell="lstm", pooling="mean"), raw(4, 6)
    batch, single = run.stream(), run.stream()
    together = np.array([batch.push(x[:, step]) for step in range(6)])
    assert together.shape == (6, 4, 3)
    for row in range(4):
        single.reset()
        alone = np.array([single.push(step) for step in x[row]])
        assert alone.shape == (6, 3)
        assert np.abs(alone - together[:, row]).max() < 1e-6
    for step in (x[:3, 0], x[0, 0]):
        with pytest.raises(ValueError, match=r"^step: expected shape \(4, 2\), got "):
            batch.push(step)
    with pytest.raises(ValueError, match=r"^step: expected shape \(2,\) or \(B, 2\), got \(3,\)$"):
        run.stream().push([1, 2, 3])


def test_a_refused_step_leaves_the_stream_as_it_was(made_run):
    run, x = made_run(cell="gru", pooling="max"), raw(2, 3)
    disturbed, stream = run.stream(), run.stream()
    for step in range(3):
        with pytest.raises(ValueError, match="x: "):
            disturbed.push([[np.inf, 1], [1, 2]])
        assert np.array_equal(disturbed.push(x[:, step]), stream.push(x[:, step]))


def test_steps_of_symbols_are_their_indices(loaded):
    torch.manual_seed(0)
    network = RNNClassifier(1, 5, 3, "gru", embedding_dim=4, num_embeddings=6).eval()
    scaling, names = Scaling("error", "float32"), ("symbol",)
    run = replace(loaded, network=network, scaling=scaling, channel_names=names)
    x = np.array([[[1], [5], [0]], [[2], [2], [4]]])
    stream = run.stream()
    pushed = [stream.push(x[:, step]) for step in range(3)]
    assert np.abs(pushed[-1] - of_network(run, x)).max() < 1e-6


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"bidirectional": True}, "model.bidirectional=true reads sequences from their end"),
        ({"pooling": "attention"}, "model.pooling=attention weighs each step against all others"),
        ({"missing": "forward"}, "data.missing=forward repeats earlier values"),
        ({"shaping": {"downsample": 2}}, "data.transform.downsample=2 joins steps"),
    ],
)
def test_what_needs_more_than_one_step_is_refused_with_the_reason(made_run, options, reason):
    with pytest.raises(ValueError, match=rf": cannot be used step by step, because {reason}$"):
        made_run(**options).stream()


def test_a_network_of_ones_own_is_refused(loaded):
    class Own(RNNClassifier):
        pass

    for network, named in ((Own(2, 5, 3), "the network .*Own"), (nn.Linear(2, 3), "the network")):
        with pytest.raises(ValueError, match=rf"best\.ckpt: cannot use {named}.* step by step$"):
            replace(loaded, network=network).stream()
