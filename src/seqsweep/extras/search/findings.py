"""Collects the findings of a search as plain values for report.json.

The best trials were chosen among many, partly by luck, so their values in the search are too good.
The report compares these values with values over fresh seeds, which had no part in the choice.
"""

import importlib.util
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from seqsweep.extras.search.searchfile import SearchFile
from seqsweep.extras.search.trials import (
    Tried,
    different,
    ranked,
    read_trials,
    search_names,
    trial_words,
)
from seqsweep.results.formatting import KeyNames
from seqsweep.results.measures import Measure
from seqsweep.results.replicates import Variation
from seqsweep.results.rows import Row, make_row
from seqsweep.results.significance import Difference, Estimate
from seqsweep.runs.ledger import Entry
from seqsweep.runs.metrics import compared_metric


@dataclass(frozen=True)
class Confirmed:
    """One of the best trials, trained again over fresh seeds.

    Args:
        words: The searched keys with their values: `lr=0.0123 hidden_size=32`.
        before: The rank in the search, from 1; equal configs share a rank.
        searched: The value in the search.
        fresh: The value over fresh seeds.
        compared: The comparison metric over fresh seeds, see `Confirmation.metric`.
        difference: The difference in the comparison metric to the best trial over fresh seeds.
    """

    number: int
    words: str
    before: int
    searched: float
    fresh: Estimate
    compared: Estimate
    difference: Difference


@dataclass(frozen=True)
class Confirmation:
    """The confirmed trials, ranked by their values over fresh seeds.

    Args:
        metric: The metric of `Confirmed.compared`: a test metric if all runs have one.
        missing: The number of planned runs with fresh seeds that are not complete.
    """

    metric: str
    trials: list[Confirmed]
    missing: int

    @property
    def first(self) -> Confirmed:
        """The confirmed trial that was the best trial in the search."""
        return min(self.trials, key=lambda row: row.before)


def confirmation_of(
    search: SearchFile, order: Sequence[Tried], runs: Mapping[str, Entry], names: KeyNames
) -> Confirmation | None:
    """Compares the best trials over fresh seeds; None without a complete run."""
    order = different(order)
    found: list[tuple[Tried, Row]] = []
    for trial in order:
        # A seed that the search itself has used is not fresh.
        run_ids = [i for i in search.confirmed.get(trial.number, ()) if i not in trial.run_ids]
        row = row_of(run_ids, runs)
        if row is not None and search.monitor in row.metrics:
            found.append((trial, row))
    if not found:
        return None
    # Equal trials stay in the order of the search.
    found.sort(key=lambda pair: search.sign * pair[1].metrics[search.monitor].mean)
    shared = set.intersection(*(set(_means(row)) for _, row in found))
    metric = compared_metric(search.monitor, shared)
    samples = [row.samples[metric] for _, row in found]
    differences = Measure(metric, Variation()).differences(samples)
    rows = [
        Confirmed(
            trial.number,
            trial_words(trial, names),
            1 + order.index(trial),
            trial.value or 0.0,
            row.metrics[search.monitor],
            row.metrics[metric],
            difference,
        )
        for (trial, row), difference in zip(found, differences, strict=True)
    ]
    planned = len(set[str]().union(*search.confirmed.values()))
    return Confirmation(metric, rows, max(0, planned - sum(row.fresh.n for row in rows)))


def row_of(run_ids: Iterable[str], runs: Mapping[str, Entry]) -> Row | None:
    """Returns a trial's complete runs as a row of a leaderboard, if any."""
    entries = [runs[run_id] for run_id in run_ids if run_id in runs]
    complete = [entry for entry in entries if entry.state == "complete"]
    return make_row(complete, [], {}, {}, Variation()) if complete else None


def _means(row: Row) -> dict[str, float]:
    """Returns the mean of each metric that all runs of a row have."""
    means = {name: each.mean for name, each in row.metrics.items() if each.n == row.n}
    return dict(sorted(means.items()))


