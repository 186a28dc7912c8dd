"""Starts, plans or continues the search of `hydra/sweeper=optuna`. Imports no Optuna at the top."""

import importlib.util
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from omegaconf import OmegaConf

from seqsweep.command import option, restore_subcommand, subcommand
from seqsweep.config.compose import MemberComposer
from seqsweep.config.shape.options import refuse_shape
from seqsweep.console import PlainConsole
from seqsweep.sweeping.hydra_jobs import RunLauncher
from seqsweep.sweeping.interruptible import interruptible
from seqsweep.sweeping.search.planning import TrialPlanner
from seqsweep.sweeping.search.search_lock import searching
from seqsweep.sweeping.search.settings import Settings, check_objectives, settings_of
from seqsweep.sweeping.search.space import parse
from seqsweep.training.planned_run import PlannedRun


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
    restore_subcommand()
    if importlib.util.find_spec("optuna") is None:
        raise ModuleNotFoundError(
            "hydra/sweeper=optuna: needs Optuna: pip install 'seqsweep[search]'"
        )
    refuse_shape(compose.master.sweep)
    fixed, space = parse(overrides, OverridesParser.create(config_loader=compose.loader))
    if not space:
        raise HydraException(
            "hydra/sweeper=optuna: needs a space, such as "
            "'optimizer.lr=tag(log,interval(0.001,0.1))'"
        )
    planner = TrialPlanner(compose, fixed, space)
    ends = planner.plan_ends()
    first = next(run for _, run in ends.values())
    settings = settings_of(_plain(options), first.config)
    check_objectives(settings, first.splits)
    _refuse_options(first, launcher, settings)
    # Imported here, because another sweeper does not need Optuna.
    from seqsweep.sweeping.search.run import SearchRun
    from seqsweep.sweeping.search.search_plan import show_search_plan
    from seqsweep.sweeping.search.study import SearchStudy

    SearchStudy.in_memory(settings, space).sample()  # refuses wrong options of the sampler
    console = PlainConsole()
    if subcommand() == "plan":
        show_search_plan(settings, planner, first, folder, console)
        return 0
    with searching(folder, first, console):
        return SearchRun(settings, planner, ends, launcher, folder, console).run()


def _plain(options: Mapping[str, Any]) -> dict[str, Any]:
    """Returns options without the types of OmegaConf."""
    return {
        key: OmegaConf.to_container(value) if OmegaConf.is_config(value) else value
        for key, value in options.items()
    }


def _refuse_options(first: PlannedRun, launcher: RunLauncher, settings: Settings) -> None:
    """Refuses what a search cannot do.

    Raises:
        ValueError: the command asks for such a thing.
    """
    if option("plan-only", "") == "yes":
        raise ValueError("--plan-only: a search chooses its trials while they train; leave it out")
    if launcher.workers is not None and launcher.workers.detach:
        raise ValueError("--detach: the command of a search chooses its trials, so it must stay")
    if settings.pruner is not None and launcher.threads is None and launcher.workers is None:
        raise ValueError(
            f"hydra.sweeper.pruner={settings.pruner.described()['name']}: needs "
            "hydra/launcher=local, slurm or ray, without hydra.callbacks: others cannot end runs"
        )
    if first.config["rerun"]:
        raise ValueError("rerun=true: must be false in a search; give another sweep.name")
