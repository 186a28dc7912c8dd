"""Collects what a search has found, as plain values for report.json."""

import importlib.util
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from seqsweep.results.search.confirmation import Confirmation, confirmation_of
from seqsweep.results.search.trials import (
    Tried,
    metrics_of,
    ranked,
    read_trials,
    runs_of,
    search_names,
)
from seqsweep.runs.ledger import Entry
from seqsweep.runs.searchfile import SearchFile


@dataclass(frozen=True)
class Compared:
    """The values of trials that can be compared, because they were taken after equal training.

    Args:
        trials: The number of each trial.
        epochs: The number of epochs after which all values were taken; None for the values of
            complete trials.
        left_out: The number of trials with a value that are not among them.
    """

    trials: list[int]
    values: list[float]
    epochs: int | None
    left_out: int


@dataclass(frozen=True)
class Rung:
    """The trials that a successive halving has judged after a number of epochs.

    Args:
        trained: The number of trials that reached it.
        kept: The number of those that went on.
        best: The best value until there; None if no run logged the metric.
        threshold: The worst value that went on.
    """

    epochs: int
    trained: int
    kept: int
    best: float | None
    threshold: float | None


@dataclass(frozen=True)
class Search:
    """The content of the section on the search.

    Args:
        file: The search without its trials.
        trials: The trials with their results, by their numbers.
        names: The short names of the searched keys.
        best: The numbers of the complete trials, the best first.
        best_metrics: The metrics of the best trial.
        compared: The trials that the importance was computed from.
        rungs: The numbers of trials by rung of a successive halving.
        importance: The importance of each key; empty without values, and None without Optuna or
            where it was not asked for.
    """

    file: SearchFile
    trials: list[Tried]
    names: dict[str, str]
    best: list[int]
    best_metrics: Mapping[str, float]
    confirmation: Confirmation | None
    compared: Compared
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
    """Returns what the search of a folder has found; None without a search.json.

    Args:
        with_importance: Whether to compute the importance of the keys, which takes a second.
    """
    file = SearchFile.read(folder)
    if file is None:
        return None
    runs = runs_of(file, folder, entries)
    trials = read_trials(file, folder)
    names = search_names(file)
    order = ranked(trials, file.sign)
    compared = _equally_trained(trials)
    return Search(
        file=replace(file, trials=()),  # `trials` has them, with their results
        trials=trials,
        names=names,
        best=[trial.number for trial in order],
        best_metrics=metrics_of(order[0].run_ids, runs) if order else {},
        confirmation=confirmation_of(file, order, runs, names),
        compared=compared,
        rungs=[_rung(file, trials, epochs) for epochs in file.rungs],
        importance=_importance(file, trials, compared) if with_importance else None,
    )


def has_optuna() -> bool:
    """Returns whether Optuna is installed."""
    return importlib.util.find_spec("optuna") is not None


def _rung(search: SearchFile, trials: Sequence[Tried], epochs: int) -> Rung:
    # A complete trial passed all rungs.
    trained = [t for t in trials if t.state == "complete" or t.epochs >= epochs]
    kept = [t for t in trained if t.trial.ends_at != epochs]
    better, worse = (max, min) if search.sign < 0 else (min, max)
    values = [v for t in trained if (v := t.value_after(epochs)) is not None]
    passing = [v for t in kept if (v := t.value_after(epochs)) is not None]
    return Rung(
        epochs,
        len(trained),
        len(kept),
        better(values, default=None),
        worse(passing, default=None),
    )


def _equally_trained(trials: Sequence[Tried]) -> Compared:
    """The values after the last epoch that all trials have reached.

    If no trial was pruned, they are the final values. A pruned trial has been trained for fewer
    epochs than a complete one, and only after equal numbers of epochs does a difference between
    values come from the configs.
    """
    having = {trial.number: trial for trial in trials if trial.value is not None}
    last: int | None = int(min((trial.epochs for trial in having.values()), default=0))
    values: dict[int, float] = {}
    if last and any(trial.state == "pruned" for trial in having.values()):
        early = {number: trial.value_after(last) for number, trial in having.items()}
        values = {number: value for number, value in early.items() if value is not None}
    # The file of a run may be gone.
    if len(values) <= len(having) / 2:
        last = None
        values = {n: t.value or 0.0 for n, t in having.items() if t.state == "complete"}
    return Compared([*values], [*values.values()], last, len(having) - len(values))


def _importance(
    file: SearchFile, trials: Sequence[Tried], compared: Compared
) -> dict[str, float] | None:
    if not file.space or len(compared.values) < 2:
        return {}
    if not has_optuna():
        return None
    # Imported here, because the report works without Optuna.
    from seqsweep.results.search.study import importances

    numbers = set(compared.trials)
    costs = [file.sign * value for value in compared.values]
    return importances([t for t in trials if t.number in numbers], costs, file.space)