@dataclass(frozen=True)
class Rung:
    """A number of epochs after which a successive halving ends the worse runs.

    Args:
        trained: The number of trials that reached the rung.
        kept: The number of these trials that continued.
        best: The best value up to the rung; None if no run logged the metric.
    """

    epochs: int
    trained: int
    kept: int
    best: float | None


@dataclass(frozen=True)
class Search:
    """The content of the section on the search.

    Args:
        file: The search without its trials.
        names: The short names of the searched keys.
        best: The numbers of the complete trials, the best first.
        best_metrics: The metrics of the best trial, averaged over its runs.
        compared: The number of trials that the importance was computed from.
        compared_after: The epochs after which the compared values were taken; None for the end.
        importance: The importance of each key; empty without values, and None without Optuna or if
            it was not requested.
    """

    file: SearchFile
    trials: list[Tried]
    names: KeyNames
    best: list[int]
    best_metrics: Mapping[str, float]
    confirmation: Confirmation | None
    compared: int
    compared_after: int | None
    rungs: list[Rung]
    importance: dict[str, float] | None = None

    @property
    def complete(self) -> list[Tried]:
        """The complete trials, the best first."""
        trials = {trial.number: trial for trial in self.trials}
        return [trials[number] for number in self.best]


def find_search(
    folder: Path, entries: Iterable[Entry], with_importance: bool = True
) -> Search | None:
    """Returns the findings of a folder's search, if the folder has one.

    Args:
        with_importance: Whether to compute the importance of the keys, which takes a second.
    """
    file = SearchFile.read(folder)
    if file is None:
        return None
    runs = {entry.folder.run_id: entry for entry in entries}
    trials = read_trials(file, folder)
    names = search_names(file)
    order = ranked(trials, file.sign)
    epochs = _least_epochs(trials)
    values = {t.number: t.value_after(epochs) if epochs else t.value for t in trials}
    costs = {number: file.sign * v for number, v in values.items() if v is not None}
    best = row_of(order[0].run_ids, runs) if order else None
    return Search(
        file=replace(file, trials=()),  # `Search.trials` has them, with results
        trials=trials,
        names=names,
        best=[trial.number for trial in order],
        best_metrics=_means(best) if best else {},
        confirmation=confirmation_of(file, order, runs, names),
        compared=len(costs),
        compared_after=epochs,
        rungs=[_rung(file, trials, epochs) for epochs in file.rungs],
        importance=_importance(file, trials, costs) if with_importance else None,
    )


def has_optuna() -> bool:
    """Returns whether Optuna is installed."""
    return importlib.util.find_spec("optuna") is not None


def _rung(search: SearchFile, trials: Sequence[Tried], epochs: int) -> Rung:
    # A complete trial passed all rungs.
    trained = [t for t in trials if t.state == "complete" or t.epochs >= epochs]
    kept = [t for t in trained if t.ends_at != epochs]
    better = max if search.sign < 0 else min
    values = [v for t in trained if (v := t.value_after(epochs)) is not None]
    return Rung(epochs, len(trained), len(kept), better(values, default=None))


def _least_epochs(trials: Sequence[Tried]) -> int | None:
    """Returns the epochs that all trials with a value have, if some were pruned.

    A pruned trial has been trained for fewer epochs than a complete trial. A difference between
    values comes from the configs only if the numbers of epochs are equal.
    """
    having = [trial for trial in trials if trial.value is not None]
    if all(trial.state != "pruned" for trial in having):
        return None
    return int(min(trial.epochs for trial in having))


def _importance(
    file: SearchFile, trials: Sequence[Tried], costs: Mapping[int, float]
) -> dict[str, float] | None:
    if not file.space or len(costs) < 2:
        return {}
    if not has_optuna():
        return None
    # This import is late, because the report works without Optuna.
    from seqsweep.extras.search.study import importances

    return importances(trials, costs, file.space)
