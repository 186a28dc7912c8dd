"""A pool begins a run when it enters the window, and writes for a twentieth of the time."""

import signal
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from seqsweep.errors import Interrupted
from seqsweep.pace import Budget
from seqsweep.runs.lock import is_locked
from seqsweep.runs.run_folder import RunFolder
from seqsweep.training.planned_run import PlannedRun
from seqsweep.training.train import train_pool


@pytest.fixture
def large(members_of: Callable[..., list[PlannedRun]]) -> list[PlannedRun]:
    """Members of which a few fill the window."""
    size = ("model.hidden_size=300", "trainer.max_epochs=3")
    return members_of(*size, members=[(f"seed={seed}",) for seed in range(8)])


def begun(runs: Sequence[PlannedRun], root: Path) -> list[PlannedRun]:
    return [run for run in runs if (root / run.run_id).exists()]


@pytest.mark.slow
def test_a_run_outside_the_window_has_no_lock_and_no_files(large, assert_undisturbed, at, tmp_path):
    seen: list[tuple[bool, bool]] = []

    def look_and_end() -> None:
        folders = [tmp_path / run.run_id for run in large]
        seen.extend((is_locked(folder), (folder / "config.yaml").exists()) for folder in folders)
        signal.raise_signal(signal.SIGINT)

    outcomes = train_pool(large, tmp_path, 1, at("start", 1, look_and_end))
    assert 0 < seen.count((True, True)) < 4
    assert seen.count((True, True)) + seen.count((False, False)) == len(large)
    assert all(isinstance(outcome, Interrupted) for outcome in outcomes), outcomes
    assert len(begun(large, tmp_path)) == seen.count((True, True))
    for run in begun(large, tmp_path):
        assert RunFolder(tmp_path / run.run_id).state() == "interrupted"
    assert not list(tmp_path.rglob("lock"))
    train_pool(large, tmp_path, 2)
    assert_undisturbed(large[:2], tmp_path)


def write_checkpoints(
    members: int, epoch: float, write: float, seconds: float
) -> tuple[list[float], float]:
    """Each member's longest time without a checkpoint, and the share of time that writing took."""
    now = 0.0
    budget, saved = Budget(lambda: now), [0.0] * members
    longest, writing = [0.0] * members, 0.0
    while now < seconds:
        for member in range(members):
            now += epoch
            if budget.is_due(saved[member], members):
                longest[member] = max(longest[member], now - saved[member])
                with budget.measuring():
                    now += write
                saved[member] = now
                writing += write
    return longest, writing / now


@pytest.mark.parametrize(("members", "write"), [(1, 0.3), (24, 0.003), (1000, 0.001)])
def test_writes_take_a_twentieth_of_the_time(members, write):
    longest, share = write_checkpoints(members, 0.005, write, seconds=300)
    assert 0.025 < share <= 0.0525
    assert max(longest) <= 60 + members * (0.005 + write)


def test_a_checkpoint_a_minute_comes_before_the_share():
    """A thousand writes of 10 ms take a sixth of a minute."""
    longest, share = write_checkpoints(1000, 0.001, 0.01, seconds=600)
    assert 60 <= min(longest) <= max(longest) <= 72
    assert share > 0.05
