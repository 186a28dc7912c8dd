"""The end of a search: its best trials, and the last lines printed."""

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.markup import escape

from seqsweep.console import place
from seqsweep.results.formatting import count, key_names, plain_text
from seqsweep.runs.searchfile import SearchFile, Trial
from seqsweep.sweeping.search.journal import NAME


def best_trials(search: SearchFile) -> list[Trial]:
    """Returns the complete trials, the best one first; of equal ones the earlier one.

    With several objectives the Pareto set comes first, ordered by the first objective.
    """
    costs = _costs(search)
    complete = [trial for trial in search.trials if trial.number in costs]
    ordered = sorted(complete, key=lambda trial: (costs[trial.number], trial.number))
    # Sorting keeps the order of equal keys.
    return sorted(ordered, key=lambda trial: _is_dominated(trial, costs))


def pareto_set(search: SearchFile) -> list[Trial]:
    """Returns the complete trials that no other trial dominates, the best first."""
    costs = _costs(search)
    return [trial for trial in best_trials(search) if not _is_dominated(trial, costs)]


def describe_search(search: SearchFile, folder: Path) -> list[str]:
    """Returns the last lines of a search, as markup of rich."""
    states = [trial.state for trial in search.trials]
    ended = [f"{states.count(s)} {s}" for s in ("pruned", "failed", "running") if s in states]
    used = {
        "trials": len(states),
        "epochs": sum(trial.epochs for trial in search.trials),
        "minutes": search.minutes,
    }
    parts = [
        f"{used[unit]:,.4g} {unit}" if limit is None else f"{used[unit]:,.4g} of {limit:,g} {unit}"
        for unit, limit in {"trials": None, "epochs": None, **search.budget}.items()
    ]
    lines = [f"search by {search.method}: {', '.join(parts + ended)}"]
    best = pareto_set(search)
    if len(search.objectives) > 1:
        lines.append(f"{count(len(best), 'trial')} in the Pareto set:")
    lines += [f"  {escape(_trial_line(trial, search))}" for trial in best[: _most(search)]]
    journal = escape(shlex.quote(place(folder / NAME)))
    return [*lines, f"  optuna-dashboard {journal}"]


def _most(search: SearchFile) -> int:
    """Returns how many of the best trials are printed."""
    return 1 if len(search.objectives) == 1 else 10


def _trial_line(trial: Trial, search: SearchFile) -> str:
    names = key_names(trial.params)
    params = " ".join(f"{names[k]}={plain_text(v)}" for k, v in trial.params.items())
    pairs = zip(search.objectives, trial.values or (), strict=True)
    values = "  ".join(f"{name} {value:.5g}" for name, value in pairs)
    again = len(search.confirmed.get(trial.number, ()))
    confirmed = f"  (again with {count(again, 'fresh seed')})" if again else ""
    return f"trial {trial.number}: {values}  {params}{confirmed}"


def _costs(search: SearchFile) -> dict[int, list[float]]:
    """Returns the values of the complete trials with the signs of costs, by number."""
    signs = [-1.0 if name == "maximize" else 1.0 for name in search.directions]
    return {
        trial.number: [s * v for s, v in zip(signs, trial.values or (), strict=True)]
        for trial in search.trials
        if trial.state == "complete"
    }


def _is_dominated(trial: Trial, costs: Mapping[int, Sequence[float]]) -> bool:
    own = costs[trial.number]
    return any(
        list(other) != list(own) and all(a <= b for a, b in zip(other, own, strict=True))
        for other in costs.values()
    )
