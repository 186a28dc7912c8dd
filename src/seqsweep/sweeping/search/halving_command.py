"""Runs a successive halving, from its population to the leaderboard.

The module imports no torch at the top.
"""

import time
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path

from hydra.errors import HydraException
from rich.console import Console

from seqsweep.config.compose import MemberComposer
from seqsweep.config.schema import check_shape
from seqsweep.live.display import Display
from seqsweep.sweeping.hydra_jobs import RunLauncher
from seqsweep.sweeping.interruptible import interruptible
from seqsweep.sweeping.members import build_each, say_plan
from seqsweep.sweeping.planned_sweep import confirm_size
from seqsweep.sweeping.queue import Queue, QueuedRun
from seqsweep.sweeping.search.halving import Halving
from seqsweep.sweeping.search.planning import TrialPlanner
from seqsweep.sweeping.search.searched import Searched, plan_population
from seqsweep.sweeping.search.session import begin, say, searching
from seqsweep.sweeping.sweep import launch_members, stoppable, train_pending


@interruptible()
def search(
    halving: Halving,
    overrides: Sequence[str],
    compose: MemberComposer,
    launcher: RunLauncher,
    folder: Path,
    console: Console,
) -> int:
    """Searches a space and prints the leaderboard of the folder.

    All configs are checked before the first run starts. The same command continues an interrupted
    search and trains nothing twice.

    Args:
        halving: the settings of the search.
        overrides: the space, and the values that all configs share.
        compose: composes the config of a run.
        launcher: trains the runs.
        folder: the sweep's folder.
        console: prints the plan, the progress and the results.

    Returns:
        The exit code, as `run_sweep` returns it.

    Raises:
        ValueError, TypeError, OSError, HydraException: a config, its data, or the search are
            refused; nothing was trained.
        Locked: another process searches here, and the config says `when_locked=skip`.
    """
    started = time.monotonic()
    is_plan = begin(compose, launcher, prunes=True)
    planner = to_the_last_rung(TrialPlanner.of(overrides, compose, folder), halving.rungs[-1])
    population = plan_population(halving, planner)
    planned = Searched(halving, planner, *population)
    pending = [planned.member(run.run_id) for run in planned.pending()]
    if pending:
        build_each(pending, compose)
    members = planned.members()
    total, sizes = len(members), zip(halving.sizes(len(members)), halving.rungs, strict=True)
    steps = ", ".join(f"{size:,} to epoch {rung}" for size, rung in sizes)
    full = total * halving.rungs[-1]
    say(f"successive halving: {steps}: {halving.epochs(total):,} of {full:,} epochs", console)
    say_plan(members, pending, halving.population, folder, console)
    if is_plan:
        return 0
    if not confirm_size(len(pending), check_shape(compose.master).ask_above, console):
        return 1
    with searching(folder, members[0].planned, console):
        # Another command may have searched here since the first look.
        searched = Searched(halving, planner, *population)
        return searched.end(_train(searched, launcher, console), launcher, console, started)


def to_the_last_rung(planner: TrialPlanner, epochs: int) -> TrialPlanner:
    """Returns a planner whose runs train to the last rung.

    Raises:
        HydraException: the overrides give another number of epochs.
    """
    last = f"trainer.max_epochs={epochs}"
    for text in planner.fixed:
        if text.lstrip("+").startswith("trainer.max_epochs=") and text != last:
            raise HydraException(
                f"{text}: must be {epochs}, the last of hydra.sweeper.rungs, or left out"
            )
    return replace(planner, fixed=[*planner.fixed, last])


def _train(searched: Searched, launcher: RunLauncher, console: Console) -> int:
    """Trains what is left of the population, rung by rung; returns the exit code."""
    folder = searched.folder
    # Workers may read sweep.json at once, so it has the decided limits from the beginning.
    members, pending = searched.members(), searched.pending()
    if not pending:
        return 0
    left = [searched.member(run.run_id) for run in pending]

    def lead() -> None:
        with stoppable(folder):
            if launcher.workers is not None:
                launcher.workers.begin(pending, folder)  # prints lines, so before the display
            with Display([member.folder for member in left], console):
                _lead(searched, launcher)

    return train_pending(members, left, folder, console, lead, is_open=True)


def _lead(searched: Searched, launcher: RunLauncher) -> None:
    """Launches the runs until each has come to its end.

    Pools ask the judge themselves. Other runs pause at a rung, and are launched again when all have
    reached it.
    """
    waits = searched.members()[0].planned.config["when_locked"] == "wait"

    def launch(runs: Sequence[QueuedRun]) -> Collection[str]:
        taken = [searched.member(run.run_id) for run in runs]
        return launch_members(taken, runs, launcher, searched.folder, searched.judge)

    before = None
    while True:
        limits = searched.judge()
        pending = searched.pending()
        state = limits, [run.run_id for run in pending]
        # Without progress, the search was stopped, or other processes train what is left, or it
        # cannot be trained.
        if not pending or state == before:
            return
        before = state
        Queue(pending, searched.folder).train(launch, idle=float("inf") if waits else 0.0)
