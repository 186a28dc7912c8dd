"""Reads the results of trials (chosen configs) from their runs, and ranks the trials."""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from seqsweep.extras.search.searchfile import SearchFile, Trial
from seqsweep.results.data_sets import group_by
from seqsweep.results.formatting import KeyNames, key_names, run_label
from seqsweep.runs.metrics import Metric
from seqsweep.runs.metrics_csv import read_rows
from seqsweep.runs.run_folder import RunFolder

TrialState = Literal["running", "complete", "pruned", "failed"]
"""The state of a trial. A diverged trial has failed: it has no value."""


@dataclass(frozen=True)
class Result:
    """The result of a trial.

    Attributes:
        state: `running` while one of its runs has no record and has not failed.
        value: the metric of the best epoch, averaged over the runs; None without a value. For a
            pruned trial, the last value of `curve`.
        epochs, seconds: the costs of the runs; without runs that an earlier trial has, too.
        curve: the best value so far after each epoch that all runs have, averaged over the runs;
            None before the first validation.
    """

    state: TrialState = "running"
    value: float | None = None
    epochs: int = 0
    seconds: float = 0.0
    curve: Sequence[float | None] = ()


@dataclass(frozen=True)
class Tried(Trial):
    """A trial and its result."""

    result: Result = Result()

    @property
    def state(self) -> TrialState:
        return self.result.state

    @property
    def value(self) -> float | None:
        return self.result.value

    @property
    def epochs(self) -> float:
        """The number of epochs that all runs have; the runs' mean without a curve."""
        return len(self.result.curve) or self.result.epochs / max(1, len(self.run_ids))

    def value_after(self, epochs: int) -> float | None:
        """Returns the best value in the first `epochs` epochs; None unless all runs have them."""
        curve = self.result.curve
        return curve[epochs - 1] if 0 < epochs <= len(curve) else None


def read_trials(search: SearchFile, folder: Path) -> list[Tried]:
    """Returns the trials of a search in a folder with their results."""
    owners = owners_of(search.trials)
    return [
        Tried(**vars(trial), result=result_of(trial, folder, search.monitor, owners))
        for trial in search.trials
    ]


def owners_of(trials: Sequence[Trial]) -> dict[str, Trial]:
    """Returns the owner of each run: the first trial that has the run."""
    return {run_id: trial for trial in reversed(trials) for run_id in trial.run_ids}


def result_of(trial: Trial, folder: Path, metric: Metric, owners: Mapping[str, Trial]) -> Result:
    """Returns the result of a trial.

    A trial with a failed run has failed. A trial with a pruned run is pruned, at the last epoch
    that all its runs have. The costs of a run count only for its owner, see `owners_of`.
    """
    if not trial.run_ids:  # its config was refused
        return Result("failed")
    runs = {name: _run(RunFolder(folder / name), metric) for name in trial.run_ids}
    states = {run.state for run in runs.values()}
    order: list[TrialState] = ["running", "failed", "pruned", "complete"]
    state: TrialState = next(each for each in order if each in states)
    owned = [run for name, run in runs.items() if owners[name].number == trial.number]
    epochs, seconds = sum(run.epochs for run in owned), sum(run.seconds for run in owned)
    if state == "running" or state == "failed":
        return Result(state, None, epochs, seconds)
    curve = [_mean(values) for values in zip(*(r.curve for r in runs.values()), strict=False)]
    value = _mean([run.value for run in runs.values()])
    if state == "pruned" and curve:
        value = curve[-1]
    if state == "complete" and value is None:
        return Result("failed", None, epochs, seconds)
    return Result(state, value, epochs, seconds, curve)


def _mean(values: Sequence[float | None]) -> float | None:
    """Returns the mean; None unless all values are finite numbers."""
    known = [value for value in values if value is not None and math.isfinite(value)]
    return statistics.fmean(known) if len(known) == len(values) else None


def _run(folder: RunFolder, metric: Metric) -> Result:
    """Returns the result of a run."""
    record = folder.record()
    rows = read_rows(folder.path / "metrics.csv")
    if record is None:
        failure = folder.failure() or {}
        state: TrialState = "failed" if failure.get("kind") == "failed" else "running"
        return Result(state, None, len(rows))
    seconds = record.train_seconds or 0.0
    if record.status not in ("complete", "pruned"):
        return Result("failed", None, len(rows), seconds)
    value, epochs = record.metrics.get(metric), record.epochs or 0
    curve = _best_so_far([row.get(metric) for row in rows], metric.lower_is_better)
    return Result(record.status, value, epochs, seconds, curve[:epochs])


def _best_so_far(values: Sequence[float | None], minimize: bool) -> list[float | None]:
    """Returns the best value up to each epoch; None before the first value."""
    best: list[float | None] = []
    for value in values:
        known = [each for each in (*best[-1:], value) if each is not None]
        best.append((min if minimize else max)(known, default=None))
    return best


def ranked(trials: Sequence[Tried], sign: int) -> list[Tried]:
    """Returns the complete trials, best first; equal trials by number."""
    complete = [t for t in trials if t.state == "complete" and t.value is not None]
    return sorted(complete, key=lambda t: (sign * (t.value or 0.0), t.number))


def different(trials: Sequence[Tried]) -> list[Tried]:
    """Returns the first trial of each config: equal configs have the same runs."""
    groups = group_by(trials, lambda trial: tuple(trial.run_ids))
    return [group[0] for group in groups.values()]


def search_names(search: SearchFile) -> KeyNames:
    """Returns the short names of the searched keys."""
    plain = {key: key.lstrip("+") for key in search.space}
    configs = [{key.lstrip("+"): v for key, v in trial.params.items()} for trial in search.trials]
    found = key_names(plain.values(), configs)
    names = KeyNames((key, found[name]) for key, name in plain.items())
    names.classes = found.classes
    return names


def trial_words(trial: Tried, names: KeyNames) -> str:
    """Returns a trial's params, numbers with four digits: `lr=0.0123 hidden_size=32`."""
    params = {k: f"{v:.4g}" if isinstance(v, float) else v for k, v in trial.params.items()}
    return run_label(params, names, [key for key in names if key in params])
