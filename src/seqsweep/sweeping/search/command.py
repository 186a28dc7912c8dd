"""Starts, plans or continues the search of `hydra/sweeper=optuna`. Imports no Optuna at the top."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf
from rich.console import Console

from seqsweep.command import option, restore_subcommand, subcommand
from seqsweep.config.compose import MemberComposer
from seqsweep.config.shape.options import refuse_shape
from seqsweep.console import PlainConsole, place, print_notes
from seqsweep.results.formatting import count
from seqsweep.results.search.findings import has_optuna
from seqsweep.sweeping.hydra_jobs import RunLauncher
from seqsweep.sweeping.interruptible import interruptible
from seqsweep.sweeping.search.planning import TrialPlanner, check_searchable
from seqsweep.sweeping.search.session import searching
from seqsweep.sweeping.search.settings import Settings
from seqsweep.sweeping.search.space import Choice, Numbers, overrides_of


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
        compose: composes the config of a run.
        launcher: trains the runs.
        folder: the sweep's folder.

    Returns:
        The exit code: 0, 1 if some trials failed, or 128 plus the number of a signal.

    Raises:
        HydraException, ValueError, TypeError, OSError: the settings, a value of the space or the
            data are refused; nothing was trained.
        Locked: another process searches here, and the config says `when_locked=skip`.
    """
    command = subcommand()
    restore_subcommand()
    if not has_optuna():
        raise ModuleNotFoundError(
            "hydra/sweeper=optuna: needs Optuna: pip install 'seqsweep[search]'"
        )
    refuse_shape(compose.master.sweep)
    planner = TrialPlanner.of(overrides, compose, folder)
    ends = planner.plan_ends()
    first = ends[0].planned
    check_searchable(first)
    config = first.config
    settings = Settings(config["monitor"], config["trainer"]["max_epochs"], **_plain(options))
    _refuse_options(launcher, settings)
    # Imported here, because another sweeper does not need Optuna.
    from seqsweep.sweeping.search.run import SearchRun
    from seqsweep.sweeping.search.study import first_params

    # This also refuses wrong options of the sampler.
    params = first_params(settings, planner.space)
    console = PlainConsole()
    if command == "plan":
        _show_plan(settings, planner, [overrides_of(planner.space, p) for p in params], console)
        print_notes(first.notes, console)
        return 0
    with searching(folder, first, console):
        return SearchRun(settings, planner, ends, launcher, console).run()


def _plain(options: Mapping[str, Any]) -> dict[str, Any]:
    """Returns options without the types of OmegaConf."""
    return {
        key: OmegaConf.to_container(value) if OmegaConf.is_config(value) else value
        for key, value in options.items()
    }


def _refuse_options(launcher: RunLauncher, settings: Settings) -> None:
    """Refuses what a search cannot do.

    Raises:
        ValueError: the command asks for such a thing.
    """
    if option("plan-only", "") == "yes":
        raise ValueError("--plan-only: a search chooses its trials while they train; leave it out")
    if launcher.workers is not None and launcher.workers.detach:
        raise ValueError("--detach: the command of a search chooses its trials, so it must stay")
    if settings.rule is not None and launcher.threads is None and launcher.workers is None:
        raise ValueError(
            f"hydra.sweeper.pruner={settings.pruner}: needs hydra/launcher=local, slurm or"
            " ray, without hydra.callbacks: others cannot end runs"
        )


def _show_plan(
    settings: Settings, planner: TrialPlanner, trials: Sequence[Sequence[str]], console: Console
) -> None:
    """Prints what a search would do. Writes nothing.

    Args:
        trials: the overrides of the trials that are chosen before any result.
    """
    lines = [f"{key}: {_describe(values)}" for key, values in planner.space.items()]
    lines.append(f"first {count(len(trials), 'trial')}, chosen before any result:")
    lines += [f"  {' '.join(overrides)}" for overrides in trials]
    limits = ", ".join(f"{v:,g} {unit}" for unit, v in settings.limits.items())
    lines.append(f"search by {settings.sampler} in {place(planner.folder)}: at most {limits}")
    epochs = settings.max_epochs
    lines.append(f"a trial: {count(settings.seeds, 'run')} of at most {count(epochs, 'epoch')}")
    if settings.rule is not None:
        options = ", ".join(f"{key}={value}" for key, value in settings.rule_options.items())
        lines.append(f"pruner {settings.pruner}: {options}")
    top, seeds = settings.confirm["top"], settings.confirm["seeds"]
    if top * seeds:
        lines.append(
            f"at the end {count(top, 'best trial')} again with {seeds} fresh seeds:"
            f" {count(top * seeds, 'run')}, {top * seeds * epochs:,} epochs besides the budget"
        )
    for line in lines:
        console.print(line, soft_wrap=True, highlight=False, markup=False)


def _describe(values: Numbers | Choice) -> str:
    if isinstance(values, Choice):
        return ", ".join(values.values)
    kind = "whole numbers" if values.is_integer else "numbers"
    step = "" if values.step is None else f" in steps of {values.step:g}"
    return f"{kind} from {values.low:g} to {values.high:g}{step}{', log' if values.log else ''}"
