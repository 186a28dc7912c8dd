"""A run's bits are a function of its config alone: not of other runs, order or threads."""

import pytest
import torch

from seqsweep.models.classifier import RNNClassifier
from seqsweep.training.planned_run import Outcome
from seqsweep.training.train import train_pool


@pytest.mark.parametrize(("threads", "step"), [(1, 1), (2, -1)], ids=["1 thread", "2, reversed"])
def test_a_member_alone_equals_the_member_in_a_pool(
    mixed_members, assert_undisturbed, tmp_path, threads, step
):
    for member in mixed_members:
        train_pool([member], tmp_path / "each", 1)
    outcomes = train_pool(mixed_members[::step], tmp_path / "all", threads)
    statuses = [outcome.record["status"] for outcome in outcomes if isinstance(outcome, Outcome)]
    assert statuses[::step] == ["complete"] * 7 + ["diverged"]
    assert_undisturbed(mixed_members, tmp_path / "all")
    assert_undisturbed(mixed_members, tmp_path / "each")


def test_a_pool_without_shuffling_keeps_the_order_of_the_data(members_of, tmp_path):
    members = members_of("data.shuffle=false", members=[("seed=0",), ("+data.seed=5",)])
    one, other = train_pool(members, tmp_path, 1)
    assert isinstance(one, Outcome)
    assert isinstance(other, Outcome)
    assert one.record["metrics"] == other.record["metrics"]  # the same run but for its order


def test_checkpoints_load_into_the_plain_network(members_of, tmp_path):
    members = members_of("model.bidirectional=true")
    train_pool(members, tmp_path, 1)
    for member, hidden in zip(members, (5, 12, 5, 20), strict=True):
        network = RNNClassifier(3, hidden, 3, bidirectional=True)
        for name in ("best", "last"):
            path = tmp_path / member.run_id / "checkpoints" / f"{name}.ckpt"
            weights = torch.load(path, weights_only=True)["state_dict"]
            network.load_state_dict({k.removeprefix("network."): w for k, w in weights.items()})
