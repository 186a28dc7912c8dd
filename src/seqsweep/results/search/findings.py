"""Collects what a search has found, as plain values for report.json."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from seqsweep.results.search.confirmation import Confirmation, confirmation_of
from seqsweep.results.search.expected import INDEPENDENT, Expected, expected_best
from seqsweep.results.search.importance import has_optuna, importances
from seqsweep.results.search.rungs import Rung, rungs_of
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

    @property
    def is_biased(self) -> bool:
        """Returns whether the worse trials, which were pruned, are left out."""
        return self.epochs is None and self.left_out > 0


@dataclass(frozen=True)
class Search:
    """The content of the section on the search.

    Args:
        file: The search without its trials.
        trials: The trials with their results, by their numbers.
        names: The short names of the searched keys.
        best: The numbers of the complete trials, the best first.
        best_metrics: The metrics of the best trial.
        compared: The trials that the importance and the expected best value were computed from.
        expected: The expected best value of n random configs; None if they were not drawn
            independently.
        rungs: The numbers of trials by rung.
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
    expected: Expected | None
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
    trials = read_trials(file, folder, runs)
    names = search_names(file)
    order = ranked(trials, file.sign)
    compared = _equally_trained(trials)
    expects = file.method in INDEPENDENT and len(compared.values) > 1 and not compared.is_biased
    return Search(
        file=replace(file, trials=()),  # `trials` has them, with their results
        trials=trials,
        names=names,
        best=[trial.number for trial in order],
        best_metrics=metrics_of(order[0].run_ids, runs) if order else {},
        confirmation=confirmation_of(file, order, runs, names),
        compared=compared,
        expected=expected_best(compared.values, file.sign) if expects else None,
        rungs=rungs_of(file, trials),
        importance=_importance(file, trials, compared) if with_importance else None,
    )


def _equally_trained(trials: Sequence[Tried]) -> Compared:
    """The values after the last epoch that all trials have reached.

    If no trial was pruned, they are the final values. A pruned trial has been trained for fewer
    epochs than a complete one, and only after equal numbers of epochs does a difference between
    values come from the configs.
    """
    having = [trial for trial in trials if trial.value is not None]
    last = int(min((trial.epochs for trial in having), default=0))
    if last and any(trial.state == "pruned" for trial in having):
        values = [(trial, trial.value_after(last)) for trial in having]
        known = [(trial, value) for trial, value in values if value is not None]
        # The file of a run may be gone.
        if len(known) > len(having) / 2:
            return _compared(known, last, having)
    complete = [(t, t.value) for t in having if t.state == "complete"]
    return _compared([(t, v) for t, v in complete if v is not None], None, having)


def _compared(
    pairs: Sequence[tuple[Tried, float]], epochs: int | None, having: Sequence[Tried]
) -> Compared:
    numbers, values = [trial.number for trial, _ in pairs], [value for _, value in pairs]
    return Compared(numbers, values, epochs, max(0, len(having) - len(pairs)))


def _importance(
    file: SearchFile, trials: Sequence[Tried], compared: Compared
) -> dict[str, float] | None:
    if not file.space or len(compared.values) < 2:
        return {}
    if not has_optuna():
        return None
    numbers = set(compared.trials)
    costs = [file.sign * value for value in compared.values]
    return importances([t for t in trials if t.number in numbers], costs, file.space)
