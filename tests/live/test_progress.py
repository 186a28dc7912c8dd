"""The progress of a sweep is read from its run folders: states and time left."""

import dataclasses
import json
import os
import time
from pathlib import Path

import pytest
from live_sweeps import Sweep, config, record, shown, train

from seqsweep.live import run_state
from seqsweep.live.sweep_state import Pace, SweepProgress, duration
from seqsweep.runs import metrics_csv
from seqsweep.runs.documents import sealed
from seqsweep.runs.identity import SEMANTICS
from seqsweep.runs.lock import RunLock

EPOCHS = 10


def test_the_time_left_is_that_of_the_epochs_left_and_counts_down():
    pace = Pace(begun=100.0)
    pace.update(110.0, trained=0, left=40)
    assert pace.seconds_left(110.0) is None
    pace.update(115.0, trained=1, left=39)  # Too little of the work for an estimate.
    assert pace.seconds_left(115.0) is None
    pace.update(120.0, trained=10, left=30)
    assert pace.seconds_left(120.0) == pytest.approx(60.0)
    pace.update(125.0, trained=10, left=30)
    assert pace.seconds_left(125.0) == pytest.approx(55.0)
    pace.update(140.0, trained=20, left=20)
    assert pace.seconds_left(140.0) == pytest.approx(40.0)
    assert pace.seconds_left(999.0) == 0.0


def test_epochs_trained_before_the_sweep_do_not_count_for_its_pace(sweep):
    found = sweep(*(config(seed) for seed in range(4)))
    found.start(0)
    found.finish(0)
    train(found.start(1).path, range(6))
    progress = found.progress(done_before=["run0"])
    progress.look()
    assert progress.epochs == EPOCHS + 6
    assert progress.seconds_left is None
    train(found.run(1).path, [6, 7])
    found.clock.now += 4.0
    progress.look()
    assert progress.seconds_left == pytest.approx((2 + 10 + 10) * 4.0 / 2)


@pytest.mark.parametrize(
    ("costs", "epochs"),
    [({"run0": 9.0, "run1": 1.0}, (4 * 9 + 10) / 9), ({"run0": 9.0}, 4 + 10), ({}, 4 + 10)],
    ids=["known", "known of some", "unknown"],
)
def test_an_epoch_counts_by_its_cost_for_the_time_left(sweep, costs, epochs):
    """Six epochs of a large network have been trained, each in one second."""
    found = sweep(config(0), config(1))
    file = dataclasses.replace(found.file(), costs=costs)
    progress = SweepProgress(found.folder, file, clock=found.clock)
    progress.look()
    train(found.start(0).path, range(6))
    found.clock.now += 6.0
    progress.look()
    assert progress.seconds_left == pytest.approx(epochs)


def test_epochs_copied_from_a_shorter_run_do_not_count_for_the_pace(sweep):
    found = sweep(config(0), config(1))
    progress = found.progress()
    progress.look()
    path = found.start(0).path
    train(path, range(5))
    os.utime(path / "metrics.csv", (0, found.clock.now - 100))
    found.clock.now += 1.0
    progress.look()
    assert progress.epochs == 5
    assert progress.seconds_left is None


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0:00"), (58.4, "0:58"), (62, "1:02"), (3723, "1:02:03")]
)
def test_a_duration_has_hours_only_if_needed(seconds, text):
    assert duration(seconds) == text


def test_progress_counts_the_runs_in_each_state(sweep):
    found = sweep(*(config(seed) for seed in range(7)))
    found.start(0)
    found.finish(0)
    progress = found.progress(done_before=["run0"])
    assert progress.look() == []
    for index in (1, 2, 3, 4, 5):
        found.start(index)
    found.finish(1)
    found.finish(2, status="diverged", error="train/loss is nan in epoch 3", epoch=3, metrics={})
    found.run(3).fail(ValueError("no luck"))
    found.run(4).interrupt(KeyboardInterrupt("interrupted by SIGINT"))
    with RunLock(found.run(5).path):
        ended = progress.look()
        assert [run.folder.name for run in ended] == ["run1", "run2", "run3"]
        names = ("complete", "diverged", "failed", "interrupted", "running", "skipped", "waiting")
        assert [progress.counts[name] for name in names] == [1, 1, 1, 1, 1, 1, 1]
    assert progress.look() == []
    assert progress.counts["waiting"] == 2


def test_a_failure_older_than_the_sweep_waits_and_a_new_one_counts(sweep):
    found = sweep(config())
    found.start(0).fail(ValueError("before"))
    found.clock.now = time.time() + 0.1
    progress = found.progress()
    assert progress.look() == []
    assert progress.counts["waiting"] == 1
    found.run(0).fail(ValueError("again"))
    (ended,) = progress.look()
    assert ended.error == "ValueError: again"


def test_with_rerun_a_record_older_than_the_sweep_does_not_count(sweep):
    found = sweep(config(rerun=True))
    found.start(0)
    found.finish(0)
    found.clock.now = time.time() + 0.1
    progress = found.progress()
    assert progress.look() == []
    found.finish(0, accuracy=0.5)
    assert [run.state for run in progress.look()] == ["complete"]


def test_a_run_whose_process_was_killed_is_waiting_despite_its_lock(sweep):
    found = sweep(config())
    path = found.start(0).path
    (path / "lock").write_text("")
    progress = found.progress()
    progress.look()
    assert progress.counts["waiting"] == 1


def test_a_look_at_a_thousand_runs_reads_only_what_is_new(tmp_path, monkeypatch):
    found = Sweep(tmp_path, [config(seed) for seed in range(1000)])
    for index in range(300):
        folder = found.run(index).path
        folder.mkdir()
        content = record(found.configs[f"run{index}"])
        content |= {"semantics": SEMANTICS, "status": "complete"}
        (folder / "record.json").write_text(json.dumps(sealed(content)))
    for index in range(300, 400):
        found.run(index).path.mkdir()
        train(found.run(index).path, range(3), header=True)
    asked: list[str] = []
    stat_of = metrics_csv.stat_of

    def counted(path: str) -> os.stat_result | None:
        asked.append(path)
        return stat_of(path)

    monkeypatch.setattr(metrics_csv, "stat_of", counted)
    monkeypatch.setattr(run_state, "stat_of", counted)
    progress = found.progress()
    progress.look()
    assert progress.counts["complete"] == 300
    asked.clear()
    monkeypatch.setattr("builtins.open", lambda *a, **k: pytest.fail(f"{a} was opened"))
    monkeypatch.setattr(Path, "open", lambda *a, **k: pytest.fail(f"{a} was opened"))
    monkeypatch.setattr(os, "open", lambda *a, **k: pytest.fail(f"{a} was opened"))
    progress.look()
    assert len(asked) == 4 * 100


PRUNED = {"epoch": 3, "value": 0.2, "threshold": None}


def test_a_pruned_run_has_ended_for_a_search_and_waits_for_a_plain_sweep(sweep):
    found = sweep(config(0), config(1))
    train(found.start(0).path, range(3))
    found.finish(0, status="pruned", pruned=PRUNED)
    limits = {"run0": {"thresholds": {}, "until": None, "ends_at": 3}}
    search = dataclasses.replace(found.file(), limits=limits)
    progress = SweepProgress(found.folder, search, clock=found.clock)
    progress.look()
    assert progress.counts == {"pruned": 1, "waiting": 1}
    assert "1 pruned" in shown(progress)
    assert progress.epochs == EPOCHS  # its other epochs need no more time
    plain = found.progress()
    plain.look()
    assert plain.counts == {"waiting": 2} and plain.epochs == 3
