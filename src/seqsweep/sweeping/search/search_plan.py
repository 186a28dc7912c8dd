"""The output of `seqsweep plan` for a search."""

from pathlib import Path

from rich.console import Console

from seqsweep.console import place, print_notes
from seqsweep.results.formatting import count
from seqsweep.sweeping.search.planning import TrialPlanner
from seqsweep.sweeping.search.samplers import grid_size
from seqsweep.sweeping.search.settings import Settings
from seqsweep.sweeping.search.space import Choice, Numbers
from seqsweep.sweeping.search.study import Chosen, SearchStudy
from seqsweep.training.planned_run import PlannedRun


def first_trials(settings: Settings, planner: TrialPlanner) -> list[Chosen]:
    """Returns the trials that are chosen before the first result."""
    most = [settings.parallel]
    if settings.budget.trials is not None:
        most.append(settings.budget.trials)
    if settings.sampler == "grid":
        most.append(grid_size(planner.space))
    study = SearchStudy.in_memory(settings, planner.space)
    for _ in range(min(most)):
        study.accept(study.sample())
    return study.chosen


def show_search_plan(
    settings: Settings, planner: TrialPlanner, first: PlannedRun, folder: Path, console: Console
) -> None:
    """Prints what a search would do. Writes nothing.

    Args:
        first: a planned run of the search, for the values that all trials share.
        folder: the sweep's folder.
    """
    lines = [f"{key}: {_describe(values)}" for key, values in planner.space.items()]
    trials = first_trials(settings, planner)
    lines.append(f"first {count(len(trials), 'trial')}, chosen before any result:")
    lines += [f"  {' '.join(planner.overrides(trial.params))}" for trial in trials]
    limits = ", ".join(f"{v:,g} {unit}" for unit, v in settings.budget.described().items())
    lines.append(f"search by {settings.sampler} in {place(folder)}: at most {limits}")
    lines += _describe_most(settings, first)
    for line in lines:
        console.print(line, soft_wrap=True, highlight=False, markup=False)
    print_notes(first.notes, console)


def _describe(values: Numbers | Choice) -> str:
    if isinstance(values, Choice):
        return ", ".join(values.values)
    kind = "whole numbers" if values.is_integer else "numbers"
    step = "" if values.step is None else f" in steps of {values.step:g}"
    return f"{kind} from {values.low:g} to {values.high:g}{step}{', log' if values.log else ''}"


def _describe_most(settings: Settings, first: PlannedRun) -> list[str]:
    """Describes the cost of a trial, and the runs that confirm the result."""
    epochs = first.config["trainer"]["max_epochs"]
    lines = [f"a trial: {count(settings.seeds, 'run')} of at most {count(epochs, 'epoch')}"]
    if settings.pruner is not None:
        options = settings.pruner.described()
        name = options.pop("name")
        lines.append(f"pruner {name}: {', '.join(f'{k}={v}' for k, v in options.items())}")
    runs, each = settings.confirm_top * settings.confirm_seeds, settings.confirm_seeds
    if runs:
        lines.append(
            f"at the end {count(settings.confirm_top, 'best trial')} again with {each} fresh "
            f"seeds: {count(runs, 'run')}, {runs * epochs:,} epochs besides the budget"
        )
    return lines
