"""What becomes of one member is no matter of the others."""

import json
import signal
from collections.abc import Sequence
from typing import Any

import pytest

from seqsweep.native.step import Data, Stop, Work
from seqsweep.runs.lock import Locked, RunLock
from seqsweep.training import resume
from seqsweep.training import train as story
from seqsweep.training.checkpoints import load_sealed
from seqsweep.training.engines.native import pool, pool_data
from seqsweep.training.engines.native.run import PoolEngine
from seqsweep.training.planned_run import Interrupted, Outcome, RunFailed
from seqsweep.training.train import train_pool


def test_a_member_that_diverges_keeps_its_state_before(members_of, assert_undisturbed, tmp_path):
    wild = ("seed=0", "model.nonlinearity=relu", "optimizer=sgd", "optimizer.momentum=0",
            "optimizer.lr=80", "trainer.gradient_clip_val=null")  # fmt: skip
    members = members_of(members=[("seed=0",), (*wild, "trainer.max_epochs=60"), ("seed=1",)])
    outcomes = train_pool(members, tmp_path / "pool", 2)
    records = [outcome.record for outcome in outcomes if isinstance(outcome, Outcome)]
    assert [record["status"] for record in records] == ["complete", "diverged", "complete"]
    epoch = records[1]["epoch"]
    assert epoch >= 1
    last = load_sealed(tmp_path / "pool" / members[1].run_id / "checkpoints" / "last.ckpt")
    assert last["epoch"] == epoch - 1
    (same,) = members_of(f"trainer.max_epochs={epoch}", members=[wild])
    train_pool([same], tmp_path / "short", 1)
    before = load_sealed(tmp_path / "short" / same.run_id / "checkpoints" / "last.ckpt")
    for name, value in before["state_dict"].items():
        assert last["state_dict"][name].equal(value)
    assert_undisturbed(members, tmp_path / "pool")


def test_a_member_whose_computing_fails_does_so_alone(
    members_of, assert_undisturbed, tmp_path, monkeypatch
):
    """In a task with others: they train again what the task had begun."""
    members, step = members_of("trainer.max_epochs=3"), pool_data.run
    monkeypatch.setattr(pool, "_TASKS_OF_A_THREAD", 1)

    def fails(works: Sequence[Work], train: Data, val: Data | None, stop: Stop) -> Any:
        result = step(works, train, val, stop)
        if any(work.network.shape.hidden_size == 12 and work.network.steps > 3 for work in works):
            raise MemoryError("no more")
        return result

    monkeypatch.setattr(pool_data, "run", fails)
    outcomes = train_pool(members, tmp_path / "pool", 1)
    assert [type(outcome) for outcome in outcomes] == [Outcome, RunFailed, Outcome, Outcome]
    failure = json.loads((tmp_path / "pool" / members[1].run_id / "failure.json").read_text())
    assert failure["error"] == "MemoryError: no more"
    monkeypatch.undo()
    train_pool(members, tmp_path / "pool", 2)
    assert_undisturbed(members, tmp_path / "pool")


def test_a_folder_that_cannot_be_written_fails_its_run_alone(members_of, tmp_path):
    members = members_of("trainer.max_epochs=2")
    (tmp_path / members[1].run_id / "metrics.csv" / "keep").mkdir(parents=True)
    outcomes = train_pool(members, tmp_path, 2)
    assert [type(outcome) for outcome in outcomes] == [Outcome, RunFailed, Outcome, Outcome]
    assert (tmp_path / members[1].run_id / "metrics.csv" / "keep").is_dir()


def test_a_pool_that_fails_as_a_whole_trains_its_runs_alone(
    members_of, assert_undisturbed, at, tmp_path
):
    members = members_of()
    outcomes = train_pool(members, tmp_path / "pool", 2, at("on_train_epoch_end", 2, RuntimeError))
    assert all(isinstance(outcome, Outcome) for outcome in outcomes), outcomes
    assert (
        "the runs trained together failed"
        in (tmp_path / "pool" / members[0].run_id / "train.log").read_text()
    )
    assert_undisturbed(members, tmp_path / "pool")


