"""The result of a trial follows from the values of its runs and from their thresholds alone."""

from pathlib import Path
from typing import Any

import pytest

from seqsweep.runs.run_folder import RunFolder
from seqsweep.sweeping.search.trials import TrialRun, result_of

CURVE = [0.2, 0.5, 0.4, 0.7]


@pytest.fixture
def run(tmp_path: Path):
    """`run("a", [0.2, 0.5])`: a run with these values of val/acc, and a record of a status."""

    def call(
        name: str,
        values: list[float] = CURVE,
        status: str | None = "complete",
        thresholds: dict[int, float] | None = None,
        is_first: bool = True,
    ) -> TrialRun:
        folder = RunFolder(tmp_path / name)
        folder.path.mkdir()
        lines = ["epoch,train/loss,val/acc", *(f"{i},1.0,{v}" for i, v in enumerate(values))]
        (folder.path / "metrics.csv").write_text("\n".join(lines) + "\n")
        record: dict[str, Any] = {
            "config": {},
            "metrics": {"val/acc": max(values)},
            "epochs": len(values),
            "train_seconds": 2.0,
            "params": 100,
        }
        if status == "pruned":
            record["pruned"] = {"epoch": len(values), "value": max(values), "threshold": 1.0}
        if status is not None:
            folder.finish({**record, "status": status})
        return TrialRun(folder, thresholds or {}, is_first)

    return call


def test_a_complete_trial_has_the_values_of_its_record(run, settings):
    result = result_of([run("a")], settings(objectives=["val/acc", "params"]), "val/acc")
    assert (result.state, result.values, result.epochs) == ("complete", [0.7, 100.0], 4)
    assert result.curve == [0.2, 0.5, 0.5, 0.7]
    assert result.seconds == 2.0


def test_the_mean_over_the_runs_counts(run, settings):
    runs = [run("a"), run("b", [0.4, 0.4, 0.6])]
    result = result_of(runs, settings(), "val/acc")
    assert result.values == [pytest.approx(0.65)]
    assert result.curve == pytest.approx([0.3, 0.45, 0.55])  # the epochs that both have
    assert result.epochs == 7


def test_a_trial_with_a_pruned_run_is_pruned_at_the_last_common_epoch(run, settings):
    runs = [run("a"), run("b", [0.1, 0.3], status="pruned", thresholds={2: 0.4})]
    result = result_of(runs, settings(), "val/acc")
    assert (result.state, result.values) == ("pruned", [pytest.approx(0.4)])
    assert result.epochs == 6


def test_a_run_that_was_trained_past_its_threshold_counts_as_pruned(run, settings):
    """A plain sweep trains a pruned run to its end; the search stays as it was."""
    pruned = run("a", CURVE[:2], status="pruned", thresholds={2: 0.6})
    complete = run("b", CURVE, thresholds={2: 0.6})
    one, other = (result_of([each], settings(), "val/acc") for each in (pruned, complete))
    assert (one.state, one.values, one.epochs, one.curve) == ("pruned", [0.5], 2, [0.2, 0.5])
    assert (other.state, other.values, other.epochs) == (one.state, one.values, one.epochs)


@pytest.mark.parametrize("status", [None, "diverged"])
def test_a_trial_with_a_failed_run_has_failed(run, settings, status):
    result = result_of([run("a"), run("b", CURVE[:1], status)], settings(), "val/acc")
    assert (result.state, result.values, result.epochs) == ("failed", None, 5)


def test_a_record_without_the_objective_is_a_failure(run, settings):
    result = result_of([run("a")], settings(objectives=["val/loss"]), "val/acc")
    assert result.state == "failed"


def test_the_epochs_of_a_run_belong_to_its_first_trial(run, settings):
    result = result_of([run("a", is_first=False)], settings(), "val/acc")
    assert (result.values, result.epochs, result.seconds) == ([0.7], 0, 0)
