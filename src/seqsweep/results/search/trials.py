"""Reads the results of trials from the records of their runs, and ranks the trials."""

import itertools
import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from seqsweep.results.formatting import key_names, value_text
from seqsweep.results.run_numbers import numbers
from seqsweep.runs.ledger import Entry, read_run
from seqsweep.runs.metric_names import lower_is_better
from seqsweep.runs.metrics_csv import has_finished, read_rows
from seqsweep.runs.run_folder import RunFolder
from seqsweep.runs.searchfile import SearchFile, Trial

TrialState = Literal["running", "complete", "pruned", "failed"]
"""The state of a trial. A diverged trial has failed: it has no value."""

Runs = Mapping[str, Entry]
"""The runs of a folder by run_id."""


@dataclass(frozen=True)
class Result:
    """The result of a trial.

    Attributes:
        state: running while one of its runs has neither a record nor failed.
        value: the metric of the best epoch, the mean over the runs; None without one. Of a pruned
            trial, the value at its last epoch.
        epochs: the number of epochs trained by all its runs.
        seconds: the training time of all its runs, in seconds.
        curve: the best value so far after each epoch that all its runs have, their mean.
    """

    state: TrialState = "running"
    value: float | None = None
    epochs: int = 0
    seconds: float = 0.0
    curve: Sequence[float] = ()


@dataclass(frozen=True)
class Tried:
    """A trial and its result."""

    trial: Trial
    result: Result

    @property
    def number(self) -> int:
        return self.trial.number

    @property
    def params(self) -> Mapping[str, Any]:
        return self.trial.params

    @property
    def run_ids(self) -> Sequence[str]:
        return self.trial.run_ids

    @property
    def state(self) -> TrialState:
        return self.result.state

    @property
    def value(self) -> float | None:
        return self.result.value

    @property
    def epochs(self) -> float:
        """The epochs that all runs have; of a failed trial, their mean."""
        return len(self.result.curve) or self.result.epochs / max(1, len(self.run_ids))

    def value_after(self, epochs: int) -> float | None:
        """The best value in the first epochs; None if a run is shorter."""
        curve = self.result.curve
        value = curve[epochs - 1] if 0 < epochs <= len(curve) else math.nan
        return value if math.isfinite(value) else None


def read_trials(search: SearchFile, folder: Path) -> list[Tried]:
    """Returns the trials of a search in a folder with their results."""
    owners = owners_of(search.trials)
    return [Tried(t, result_of(t, folder, search.metric, owners)) for t in search.trials]


def owners_of(trials: Sequence[Trial]) -> dict[str, Trial]:
    """Returns the first trial of each run, whose thresholds the run has."""
    return {run_id: trial for trial in reversed(trials) for run_id in trial.run_ids}


def result_of(trial: Trial, folder: Path, metric: str, owners: Mapping[str, Trial]) -> Result:
    """Returns the result of a trial.

    A trial with a failed run has failed; one with a pruned run is pruned, at the last epoch that
    all its runs have. The result depends on the values of the runs and on their thresholds alone,
    also where another command has trained a pruned run to its end.

    Args:
        trial: one of a search.
        folder: the folder of the search.
        metric: by which the trials are judged.
        owners: the trials by run, as `owners_of` returns them.
    """
    if not trial.run_ids:  # its config was refused
        return Result("failed")
    runs = {name: _run(RunFolder(folder / name), owners[name], metric) for name in trial.run_ids}
    states = {run.state for run in runs.values()}
    order: list[TrialState] = ["running", "failed", "pruned", "complete"]
    state: TrialState = next(each for each in order if each in states)
    owned = [run for name, run in runs.items() if owners[name].number == trial.number]
    epochs, seconds = sum(run.epochs for run in owned), sum(run.seconds for run in owned)
    if state == "running" or state == "failed":
        return Result(state, None, epochs, seconds)
    curves = [run.curve for run in runs.values()]
    curve = [statistics.fmean(values) for values in zip(*curves, strict=False)]
    value = statistics.fmean(run.value or 0.0 for run in runs.values())
    if state == "pruned" and curve:
        value = curve[-1]
    if state == "complete" and not math.isfinite(value):
        return Result("failed", None, epochs, seconds)
    return Result(state, value if math.isfinite(value) else None, epochs, seconds, curve)