def test_a_run_of_another_process_is_left_to_it(members_of, tmp_path):
    members = members_of("trainer.max_epochs=2")
    train_pool(members[2:3], tmp_path, 1)
    with RunLock(tmp_path / members[1].run_id):
        outcomes = train_pool(members, tmp_path, 2)
    assert isinstance(outcomes[1], Locked)
    assert [getattr(o, "trained", None) for o in outcomes] == [True, None, False, True]


def test_a_config_that_is_refused_leaves_no_folder(members_of, tmp_path):
    bad = ("seed=1", "scheduler=cosine", "scheduler.warmup_epochs=9")
    members = members_of("trainer.max_epochs=2", members=[("seed=0",), bad])
    outcomes = train_pool(members, tmp_path, 1)
    assert [type(outcome) for outcome in outcomes] == [Outcome, ValueError]
    assert not (tmp_path / members[1].run_id).exists()


def test_a_longer_run_begins_where_a_shorter_one_ended(members_of, assert_undisturbed, tmp_path):
    short, long = members_of(), members_of("trainer.max_epochs=9")
    train_pool(short, tmp_path / "extended", 2)
    resume._finished_runs.cache_clear()
    train_pool(long, tmp_path / "extended", 2)
    for member in long:
        log = (tmp_path / "extended" / member.run_id / "train.log").read_text()
        assert "INFO epoch 4 " not in log
    assert_undisturbed(long, tmp_path / "extended")


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_after_the_last_record_is_not_lost(members_of, tmp_path, monkeypatch, signum):
    """Nothing of this pool is left to stop, but a sweep has more to do."""

    original = PoolEngine.fit

    def fit(self: PoolEngine) -> None:
        original(self)
        signal.raise_signal(signum)

    monkeypatch.setattr(PoolEngine, "fit", fit)
    outcomes = train_pool(members_of("trainer.max_epochs=1"), tmp_path, 2)
    assert [outcome.signum for outcome in outcomes if isinstance(outcome, Outcome)] == [signum] * 4


def test_works_that_take_too_long_after_a_signal_are_stopped(
    members_of, assert_undisturbed, tmp_path, monkeypatch
):
    """The flag ends a work in the middle of an epoch; the run is saved as it was before."""
    members = members_of("trainer.max_epochs=4")
    monkeypatch.setattr(pool, "_TASKS_OF_A_THREAD", 1)  # of all members, so a task is a round
    step, calls = pool_data.run, iter(range(1000))

    def signals(works: Sequence[Work], train: Data, val: Data | None, stop: Stop) -> Any:
        if next(calls) < 2:
            return step(works, train, val, stop)
        signal.raise_signal(signal.SIGTERM)
        while not stop.is_set():
            pass
        return step(works, train, val, stop)

    monkeypatch.setattr(pool_data, "run", signals)
    outcomes = train_pool(members, tmp_path / "stopped", 1)
    assert all(isinstance(outcome, Interrupted) for outcome in outcomes), outcomes
    epochs = [
        load_sealed(tmp_path / "stopped" / member.run_id / "checkpoints" / "last.ckpt")["epoch"]
        for member in members
    ]
    assert epochs == [1] * 4
    monkeypatch.undo()
    train_pool(members, tmp_path / "stopped", 2)
    assert_undisturbed(members, tmp_path / "stopped")


def test_many_members_train_in_parts(members_of, assert_undisturbed, at, tmp_path, monkeypatch):
    """A signal in one part ends those that come after it, too."""
    monkeypatch.setattr(story, "_LARGEST_POOL", 2)

    members = members_of("trainer.max_epochs=30")
    outcomes = train_pool(
        members, tmp_path / "pool", 1, at("on_train_epoch_end", 1, signal.SIGTERM)
    )
    assert all(isinstance(outcome, Interrupted) for outcome in outcomes), outcomes
    assert not (tmp_path / "pool" / members[2].run_id).exists()
    train_pool(members, tmp_path / "pool", 2)
    assert_undisturbed(members, tmp_path / "pool")
