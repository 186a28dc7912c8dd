"""A member of a pool is diagnosed as autograd diagnoses its weights."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from seqsweep.data.sequences import Sequences, Splits
from seqsweep.models.classifier import RNNClassifier
from seqsweep.models.module import SequenceClassifier
from seqsweep.native.step import Network, Shape
from seqsweep.training.diagnosis import diagnose_run
from seqsweep.training.engines.native.pool_data import PoolData
from seqsweep.training.planned_run import PlannedRun
from seqsweep.training.train import train_pool

CELLS = [("rnn", "tanh"), ("rnn", "relu"), ("gru", "tanh"), ("lstm", "tanh")]
MIXED = [1 + (7 * place) % 9 for place in range(70)]  # more than are looked at


def splits_of(lengths: list[int], longest: int) -> Splits:
    sequences = Sequences(
        x=np.random.default_rng(0).normal(size=(len(lengths), longest, 2)).astype(np.float32),
        lengths=np.array(lengths),
        labels=np.arange(len(lengths)) % 3,
        class_names=("a", "b", "c"),
        channel_names=("x", "y"),
    )
    return Splits(sequences, val=sequences)


def network_of(shape: Shape) -> RNNClassifier:
    torch.manual_seed(1)
    arguments: Any = shape._asdict()
    return RNNClassifier(**arguments)


def weights_of(shape: Shape) -> torch.Tensor:
    return torch.nn.utils.parameters_to_vector(network_of(shape).parameters()).detach()


@pytest.mark.sampled(16)
@pytest.mark.parametrize("lengths", [MIXED, [3, 5, 2], [6] * 8, [60, 50, 44]], ids=str)
@pytest.mark.parametrize(
    ("layers", "bidirectional", "pooling", "hidden"),
    [(1, False, "last", 5), (2, True, "mean", 4), (1, True, "max", 1), (2, False, "last", 16)],
)
@pytest.mark.parametrize(("cell", "nonlinearity"), CELLS)
def test_both_engines_diagnose_alike(
    cell: Any, nonlinearity: Any, layers: int, bidirectional: bool, pooling: Any, hidden: int,
    lengths: list[int],
) -> None:  # fmt: skip
    """The longest sequence of a split need not be among those that are looked at."""
    splits = splits_of(lengths, max(lengths) + 1)
    kind = (cell, nonlinearity, layers, bidirectional, pooling)
    shape = Shape(2, hidden, 3, *kind)
    weights, by_label = weights_of(shape), torch.tensor([0.5, 1.0, 2.0])
    module = SequenceClassifier(network_of(shape), 3, None, None, by_label, 0.1)
    model = {"_target_": "seqsweep.models.classifier.RNNClassifier", **shape._asdict()}
    expected = diagnose_run({"model": model}, module, splits)
    network = Network(shape, "adam", torch.zeros_like(weights), by_label, 0.1)
    found = PoolData(splits).diagnose(network, weights)

    assert found is not None and expected is not None
    assert (found["split"], found["sequences"]) == ("val", min(64, len(lengths)))
    assert found["sequences"] == expected["sequences"]
    assert found["gradient"].keys() == expected["gradient"].keys()
    for name, norms in expected["gradient"].items():
        assert len(norms) == max(lengths)
        assert found["gradient"][name] == pytest.approx(norms, rel=2e-3, abs=1e-6)
    ours, theirs = found["trajectories"], expected["trajectories"]
    assert ours["explained"] == pytest.approx(theirs["explained"], rel=2e-3, abs=1e-5)
    assert ours["classes"].keys() == theirs["classes"].keys() == {"0", "1", "2"}
    for label, paths in theirs["classes"].items():
        pairs = zip(
            (ours["classes"][label]["mean"], *ours["classes"][label]["sequences"]),
            (paths["mean"], *paths["sequences"]),
            strict=True,
        )
        for path, same in pairs:
            np.testing.assert_allclose(path, same, atol=1e-3)


def test_states_that_are_not_finite_have_no_diagnosis() -> None:
    shape = Shape(2, 4, 3, "rnn", "relu")
    weights = torch.full_like(weights_of(shape), 1e30)
    assert (
        PoolData(splits_of([9, 3, 5], 9)).diagnose(Network(shape, "adam", weights), weights) is None
    )


def test_a_member_is_diagnosed_alike_alone_and_among_others(
    mixed_members: list[PlannedRun], tmp_path: Path
) -> None:
    members = mixed_members[:-1]  # the last one diverges
    train_pool(members, tmp_path / "pool", 2)
    for member in members[1:4]:
        train_pool([member], tmp_path / "alone", 1)
        files = [
            (tmp_path / root / member.run_id / "diagnostics.json").read_bytes()
            for root in ("pool", "alone")
        ]
        assert files[0] == files[1]
        assert json.loads(files[0])["trajectories"]["classes"]
