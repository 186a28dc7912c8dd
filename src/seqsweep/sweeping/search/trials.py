"""The result of a trial, read from the folders of its runs."""

import itertools
import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from seqsweep.runs.metric_names import lower_is_better
from seqsweep.runs.metrics_csv import read_rows
from seqsweep.runs.run_folder import RunFolder
from seqsweep.runs.searchfile import TrialState
from seqsweep.sweeping.search.pruning import pruned_after
from seqsweep.sweeping.search.settings import Settings, objective_value


@dataclass(frozen=True)
class TrialRun:
    """A run of a trial.

    Attributes:
        folder: the folder of the run.
        thresholds: those of the first trial that has this run.
        is_first: whether this trial is that first trial, to which the run's epochs belong.
    """

    folder: RunFolder
    thresholds: Mapping[int, float]
    is_first: bool


@dataclass(frozen=True)
class Result:
    """The result of a trial; see `seqsweep.runs.searchfile.Trial`.

    Attributes:
        curve: the best monitored value so far after each epoch that all its runs have, their mean.
    """

    state: TrialState
    values: Sequence[float] | None = None
    epochs: int = 0
    seconds: float = 0.0
    curve: Sequence[float] = field(default_factory=tuple[float, ...])


@dataclass(frozen=True)
class _RunResult:
    state: TrialState
    values: Sequence[float]
    epochs: int
    seconds: float
    curve: Sequence[float]


def result_of(runs: Sequence[TrialRun], settings: Settings, monitor: str) -> Result:
    """Returns the result of a trial whose runs have all ended.

    A trial with a failed run has failed; one with a pruned run is pruned, at the last epoch that
    all its runs have. It depends on the values of the runs and on their thresholds alone, also
    where another command has trained a pruned run to its end.

    Args:
        settings: of the search.
        monitor: the metric whose best value so far was compared with the thresholds.
    """
    results = [_result_of_run(run, settings, monitor) for run in runs]
    states = {result.state for result in results}
    state: TrialState = next(s for s in ("failed", "pruned", "complete") if s in states)
    owned = [r for r, run in zip(results, runs, strict=True) if run.is_first]
    epochs, seconds = sum(r.epochs for r in owned), sum(r.seconds for r in owned)
    if state == "failed":
        return Result("failed", epochs=epochs, seconds=seconds)
    curves = zip(*(result.curve for result in results), strict=False)
    curve = [statistics.fmean(values) for values in curves]
    if state == "pruned":
        return Result("pruned", curve[-1:], epochs, seconds, curve)
    values = [statistics.fmean(v) for v in zip(*(r.values for r in results), strict=True)]
    return Result("complete", values, epochs, seconds, curve)


def _result_of_run(run: TrialRun, settings: Settings, monitor: str) -> _RunResult:
    record = run.folder.record() or {"status": "failed"}
    rows = read_rows(run.folder.path / "metrics.csv")
    curve = _best_so_far(rows, monitor)
    seconds = float(record.get("train_seconds", 0.0))
    if record["status"] not in ("complete", "pruned"):
        return _RunResult("failed", (), len(rows), seconds, curve)
    ended = pruned_after(curve, run.thresholds, lower_is_better(monitor))
    if ended is None and record["status"] == "pruned":  # by another search
        ended = int(record["epochs"])
    if ended is not None:
        return _RunResult("pruned", (), ended, seconds, curve[:ended])
    values = [objective_value(name, record) for name in settings.objectives]
    if not all(map(math.isfinite, values)):
        return _RunResult("failed", (), len(rows), seconds, curve)
    return _RunResult("complete", values, len(rows), seconds, curve)


def _best_so_far(rows: Sequence[Mapping[str, Any]], monitor: str) -> list[float]:
    """Returns the best value up to each epoch; NaN before the first one."""
    better = min if lower_is_better(monitor) else max
    values = [float(row.get(monitor, math.nan)) for row in rows]

    def best(one: float, other: float) -> float:
        return other if math.isnan(one) else one if math.isnan(other) else better(one, other)

    return list(itertools.accumulate(values, best))
