"""A pool that was ended at any moment comes to what it comes to when left alone, to the bit."""

import errno
import os
import signal
from collections.abc import Sequence
from pathlib import Path

import pytest

from seqsweep.errors import RunFailed
from seqsweep.training.checkpoint_files import load_sealed
from seqsweep.training.outcome import Outcome
from seqsweep.training.planned_run import PlannedRun
from seqsweep.training.train import train_pool

pytestmark = pytest.mark.usefixtures("saves_each_epoch")
HOOKS = [("start", 1), ("on_epochs", 9), ("on_epochs", 16), ("stop", 1)]


def checkpoints(root: Path, members: Sequence[PlannedRun]) -> list[Path]:
    return [root / member.run_id / "checkpoints" / "last.ckpt" for member in members]


@pytest.mark.sampled(2)
@pytest.mark.parametrize(("hook", "n"), HOOKS, ids=[f"{hook} {n}" for hook, n in HOOKS])
def test_a_pool_killed_between_tasks_equals_the_uninterrupted_one(
    mixed_members, assert_undisturbed, at, killed, tmp_path, hook, n
):
    with pytest.raises(killed):
        train_pool(mixed_members, tmp_path / "killed", 2, at(hook, n))
    train_pool(mixed_members[::-1], tmp_path / "killed", 1)
    assert_undisturbed(mixed_members, tmp_path / "killed")


@pytest.mark.durability
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_a_pool_killed_at_every_rename_equals_the_uninterrupted_one(
    members_of, assert_undisturbed, killed_at_every_rename, after
):
    members = members_of("trainer.max_epochs=3", "model.num_layers=2", "model.dropout=0.3")[:2]
    for root in killed_at_every_rename(
        lambda root: train_pool(members, root, 1), after, 2 * (2 + 3), step=2
    ):
        train_pool(members[::-1], root, 2)
        assert_undisturbed(members, root)


@pytest.mark.sampled(1)
@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_saves_every_member(members_of, assert_undisturbed, tmp_path, at, signum):
    members = members_of("trainer.max_epochs=30", "model.num_layers=2", "model.dropout=0.3")
    root, handlers = tmp_path / "stopped", [signal.getsignal(number) for number in (2, 15, 1)]
    outcomes = train_pool(members, root, 1, at("on_epochs", 4, signum))
    # The shortest run has ended by then.
    codes = [getattr(outcome, "exit_code", None) for outcome in outcomes]
    interrupted = [m for m, code in zip(members, codes, strict=True) if code == 128 + signum]
    ended = [outcome.signum for outcome in outcomes if isinstance(outcome, Outcome)]
    assert ended == [signum] * (len(members) - len(interrupted)) and interrupted
    assert [signal.getsignal(number) for number in (2, 15, 1)] == handlers
    for path in checkpoints(root, interrupted):
        assert load_sealed(path)["epoch"] >= 1
        assert '"interrupted"' in (path.parents[1] / "failure.json").read_text()
    train_pool(members, root, 2)
    assert_undisturbed(members, root)


def full(*_: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize("n", [2, 9, 20])
def test_a_pool_whose_disk_was_full_fails_runs_and_trains_them_later(
    members_of, assert_undisturbed, at_rename, tmp_path, n
):
    members, root = members_of("trainer.max_epochs=3"), tmp_path / "full"
    with at_rename(n, act=full):
        outcomes = train_pool(members, root, 2)
    assert all(isinstance(outcome, (Outcome, RunFailed)) for outcome in outcomes), outcomes
    assert any(isinstance(outcome, RunFailed) for outcome in outcomes)
    assert all(isinstance(outcome, Outcome) for outcome in train_pool(members, root, 2))
    assert_undisturbed(members, root)


@pytest.mark.parametrize("name", ["checkpoints/last.ckpt", "checkpoints/best.ckpt", "config.yaml"])
def test_damage_costs_only_time(mixed_members, assert_undisturbed, at, tmp_path, name, killed):
    root = tmp_path / "damaged"
    with pytest.raises(killed):
        train_pool(mixed_members, root, 1, at("on_epochs", 2))
    saved = [path.parents[1] for path in root.glob("*/checkpoints/last.ckpt")]
    path = next(run / name for run in saved if not (run / "record.json").exists())
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    train_pool(mixed_members, root, 2)
    assert_undisturbed(mixed_members, root)
