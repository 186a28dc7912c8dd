"""A rung is decided by the rows of the runs, in the same way at any later time."""

from pathlib import Path
from typing import Any

import pytest
from made_sweeps import write_rows
from sweep_members import member_at

from seqsweep.extras.search.halving import judge
from seqsweep.runs.metrics import as_metric
from seqsweep.sweeping.queue import SweepMember
from seqsweep.training.limits import Limits

RUNGS = [1, 2, 4]
HEADER = "epoch,train/loss,val/loss,val/acc"


@pytest.fixture
def candidate(tmp_path: Path) -> Any:
    """Makes a run with these validation accuracies; the loss breaks ties."""

    def make(number: int, *accuracies: float | None, loss: float = 1.0) -> SweepMember:
        rows = [[e, 0.5, loss, "" if v is None else v] for e, v in enumerate(accuracies)]
        write_rows(tmp_path / f"run{number}", HEADER, rows)
        return member_at(tmp_path / f"run{number}")

    return make


def judged(runs: list[SweepMember], monitor: str = "val/acc") -> dict[str, Limits]:
    return judge(runs, as_metric(monitor), RUNGS)


def number(run: SweepMember) -> int:
    return int(run.run_id.removeprefix("run"))


def record(run: SweepMember, status: str, **content: Any) -> None:
    content = {"status": status, "config": {}, "metrics": {}} | content
    run.folder.finish(content, synced=True)


def prune(run: SweepMember, epoch: int) -> None:
    record(run, "pruned", pruned={"epoch": epoch, "value": 0.1, "threshold": None})


def test_the_best_part_continues_and_the_others_end(candidate):
    runs = [candidate(n, value) for n, value in enumerate([0.2, 0.9, 0.4, 0.8, 0.5])]
    ends, until = Limits(ends_at=1), Limits(until=2)
    limits = judged(runs)
    assert [limits[run.run_id] for run in runs] == [ends, until, ends, until, until]


def test_ties_are_broken_by_the_loss_and_then_by_the_number(candidate):
    runs = [candidate(0, 0.5), candidate(1, 0.5), candidate(2, 0.5, loss=0.9), candidate(3, 0.5)]
    assert [number(run) for run in runs if judged(runs)[run.run_id].until] == [0, 2]
    # A loss is better if it is lower.
    runs = [candidate(n, 0.5, loss=loss) for n, loss in enumerate([0.5, 0.1, 0.9, 0.2])]
    limits = judged(runs, "val/loss")
    assert [number(run) for run in runs if limits[run.run_id].until] == [1, 3]


def test_the_best_epoch_so_far_counts(candidate):
    runs = [candidate(0, 0.9, 0.1), candidate(1, 0.2, 0.5), candidate(2, 0.1), candidate(3, 0.1)]
    limits = judged(runs)
    assert limits["run0"] == Limits() and limits["run1"] == Limits(ends_at=2)


def test_epochs_after_a_rung_do_not_count_at_it(candidate):
    runs = [candidate(0, 0.1, 0.9), candidate(1, 0.2), candidate(2, 0.3), candidate(3, 0.1)]
    limits = judged(runs)
    assert [number(run) for run in runs if limits[run.run_id].until] == [1, 2]


def test_lost_runs_leave_places_empty_and_runs_without_a_value_come_last(candidate):
    diverged, failed = candidate(0), candidate(1)
    record(diverged, "diverged", epoch=0)
    failed.folder.fail(ValueError("x"))
    runs = [diverged, failed, candidate(2, None), candidate(3, 0.1)]
    limits = judged(runs)
    assert limits["run3"] == limits["run2"] == Limits(until=2)
    assert limits["run0"] == limits["run1"] == Limits(ends_at=1)
    lost = judged([diverged, failed, candidate(2, 0.2)])
    assert lost["run2"] == Limits(until=2)
    assert lost["run0"] == lost["run1"] == Limits(ends_at=1)


def test_later_events_change_no_earlier_rung(candidate):
    """A survivor that diverges, or that lost its rows with its checkpoint, keeps its place."""
    runs = [candidate(n, value) for n, value in enumerate([0.2, 0.9, 0.4, 0.8])]
    prune(runs[0], 1)
    prune(runs[2], 1)
    before = judged(runs)
    assert [number(run) for run in runs if before[run.run_id] == Limits(until=2)] == [1, 3]
    record(runs[3], "diverged", epoch=1)
    after = judged(runs)
    assert after["run1"] == Limits(until=2) and after["run3"] == Limits(until=2)
    candidate(1)
    again = judged(runs)
    assert again["run1"] == Limits(until=1)  # it trains to the rung once more
    assert judged([*runs[:1], candidate(1, 0.9), *runs[2:]]) == after
