"""Reads the values of trials after some epochs, and counts the trials of each rung."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from seqsweep.results.search.trials import Runs, sign_of, value_of
from seqsweep.runs.metrics_csv import read_rows
from seqsweep.runs.searchfile import SearchFile, Trial

MOST_RUNGS = 12


@dataclass(frozen=True)
class Rung:
    """The trials that were judged after a number of epochs.

    Args:
        trained: The number of trials that reached it.
        kept: The number of those that were not pruned there.
        best: The best value until there; None if no run logged the objective.
        threshold: Worse trials were pruned; None if it was not the same for all of them. Where a
            share of the trials was kept, it is the worst value that was kept.
    """

    epochs: int
    trained: int
    kept: int
    best: float | None
    threshold: float | None


class EarlyValues:
    """The best value of the first objective that each trial had after some epochs."""

    def __init__(self, search: SearchFile, runs: Runs) -> None:
        self.name = search.objectives[0]
        higher = sign_of(search) < 0
        self.better, self.worse = (max, min) if higher else (min, max)
        self.runs = runs
        self._columns: dict[str, list[tuple[int, float]]] = {}

    def at(self, trial: Trial, epochs: int) -> float | None:
        """The mean over the trial's runs; None if one of them has no value."""
        if epochs_of(trial) == epochs:
            return value_of(trial)
        values: list[float] = []
        for run_id in trial.run_ids:
            column = [v for epoch, v in self._column(run_id) if epoch < epochs]
            if not column:
                return None
            values.append(self.better(column))
        return sum(values) / len(values) if values else None

    def _column(self, run_id: str) -> list[tuple[int, float]]:
        """The epochs, counted from 0, and the values of the objective of one run."""
        if run_id not in self._columns:
            path = self.runs[run_id].folder.path if run_id in self.runs else None
            rows = _rows(path / "metrics.csv") if path else []
            self._columns[run_id] = [
                (int(row["epoch"]), row[self.name]) for row in rows if self.name in row
            ]
        return self._columns[run_id]


def _rows(path: Path) -> list[dict[str, float]]:
    try:
        return read_rows(path)
    except OSError:
        return []


def epochs_of(trial: Trial) -> float:
    """The mean number of epochs of a trial's runs."""
    return trial.epochs / max(1, len(trial.run_ids))


def reached(search: SearchFile, epochs: int) -> list[Trial]:
    """The trials that were judged after so many epochs; a complete trial passed all rungs."""
    return [t for t in search.trials if t.state == "complete" or epochs_of(t) >= epochs]


def rungs_of(search: SearchFile, runs: Runs, early: EarlyValues) -> list[Rung]:
    """The rungs of a search, those with pruned trials if there are many.

    Some pruners have other rungs for each trial. Then every epoch after which a trial was pruned
    is a rung.
    """
    pruned = {int(epochs_of(trial)) for trial in search.trials if trial.state == "pruned"}
    rungs = [_rung(search, runs, early, epochs) for epochs in search.rungs or sorted(pruned)]
    if len(rungs) > MOST_RUNGS:
        rungs = [rung for rung in rungs if rung.kept < rung.trained]
    return rungs[:MOST_RUNGS]


def _rung(search: SearchFile, runs: Runs, early: EarlyValues, epochs: int) -> Rung:
    trained = reached(search, epochs)
    pruned = [t for t in trained if t.state == "pruned" and epochs_of(t) == epochs]
    values = [v for trial in trained if (v := early.at(trial, epochs)) is not None]
    best = early.better(values) if values else None
    threshold = _threshold(pruned, runs)
    if threshold is None and search.pruner == "halving" and pruned:
        kept = [early.at(trial, epochs) for trial in trained if trial not in pruned]
        known = [value for value in kept if value is not None]
        threshold = early.worse(known) if known else None
    return Rung(epochs, len(trained), len(trained) - len(pruned), best, threshold)


def _threshold(pruned: Sequence[Trial], runs: Runs) -> float | None:
    """The threshold in the records of pruned runs, if they all have the same."""
    records = [runs[run_id].record or {} for t in pruned for run_id in t.run_ids if run_id in runs]
    found = {(record.get("pruned") or {}).get("threshold") for record in records}
    threshold = found.pop() if len(found) == 1 else None
    return float(threshold) if isinstance(threshold, (int, float)) else None
