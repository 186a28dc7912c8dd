"""The end of one member does not affect the others."""

import json
import signal
import time
from collections.abc import Sequence
from typing import Any

import pytest

from seqsweep.errors import Interrupted, RunFailed, RunLocked
from seqsweep.native.step import Data, Stop, Work, run
from seqsweep.runs.lock import RunLock
from seqsweep.training.checkpoint_files import load_sealed
from seqsweep.training.engines.native.pool import POLL_SECONDS
from seqsweep.training.outcome import Outcome
from seqsweep.training.train import train_pool


def test_a_member_that_diverges_keeps_its_state_before(members_of, assert_undisturbed, tmp_path):
    wild = ("seed=0", "model.nonlinearity=relu", "optimizer=sgd", "optimizer.momentum=0",
            "optimizer.lr=80", "trainer.gradient_clip_val=null")  # fmt: skip
    members = members_of(members=[("seed=0",), (*wild, "trainer.max_epochs=60"), ("seed=1",)])
    outcomes = train_pool(members, tmp_path / "pool", 2)
    records = [outcome.record for outcome in outcomes if isinstance(outcome, Outcome)]
    assert [record.status for record in records] == ["complete", "diverged", "complete"]
    epoch = records[1].epoch
    assert epoch is not None and epoch >= 1
    last = load_sealed(tmp_path / "pool" / members[1].run_id / "checkpoints" / "last.ckpt")
    assert last["epoch"] == epoch - 1
    (same,) = members_of(f"trainer.max_epochs={epoch}", members=[wild])
    train_pool([same], tmp_path / "short", 1)
    before = load_sealed(tmp_path / "short" / same.run_id / "checkpoints" / "last.ckpt")
    for name, value in before["state_dict"].items():
        assert last["state_dict"][name].equal(value)
    assert_undisturbed(members, tmp_path / "pool")


def test_data_seed_0_gives_runs_of_other_seeds_the_same_order(members_of, tmp_path, replace_step):
    """The seed of a run decides only where `data.seed` is not given."""
    own = [("seed=1", "+data.seed=0"), ("seed=2", "+data.seed=0"), ("seed=1",), ("seed=2",)]
    orders: list[list[int]] = []

    def look(works: Sequence[Work], train: Data, val: Data | None, stop: Stop) -> Any:
        orders.extend(train.labels[work.order].tolist() for work in works)
        return run(works, train, val, stop)

    replace_step(look)
    for member in members_of("trainer.max_epochs=1", members=own):
        train_pool([member], tmp_path, 1)
    assert orders[0] == orders[1]
    assert orders[0] != orders[2] != orders[3] != orders[0]


@pytest.mark.slow
def test_a_member_fails_alone(members_of, assert_undisturbed, tmp_path, replace_step):
    """The members that share a task train again what the task had begun."""
    members = members_of("trainer.max_epochs=3")

    def fails(works: Sequence[Work], train: Data, val: Data | None, stop: Stop) -> Any:
        result = run(works, train, val, stop)
        if any(work.network.shape.hidden_size == 12 and work.network.steps > 3 for work in works):
            time.sleep(2 * POLL_SECONDS)  # so that the pool waits more than once
            raise MemoryError("no more")
        return result

    replace_step(fails)
    outcomes = train_pool(members, tmp_path / "pool", 1)
    assert [type(outcome) for outcome in outcomes] == [Outcome, RunFailed, Outcome, Outcome]
    failure = json.loads((tmp_path / "pool" / members[1].run_id / "failure.json").read_text())
    assert failure["error"] == "MemoryError: no more"
    replace_step(run)
    train_pool(members, tmp_path / "pool", 2)
    assert_undisturbed(members, tmp_path / "pool")


def test_a_pool_that_fails_trains_its_runs_alone(members_of, assert_undisturbed, at, tmp_path):
    members = members_of()
    outcomes = train_pool(members, tmp_path / "pool", 2, at("on_epochs", 3, RuntimeError))
    assert all(isinstance(outcome, Outcome) for outcome in outcomes), outcomes
    assert (
        "the runs trained together failed"
        in (tmp_path / "pool" / members[0].run_id / "train.log").read_text()
    )
    assert_undisturbed(members, tmp_path / "pool")


def test_runs_that_cannot_train_here_do_not_disturb_the_others(members_of, tmp_path):
    """One is locked, one is finished, one cannot be written, and one config is refused."""
    refused = ("seed=4", "scheduler=cosine", "scheduler.warmup_epochs=9")
    own = [*((f"seed={seed}",) for seed in range(4)), refused]
    members = members_of("trainer.max_epochs=2", members=own)
    folders = [tmp_path / member.run_id for member in members]
    train_pool(members[1:2], tmp_path, 1)
    (folders[2] / "metrics.csv" / "keep").mkdir(parents=True)
    with RunLock(folders[0]):
        outcomes = train_pool(members, tmp_path, 2)
    kinds = [RunLocked, Outcome, RunFailed, Outcome, ValueError]
    assert [type(outcome) for outcome in outcomes] == kinds
    trained = [getattr(outcome, "trained", None) for outcome in outcomes]
    assert trained == [None, False, None, True, None]
    assert (folders[2] / "metrics.csv" / "keep").is_dir()
    assert not folders[4].exists()


def test_many_members_train_in_parts(members_of, assert_undisturbed, at, tmp_path):
    """A signal in one part ends those that come after it, too."""
    members = members_of("trainer.max_epochs=30")
    outcomes = train_pool(
        members, tmp_path / "pool", 1, at("on_epochs", 1, signal.SIGTERM), largest=2
    )
    assert all(isinstance(outcome, Interrupted) for outcome in outcomes), outcomes
    assert not (tmp_path / "pool" / members[2].run_id).exists()
    train_pool(members, tmp_path / "pool", 2, largest=2)
    assert_undisturbed(members, tmp_path / "pool")
