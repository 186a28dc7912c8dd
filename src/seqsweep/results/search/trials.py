"""Ranks the trials of a search, and reads the runs behind them."""

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from seqsweep.results.formatting import cost, key_names, metric_words, number, value_text
from seqsweep.results.pareto_front import pareto_front
from seqsweep.results.run_numbers import numbers
from seqsweep.runs.ledger import Entry, read_run
from seqsweep.runs.run_folder import RunFolder
from seqsweep.runs.searchfile import SearchFile, Trial

_COSTS = {"params": "parameters", "train_seconds": "training seconds", "epochs": "epochs"}

Runs = Mapping[str, Entry]
"""The runs of a folder by run_id."""


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


def sign_of(search: SearchFile, objective: int = 0) -> int:
    """Returns -1 if higher values of an objective are better, 1 if lower ones are."""
    return -1 if search.directions[objective] == "maximize" else 1


def value_of(trial: Trial, objective: int = 0) -> float | None:
    """The finite value of an objective; None without one."""
    if trial.values is None or len(trial.values) <= objective:
        return None
    value = trial.values[objective]
    return value if math.isfinite(value) else None


def ranked(search: SearchFile) -> list[Trial]:
    """The complete trials by the first objective, best first; of equal ones the earlier first."""
    sign = sign_of(search)
    complete = [t for t in search.trials if t.state == "complete" and value_of(t) is not None]
    return sorted(complete, key=lambda trial: (sign * (value_of(trial) or 0.0), trial.number))


def mean_of(run_ids: Sequence[str], metric: str, runs: Runs) -> float | None:
    """The mean of a metric over runs; None unless all of them have it."""
    found = [numbers(runs[run_id]) for run_id in run_ids if run_id in runs]
    values = [each[metric] for each in found if metric in each]
    if not values or len(values) < len(run_ids):
        return None
    return math.fsum(values) / len(values)


def metrics_of(run_ids: Sequence[str], runs: Runs) -> dict[str, float]:
    """The mean of each metric that all of the runs have."""
    names = {name for run_id in run_ids if run_id in runs for name in numbers(runs[run_id])}
    means = {name: mean_of(run_ids, name, runs) for name in sorted(names)}
    return {name: mean for name, mean in means.items() if mean is not None}


def pareto_set(search: SearchFile) -> list[Trial]:
    """The complete trials that no other trial beats in all objectives, by the first objective.

    Of trials that are equal in all objectives, the first one is in the set.
    """
    count = len(search.objectives)
    signs = [sign_of(search, index) for index in range(count)]

    def costs(trial: Trial) -> list[float]:
        return [signs[i] * (value_of(trial, i) or 0.0) for i in range(count)]

    whole = [t for t in search.trials if t.state == "complete"]
    whole = [t for t in whole if all(value_of(t, i) is not None for i in range(count))]
    return [whole[index] for index in pareto_front(list(map(costs, whole)))]


def search_names(search: SearchFile) -> dict[str, str]:
    """The short names of the searched keys."""
    plain = {key: key.lstrip("+") for key in search.space}
    names = key_names(plain.values())
    return {key: names[name] for key, name in plain.items()}


def param_text(key: str, value: object) -> str:
    """The text of a searched value, a number with four significant digits."""
    return f"{value:.4g}" if isinstance(value, float) else value_text(key, value)


def trial_words(trial: Trial, names: Mapping[str, str]) -> str:
    """The params of a trial: `lr=0.0123 hidden_size=32`."""
    return " ".join(
        f"{name}={param_text(key, trial.params[key])}"
        for key, name in names.items()
        if key in trial.params
    )


def objective_words(name: str) -> str:
    """The name of an objective in words: `validation accuracy`, `parameters`."""
    return metric_words(name) if "/" in name else _COSTS.get(name, name.replace("_", " "))


def is_cost(name: str) -> bool:
    """Returns whether an objective is a cost, and not a metric."""
    return name in _COSTS


def objective_text(name: str, value: float) -> str:
    """The text of an objective's value."""
    return cost(name, value) if is_cost(name) else number(value)