def _run(folder: RunFolder, trial: Trial, metric: str) -> Result:
    """Returns the result of a run that belongs to a trial."""
    record = folder.record()
    rows = read_rows(folder.path / "metrics.csv")
    curve = _best_so_far(rows, metric)
    seconds = float((record or {}).get("train_seconds", 0.0))
    if record is None:
        failure = folder.failure() or {}
        state: TrialState = "failed" if failure.get("kind") == "failed" else "running"
        return Result(state, None, len(rows))
    if record["status"] not in ("complete", "pruned"):
        return Result("failed", None, len(rows), seconds)
    value = float((record.get("metrics") or {}).get(metric, math.nan))
    ended = pruned_after(curve, trial.thresholds, lower_is_better(metric))
    if trial.ends_at is not None and has_finished(rows, trial.ends_at):
        ended = trial.ends_at
    if ended is None and record["status"] == "pruned":  # by another search
        ended = int(record["epochs"])
    if ended is None:
        return Result("complete", value, int(record["epochs"]), seconds, curve)
    value = curve[ended - 1] if ended <= len(curve) else value
    return Result("pruned", value, ended, seconds, curve[:ended])


def pruned_after(
    curve: Sequence[float], thresholds: Mapping[int, float], minimize: bool
) -> int | None:
    """Returns after how many epochs a run is pruned; None if it is not.

    Args:
        curve: the best value so far after each epoch.
        thresholds: by finished epochs.
        minimize: whether lower values are better.
    """
    for epoch in sorted(thresholds):
        if epoch > len(curve):
            return None
        value, threshold = curve[epoch - 1], thresholds[epoch]
        if value > threshold if minimize else value < threshold:
            return epoch
    return None


def _best_so_far(rows: Sequence[Mapping[str, float]], metric: str) -> list[float]:
    """Returns the best value up to each epoch; NaN before the first one."""
    better = min if lower_is_better(metric) else max
    values = [row.get(metric, math.nan) for row in rows]

    def best(one: float, other: float) -> float:
        return other if math.isnan(one) else one if math.isnan(other) else better(one, other)

    return list(itertools.accumulate(values, best))


def runs_of(search: SearchFile, folder: Path, entries: Iterable[Entry]) -> Runs:
    """Returns the runs of the search's trials, read if they are not among the entries."""
    runs = {entry.folder.run_id: entry for entry in entries}
    wanted = {run_id for trial in search.trials for run_id in trial.run_ids}
    wanted |= {run_id for run_ids in search.confirmed.values() for run_id in run_ids}
    for run_id in sorted(wanted - runs.keys()):
        # A trial may name runs that have not started.
        if (folder / run_id / "config.yaml").is_file():
            runs[run_id] = read_run(RunFolder(folder / run_id))
    return runs


def ranked(trials: Sequence[Tried], sign: int) -> list[Tried]:
    """The complete trials by value, best first; of equal ones the earlier first.

    Args:
        sign: -1 if higher values are better, 1 if lower ones are.
    """
    complete = [t for t in trials if t.state == "complete" and t.value is not None]
    return sorted(complete, key=lambda t: (sign * (t.value or 0.0), t.number))


def metrics_of(run_ids: Sequence[str], runs: Runs) -> dict[str, float]:
    """The mean of each metric that all of the runs have."""
    each = [numbers(runs[run_id]) for run_id in run_ids if run_id in runs]
    if not each or len(each) < len(run_ids):
        return {}
    names = sorted(set.intersection(*map(set, each)))
    return {name: statistics.fmean(run[name] for run in each) for name in names}


def search_names(search: SearchFile) -> dict[str, str]:
    """The short names of the searched keys."""
    plain = {key: key.lstrip("+") for key in search.space}
    names = key_names(plain.values())
    return {key: names[name] for key, name in plain.items()}


def trial_words(trial: Tried, names: Mapping[str, str]) -> str:
    """The params of a trial, numbers with four digits: `lr=0.0123 hidden_size=32`."""
    texts = {
        key: f"{value:.4g}" if isinstance(value, float) else value_text(key, value)
        for key, value in trial.params.items()
    }
    return " ".join(f"{name}={texts[key]}" for key, name in names.items() if key in texts)
