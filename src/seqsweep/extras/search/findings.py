"""Collects what a search has found, as plain values for report.json."""

import importlib.util
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from seqsweep.extras.search.confirmation import Confirmation, confirmation_of
from seqsweep.extras.search.trials import Tried, metrics_of, ranked, read_trials, search_names
from seqsweep.runs.ledger import Entry
from seqsweep.runs.searchfile import SearchFile


@dataclass(frozen=True)
class Rung:
    """The trials that a successive halving has judged after a number of epochs.

    Args:
        trained: The number of trials that reached it.
        kept: The number of those that went on.
        best: The best value until there; None if no run logged the metric.
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
        trials: The trials with their results, by their numbers.
        names: The short names of the searched keys.
        best: The numbers of the complete trials, the best first.
        best_metrics: The metrics of the best trial.
        compared: The number of trials that the importance was computed from.
        compared_after: The number of epochs after which their values were taken; None for the end.
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
    """Returns what the search of a folder has found; None without a search.json.

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
    return Search(
        file=replace(file, trials=()),  # `trials` has them, with their results
        trials=trials,
        names=names,
        best=[trial.number for trial in order],
        best_metrics=metrics_of(order[0].run_ids, runs) if order else {},
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
    """The last epoch that all trials have reached; None without pruned ones.

    A pruned trial has been trained for fewer epochs than a complete one, and only after equal
    numbers of epochs does a difference between values come from the configs.
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
    # Imported here, because the report works without Optuna.
    from seqsweep.extras.search.stored_study import importances

    return importances(trials, costs, file.space)
