"""Collects what a search has found, as plain values for report.json."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from seqsweep.results.search.confirmation import Confirmation, confirmation_of
from seqsweep.results.search.expected import INDEPENDENT, Expected, expected_best
from seqsweep.results.search.importance import importances
from seqsweep.results.search.rungs import EarlyValues, Rung, epochs_of, rungs_of
from seqsweep.results.search.trials import (
    metrics_of,
    pareto_set,
    ranked,
    runs_of,
    search_names,
    sign_of,
    value_of,
)
from seqsweep.runs.ledger import Entry
from seqsweep.runs.searchfile import SearchFile, Trial


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
class FoundTrial:
    """A trial that the search has found, with the metrics of its runs."""

    trial: Trial
    metrics: Mapping[str, float]


@dataclass(frozen=True)
class Search:
    """The content of the section on the search.

    Args:
        names: The short names of the searched keys.
        best: The complete trials by the first objective, the best first, as trial numbers.
        found: The best trial of one objective, or the Pareto set of several.
        importance: The importance of each key for the first objective; empty without values.
        compared: The trials that the importance and the expected best value were computed from.
        expected: The expected best value of n random configs; None if they were not drawn
            independently.
        rungs: The numbers of trials by rung.
    """

    file: SearchFile
    names: dict[str, str]
    best: list[int]
    found: list[FoundTrial]
    confirmation: Confirmation | None
    importance: dict[str, float]
    compared: Compared
    expected: Expected | None
    rungs: list[Rung]

    @property
    def sign(self) -> int:
        """The sign that makes lower values of the first objective better."""
        return sign_of(self.file)

    @property
    def complete(self) -> list[Trial]:
        """The complete trials by the first objective, the best first."""
        trials = {trial.number: trial for trial in self.file.trials}
        return [trials[number] for number in self.best]


def find_search(folder: Path, entries: Iterable[Entry]) -> Search | None:
    """Returns what the search of a folder has found; None without a search.json."""
    search = SearchFile.read(folder)
    if search is None or not search.objectives:
        return None
    runs = runs_of(search, folder, entries)
    names = search_names(search)
    order = ranked(search)
    early = EarlyValues(search, runs)
    equal = _equally_trained(search, early)
    expects = search.method in INDEPENDENT and len(equal.values) > 1 and not equal.is_biased
    found = pareto_set(search) if len(search.objectives) > 1 else order[:1]
    return Search(
        file=search,
        names=names,
        best=[trial.number for trial in order],
        found=[FoundTrial(trial, metrics_of(trial.run_ids, runs)) for trial in found],
        confirmation=confirmation_of(search, runs, names),
        importance=_importance(search, equal),
        compared=equal,
        expected=expected_best(equal.values, sign_of(search)) if expects else None,
        rungs=rungs_of(search, runs, early),
    )


def _equally_trained(search: SearchFile, early: EarlyValues) -> Compared:
    """The values after the last epoch that all trials have reached.

    If no trial was pruned, they are the final values. A pruned trial has been trained for fewer
    epochs than a complete one, and only after equal numbers of epochs does a difference between
    values come from the configs.
    """
    having = [trial for trial in search.trials if value_of(trial) is not None]
    last = int(min(map(epochs_of, having), default=0))
    if last and any(trial.state == "pruned" for trial in having):
        pairs = [(trial, early.at(trial, last)) for trial in having]
        known = [(trial, value) for trial, value in pairs if value is not None]
        # The file of a run may be gone.
        if len(known) > len(having) / 2:
            return _compared(known, last, having)
    complete = [(t, value_of(t)) for t in having if t.state == "complete"]
    return _compared([(t, v) for t, v in complete if v is not None], None, having)


def _compared(
    pairs: Sequence[tuple[Trial, float]], epochs: int | None, having: Sequence[Trial]
) -> Compared:
    trials, values = [trial.number for trial, _ in pairs], [value for _, value in pairs]
    return Compared(trials, values, epochs, max(0, len(having) - len(pairs)))


def _importance(search: SearchFile, compared: Compared) -> dict[str, float]:
    if len(compared.values) < 2:
        return {}
    known = {trial.number: trial.params for trial in search.trials}
    params = [known[number] for number in compared.trials]
    costs = [sign_of(search) * value for value in compared.values]
    return importances(params, costs, search.space)
