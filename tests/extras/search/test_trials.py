"""The result of a trial follows from the values of its runs and from their thresholds alone."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from made_sweeps import record_of, write_rows
from own_metric_runs import finish_own_runs

from seqsweep.extras.search.searchfile import SearchFile, Trial, with_mode
from seqsweep.extras.search.trials import (
    Result,
    Tried,
    ranked,
    read_trials,
)
from seqsweep.runs.metrics import OURS, Metric
from seqsweep.runs.run_folder import RunFolder

CURVE = [0.2, 0.5, 0.4, 0.7]


@pytest.fixture
def result(tmp_path: Path):

    def call(
        *runs: tuple[list[float], str | None], metric: str = "val/acc", **trial: Any
    ) -> Result:
        run_ids: list[str] = []
        for values, status in runs:
            folder = RunFolder(tmp_path / f"run{len(list(tmp_path.iterdir()))}")
            run_ids.append(folder.run_id)
            rows = ([epoch, 1.0, value] for epoch, value in enumerate(values))
            write_rows(folder.path, "epoch,train/loss,val/acc", rows)
            best = max(values, default=None)
            record: dict[str, Any] = {"epochs": len(values), "train_seconds": 2.0, "status": status}
            if status == "pruned":
                record["pruned"] = {"epoch": len(values), "value": best, "threshold": 1.0}
            if status == "failed":
                folder.fail(ValueError("broken"))
            elif status is not None:
                folder.finish(record_of({}, {"val/acc": best}, record))
        trials = [Trial(0, {}, run_ids, **trial), Trial(1, {}, run_ids)]
        search = SearchFile("tpe", "none", metric, {}, {}, {}, trials)
        first, same = (each.result for each in read_trials(search, tmp_path))
        # The epochs of a run belong to the first of the trials that have it.
        assert same == replace(first, epochs=0, seconds=0.0)
        return first

    return call


def test_a_complete_trial_has_the_mean_value_of_its_runs(result):
    expected = Result("complete", 0.7, 4, 2.0, [0.2, 0.5, 0.5, 0.7])
    assert result((CURVE, "complete")) == expected
    found = result((CURVE, "complete"), ([0.4, 0.4, 0.6], "complete"))
    assert (found.value, found.epochs) == (pytest.approx(0.65), 7)
    assert found.curve == pytest.approx([0.3, 0.45, 0.55])  # the epochs that both have


def test_a_trial_with_a_pruned_run_is_pruned_at_the_last_common_epoch(result):
    found = result((CURVE, "complete"), ([0.1, 0.3], "pruned"))
    assert (found.state, found.value) == ("pruned", pytest.approx(0.4))
    assert found.epochs == 6
    # A pruned run ends where its record says.
    assert result((CURVE[:2], "pruned")) == Result("pruned", 0.5, 2, 2.0, [0.2, 0.5])


def test_a_trial_that_failed_was_refused_or_runs_has_no_value(result):
    for status in ("failed", "diverged"):
        found = result((CURVE, "complete"), (CURVE[:1], status))
        assert (found.state, found.value, found.epochs) == ("failed", None, 5)
    assert result((CURVE, "complete"), (CURVE[:1], None)).state == "running"
    # The records lack the metric, or one of two does.
    assert result((CURVE, "complete"), metric="val/loss").state == "failed"
    found = result((CURVE, "complete"), ([], "complete"))
    assert (found.state, found.value) == ("failed", None)
    assert result(refusal="no such combination") == Result("failed")


def test_only_complete_trials_are_ranked_and_of_equal_ones_the_earlier_is_first():
    results = [Result("complete", value) for value in (0.5, 0.9, 0.9)]
    results += [Result("pruned", 1.0), Result("failed"), Result()]
    trials = [Tried(number, {}, result=each) for number, each in enumerate(results)]
    assert [trial.number for trial in ranked(trials, -1)] == [1, 2, 0]
    assert [trial.number for trial in ranked(trials, 1)] == [0, 1, 2]


def test_a_search_remembers_the_direction_of_a_users_own_metric(tmp_path):
    """The file of a metric of ours stays as it was."""

    def search_by(monitor: Metric) -> SearchFile:
        return SearchFile("tpe", "none", monitor, {}, with_mode({"seed": 0}, monitor), {})

    finish_own_runs(tmp_path, "val_mae", "min", {"val_mae": "min"}, lambda *given: 300.0 + given[1])
    trials = [Trial(n, {}, [f"{5 * n:016x}"]) for n in range(3)]
    replace(search_by(Metric("val_mae", "min")), trials=trials).write(tmp_path)
    search = SearchFile.read(tmp_path)
    assert search is not None and search.monitor.direction == "min"
    found = read_trials(search, tmp_path)
    assert [trial.value for trial in found] == [304.0, 308.0, 316.0]
    assert [trial.number for trial in ranked(found, search.sign)] == [0, 1, 2]
    other = search_by(Metric("val_mae", "max"))
    assert other.differences(search) == ["monitor_mode=max"]
    assert "monitor_mode" not in search_by(OURS["val/acc"]).settings
