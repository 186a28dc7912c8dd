"""Starts, plans or continues the search of `hydra/sweeper=optuna`, until its budget is spent."""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from seqsweep.config.compose import MemberComposer
from seqsweep.console import PlainConsole, place, print_notes
from seqsweep.extras.search.planning import TrialPlanner, check_searchable
from seqsweep.extras.search.session import begin, say, searching
from seqsweep.extras.search.settings import Settings
from seqsweep.extras.search.space import overrides_of
from seqsweep.extras.search.study import first_params
from seqsweep.extras.search.window import Window
from seqsweep.results.formatting import count
from seqsweep.sweeping.forming import gpu_available, why_autograd
from seqsweep.sweeping.hydra_jobs import RunLauncher
from seqsweep.sweeping.interruptible import interruptible
from seqsweep.sweeping.members import build_each


@interruptible()
def search(
    options: Mapping[str, Any],
    overrides: Sequence[str],
    compose: MemberComposer,
    launcher: RunLauncher,
    folder: Path,
) -> int:
    """Searches a space; the same command again continues the search.

    Args:
        options: the keys of `hydra.sweeper`, without `params`.
        overrides: the space, and the values that all trials share.

    Returns:
        The exit code, as `run_sweep` returns it.

    Raises:
        HydraException, ValueError, TypeError, OSError: the settings, a value of the space or the
            data are refused; nothing was trained.
        Locked: another process searches here, and the config says `when_locked=skip`.
    """
    started = time.monotonic()
    is_plan = begin(compose, launcher, prunes=options["pruner"] != "none")
    planner = TrialPlanner.of(overrides, compose, folder)
    ends = planner.plan_ends()
    first = ends[0]
    check_searchable(first)
    config = first.config
    settings = Settings(config["monitor"], config["trainer"]["max_epochs"], **_plain(options))
    # This also refuses wrong options of the sampler.
    params = first_params(settings, planner.space)
    first_trials = [" ".join(overrides_of(planner.space, each)) for each in params]
    console = PlainConsole()
    limits = ", ".join(f"{limit:,g} {unit}" for unit, limit in settings.budget.items())
    say(f"search by {settings.sampler} in {place(folder)}: at most {limits}", console)
    if is_plan:
        for line in _plan_lines(settings, first_trials):
            say(line, console)
        print_notes(first.notes, console)
        return 0
    with searching(folder, first, console):
        window = Window(settings, planner, config["seed"])
        chosen = len(window.trials)
        if chosen:
            say(f"{count(chosen, 'trial')} chosen before", console)
        print_notes([*why_autograd([first], gpu_available), *first.notes], console)
        if not chosen:
            # A network that cannot be built is refused now, and not after hours of others.
            build_each(ends, compose)
        return window.run(launcher, console, started)


def _plain(options: Mapping[str, Any]) -> dict[str, Any]:
    """Returns options without the types of OmegaConf, and without those that are null."""
    plain: Any = OmegaConf.to_container(OmegaConf.create(dict(options)))
    groups = {key: value for key, value in plain.items() if isinstance(value, dict)}
    return plain | {
        key: {name: each for name, each in group.items() if each is not None}
        for key, group in groups.items()
    }


def _plan_lines(settings: Settings, first: Sequence[str]) -> list[str]:
    """Returns what a search would do besides its budget.

    Args:
        first: the trials that are chosen before any result.
    """
    lines = [f"first {count(len(first), 'trial')}, chosen before any result:"]
    lines += [f"  {trial}" for trial in first]
    epochs = settings.max_epochs
    lines.append(f"a trial: {count(settings.seeds, 'run')} of at most {count(epochs, 'epoch')}")
    top, seeds = settings.confirm["top"], settings.confirm["seeds"]
    if top * seeds:
        lines.append(
            f"at the end {count(top, 'best config')} again with {seeds} fresh seeds: at most"
            f" {count(top * seeds, 'run')}, {top * seeds * epochs:,} epochs besides the budget"
        )
    return lines
