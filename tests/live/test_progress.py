"""The progress of a sweep is read from its run folders: states and time left."""

import dataclasses
import os
import shutil

import pytest
from live_sweeps import EPOCHS, HEADER, config, display_text, train

from seqsweep.live.state import SweepProgress
from seqsweep.runs.lock import RunLock


def test_epochs_trained_before_the_first_look_do_not_count_for_the_pace(sweep):
    found = sweep(*(config(seed) for seed in range(4)))
    found.end(0)
    train(found.start(1).path, range(6))
    progress = found.progress(done_before=["run0"])
    progress.look()
    assert progress.epochs == EPOCHS + 6
    assert progress.seconds_left is None
    train(found.run(1).path, [6, 7])
    found.clock.now += 4.0
    progress.look()
    left = (2 + 10 + 10) * 4.0 / 2
    assert progress.seconds_left == pytest.approx(left)
    # Between two epochs the estimate counts down, and not below 0.
    for seconds, expected in ((5.0, left - 5.0), (99.0, 0.0)):
        found.clock.now += seconds
        progress.look()
        assert progress.seconds_left == pytest.approx(expected)


def test_too_little_of_the_work_gives_no_estimate_of_the_time_left(sweep):
    found = sweep(*(config(seed) for seed in range(4)))
    path = found.start(0).path
    progress = found.progress()
    progress.look()
    for epoch, seconds in ((0, None), (1, 38 * 20.0)):
        found.clock.now += 20.0
        train(path, [epoch])
        progress.look()
        assert progress.seconds_left == seconds


def test_an_epoch_that_is_trained_again_after_a_resume_counts_as_one(sweep):
    """A resumed run cuts off the rows after its checkpoint while the table looks."""
    found = sweep(config())
    path = found.start(0).path
    train(path, range(5))
    progress = found.progress()
    progress.look()
    (path / "metrics.csv").write_text(HEADER, newline="")
    train(path, range(3))
    progress.look()
    train(path, [3])
    found.clock.now += 4.0
    progress.look()
    assert progress.seconds_left == pytest.approx(6 * 4.0)


def test_progress_counts_the_runs_in_each_state(sweep):
    found = sweep(*(config(seed) for seed in range(7)))
    found.end(0)
    progress = found.progress(done_before=["run0"])
    assert progress.look() == []
    found.end(1)
    found.end(2, status="diverged", error="train/loss is nan in epoch 3", epoch=3, metrics={})
    found.start(3).fail(ValueError("no luck"))
    found.start(4).interrupt(KeyboardInterrupt("interrupted by SIGINT"))
    with RunLock(found.start(5).path):
        ended = progress.look()
        assert [run.folder.name for run in ended] == ["run1", "run2", "run3"]
        names = ("complete", "diverged", "failed", "interrupted", "running", "skipped", "waiting")
        assert [progress.counts[name] for name in names] == [1, 1, 1, 1, 1, 1, 1]
    (found.run(5).path / "lock").write_text("")  # Its process was killed.
    assert progress.look() == []
    assert progress.counts["waiting"] == 2


def test_what_a_run_left_before_the_sweep_does_not_count(sweep):
    """A failure is older than the sweep; so is a record, with `rerun`."""
    found = sweep(config(0), config(1, rerun=True))
    found.start(0).fail(ValueError("before"))
    found.end(1)
    for path in (found.run(0).path / "failure.json", found.run(1).path / "record.json"):
        os.utime(path, (0, found.clock.now - 100))
    progress = found.progress()
    assert progress.look() == []
    assert progress.counts["waiting"] == 2
    found.run(0).fail(ValueError("again"))
    found.finish(1, accuracy=0.5)
    failed, complete = progress.look()
    assert (failed.error, complete.state) == ("ValueError: again", "complete")


def test_a_look_at_many_runs_reads_only_what_is_new(sweep):
    """Runs that have ended are gone at the second look, and unchanged files hold garbage."""
    found = sweep(*(config(seed) for seed in range(60)))
    progress = found.progress()
    for index in range(20):
        found.end(index)
    for index in range(20, 40):
        train(found.start(index).path, range(3))
    progress.look()
    for index in range(20):
        shutil.rmtree(found.run(index).path)
    for index in range(20, 40):
        path = found.run(index).path / "metrics.csv"
        before = path.stat()
        path.write_text("x" * before.st_size)
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert progress.look() == []
    assert progress.counts == {"complete": 20, "waiting": 40}
    assert progress.epochs == 20 * EPOCHS + 20 * 3


def test_a_pruned_run_has_ended_for_a_search_and_waits_for_a_plain_sweep(sweep):
    found = sweep(config(0), config(1))
    train(found.start(0).path, range(3))
    found.finish(0, status="pruned", pruned={"epoch": 3, "value": 0.2, "threshold": None})
    limits = {"run0": {"thresholds": {}, "until": None, "ends_at": 3}}
    search = dataclasses.replace(found.file(), limits=limits)
    progress = SweepProgress(found.folder, search, clock=found.clock)
    progress.look()
    assert progress.counts == {"pruned": 1, "waiting": 1}
    assert "1 pruned" in display_text(progress)
    assert progress.epochs == EPOCHS  # its other epochs need no more time
    plain = found.progress()
    plain.look()
    assert plain.counts == {"waiting": 2} and plain.epochs == 3
