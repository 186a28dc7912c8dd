"""The end of a search: its best trials, and the last lines printed."""

import shlex
from pathlib import Path

from rich.markup import escape

from seqsweep.console import place
from seqsweep.results.search.trials import (
    objective_text,
    pareto_set,
    ranked,
    search_names,
    trial_words,
)
from seqsweep.runs.searchfile import SearchFile, Trial
from seqsweep.sweeping.search.journal import NAME

_MOST = 10
"""The most trials of a Pareto set that are printed."""


def best_trials(search: SearchFile) -> list[Trial]:
    """Returns the complete trials, the best one first; of equal ones the earlier one.

    With several objectives the Pareto set comes first, ordered by the first objective.
    """
    front = pareto_set(search)
    return [*front, *(trial for trial in ranked(search) if trial not in front)]


def describe_search(search: SearchFile, folder: Path) -> list[str]:
    """Returns the budget that was used, and the Pareto set, as markup of rich."""
    used = {
        "trials": len(search.trials),
        "epochs": sum(trial.epochs for trial in search.trials),
        "minutes": search.minutes or 0.0,
    }
    parts = [
        f"{used[unit]:,.4g} {unit}" if limit is None else f"{used[unit]:,.4g} of {limit:,g} {unit}"
        for unit, limit in {"trials": None, "epochs": None, **search.budget}.items()
    ]
    lines = [f"search by {search.method}: {', '.join(parts)}"]
    if len(search.objectives) > 1:
        lines += [f"  {escape(_trial_line(each, search))}" for each in pareto_set(search)[:_MOST]]
    journal = escape(shlex.quote(place(folder / NAME)))
    return [*lines, f"  optuna-dashboard {journal}"]


def _trial_line(trial: Trial, search: SearchFile) -> str:
    pairs = zip(search.objectives, trial.values or (), strict=True)
    values = "  ".join(f"{name} {objective_text(name, value)}" for name, value in pairs)
    return f"trial {trial.number}: {values}  {trial_words(trial, search_names(search))}"
