"""A run that kills its process again and again fails, and the runs beside it do not."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from seqsweep.errors import KilledTooOften, RunFailed
from seqsweep.runs.lock_files import boot_id, host_name
from seqsweep.runs.run_folder import RunFolder
from seqsweep.training.outcome import Outcome
from seqsweep.training.planned_run import PlannedRun
from seqsweep.training.train import train_pool


def leave_locks(root: Path, runs: Sequence[PlannedRun], pid: int) -> None:
    for run in runs:
        (root / run.run_id).mkdir(parents=True, exist_ok=True)
        holder = {"host": host_name(), "pid": pid, "boot": boot_id()}
        (root / run.run_id / "lock").write_text(json.dumps(holder))


def count_of(root: Path, run: PlannedRun) -> Any:
    return (RunFolder(root / run.run_id).failure() or {}).get("killed")


def test_the_third_killed_process_without_an_epoch_fails_the_run(members_of, at, killed, tmp_path):
    (run,) = members_of(members=[("seed=0",)])
    for count in (1, 2):
        leave_locks(tmp_path, [run], 100 + count)
        with pytest.raises(killed):
            train_pool([run], tmp_path, 1, at("start", 1))
        assert count_of(tmp_path, run) == {"count": count, "epochs": 0}
        assert RunFolder(tmp_path / run.run_id).state() == "incomplete"
    leave_locks(tmp_path, [run], 103)
    (outcome,) = train_pool([run], tmp_path, 1)
    assert isinstance(outcome, RunFailed)
    assert isinstance(outcome.__cause__, KilledTooOften)
    failure = RunFolder(tmp_path / run.run_id).failure()
    assert failure is not None and failure["kind"] == "failed" and failure["attempts"] == 1
    assert "3 processes were killed while they trained the run" in failure["error"]
    assert f"process 103 on {host_name()}" in failure["error"]
    (outcome,) = train_pool([run], tmp_path, 1)  # a failed run is tried again, as any
    assert isinstance(outcome, Outcome)
    assert RunFolder(tmp_path / run.run_id).failure() is None


@pytest.mark.usefixtures("saves_each_epoch")
def test_the_count_starts_again_with_each_epoch(members_of, at, killed, tmp_path):
    (run,) = members_of("trainer.max_epochs=8", members=[("seed=0",)])
    before = -1
    for _ in range(4):
        leave_locks(tmp_path, [run], 100)
        with pytest.raises(killed):
            train_pool([run], tmp_path, 1, at("on_epochs", 1))
        counted = count_of(tmp_path, run)
        assert counted["count"] == 1 and counted["epochs"] > before
        before = counted["epochs"]
    (outcome,) = train_pool([run], tmp_path, 1)
    assert isinstance(outcome, Outcome)


def test_a_pool_that_was_killed_twice_trains_its_runs_alone(
    members_of, assert_undisturbed, at, killed, tmp_path
):
    """The third kill hits only the run that causes it, after the others have their records."""
    runs = members_of("trainer.max_epochs=3")
    leave_locks(tmp_path, runs, 101)
    with pytest.raises(killed):
        train_pool(runs, tmp_path, 1, at("start", 1))
    leave_locks(tmp_path, runs[:2], 102)
    outcomes = train_pool(runs, tmp_path, 1)
    assert all(isinstance(outcome, Outcome) for outcome in outcomes)
    ended = [(tmp_path / run.run_id / "record.json").stat().st_mtime_ns for run in runs]
    assert min(ended[:2]) > max(ended[2:])
    assert_undisturbed(runs, tmp_path)
