"""A queue hands out the runs of a folder that are neither done, locked nor failed too often."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from made_sweeps import write_rows
from sweep_members import member_at

from seqsweep.errors import RunLocked
from seqsweep.runs.lock import RunLock
from seqsweep.runs.run_folder import RunFolder
from seqsweep.sweeping.queue import Queue, SweepMember, time_of_record
from seqsweep.training.limits import Limits
from seqsweep.training.outcome import STOP_FILE


def finish(run: SweepMember) -> None:
    run.folder.path.mkdir(exist_ok=True)
    run.folder.finish({"config": {}, "metrics": {}})


def fail(run: SweepMember) -> None:
    run.folder.path.mkdir(exist_ok=True)
    run.folder.fail(ValueError("no"))


@pytest.fixture
def run_at(tmp_path: Path) -> Callable[..., SweepMember]:
    return lambda name, **options: member_at(tmp_path / name, **options)


PAUSE = 0.001  # seconds
Train = Callable[[Sequence[SweepMember]], Collection[str]]


def never(runs: Sequence[SweepMember]) -> Collection[str]:
    raise AssertionError(f"{names(runs)} must not be trained")


def train_all(
    runs: Sequence[SweepMember], train: Train, idle: float = float("inf"), **options: Any
) -> None:
    """Trains runs until none is left, as a sweep does."""
    queue = Queue(runs, runs[0].folder.path.parent, pause=PAUSE)
    while taken := queue.take(idle, **options):
        locked = train(taken)
        queue.settle(taken, {run_id: RunLocked() for run_id in locked})


def names(runs: Sequence[SweepMember]) -> list[str]:
    return [run.run_id for run in runs]


def test_a_run_that_is_done_or_locked_is_not_handed_out(run_at, tmp_path):
    runs = [run_at(name) for name in "abc"]
    finish(runs[0])
    waiting = Queue(runs, tmp_path)
    with RunLock(tmp_path / "b"):
        assert names(waiting.take()) == ["c"]
    assert names(waiting.take()) == ["b", "c"]
    with RunLock(tmp_path / "b"):  # others hold the rest for too long, or there may be new runs
        train_all(runs[1:2], never, idle=0.01)
        train_all(runs[1:2], never, is_outdated=lambda: True)


@pytest.mark.parametrize("tries", [1, 3])
def test_a_run_fails_as_often_as_it_may_in_this_sweep(tries, run_at):
    fail(run_at("a"))
    failed: list[str] = []

    def train(runs: Sequence[SweepMember]) -> Collection[str]:
        failed.extend(names(runs))
        for run in runs:
            fail(run)
        return ()

    train_all([run_at("a", tries=tries, failures_before=1)], train)
    assert failed == ["a"] * tries


def test_a_failure_ends_the_sweep_where_it_should(run_at, tmp_path):
    runs = [run_at(name, stops=True) for name in "ab"]
    fail(runs[0])
    train_all(runs, never)
    runs[0].folder.path.joinpath("failure.json").unlink()
    (tmp_path / STOP_FILE).touch()
    train_all(runs, never)


def test_a_run_that_leaves_nothing_is_given_up_at_the_second_time(run_at):
    handed: list[list[str]] = []
    train_all([run_at("a")], lambda runs: handed.append(names(runs)) or ())
    assert handed == [["a"], ["a"]]


def test_a_run_that_another_process_has_taken_is_not_given_up(run_at):
    handed: list[list[str]] = []

    def train(runs: Sequence[SweepMember]) -> Collection[str]:
        handed.append(names(runs))
        if len(handed) == 6:
            finish(runs[0])
        return names(runs)

    train_all([run_at("a")], train)
    assert len(handed) == 6


def test_with_rerun_an_old_record_does_not_count(run_at, tmp_path):
    finish(run_at("a"))
    before = time_of_record(RunFolder(tmp_path / "a"))
    run = run_at("a", reruns=True, record_before=before)
    assert names(Queue([run], tmp_path).take()) == ["a"]
    (tmp_path / "a" / "record.json").unlink()
    finish(run)
    assert Queue([run], tmp_path).take() == []


def test_a_worker_plans_a_few_runs_at_once_and_the_longest_first(run_at, tmp_path):
    runs = [run_at(f"{seconds:02}", seconds=float(seconds)) for seconds in range(1, 21)]
    queue = Queue(runs, tmp_path, most=8)
    order: list[float] = []
    while taken := queue.take():
        assert len(taken) <= 8
        order += [run.seconds for run in taken]
        for run in taken:
            finish(run)
    # Runs of similar cost come in any order, so that workers seldom meet.
    assert sorted(order) == list(range(1, 21))
    assert all(later <= 1.5 * cost for cost, later in pairwise(order))


def test_a_pruned_run_is_done_for_a_search_alone(run_at, tmp_path):
    run = run_at("a")
    ends = {"epoch": 1, "value": 0.1, "threshold": None}
    content = {"status": "pruned", "config": {}, "metrics": {}, "pruned": ends}
    run.folder.path.mkdir(exist_ok=True)
    run.folder.finish(content, synced=True)
    assert not run.is_done()
    assert replace(run, limits=Limits()).is_done()


def test_a_run_that_pauses_is_over_once_it_has_logged_its_epochs(run_at):
    run = replace(run_at("a"), limits=Limits(until=2))
    write_rows(run.folder.path, "epoch,train/loss", [[0, 0.5]])
    assert not run.is_over()
    write_rows(run.folder.path, "epoch,train/loss", [[0, 0.5], [1, 0.5]])
    assert run.is_over()
