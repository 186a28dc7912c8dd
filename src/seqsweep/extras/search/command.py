"""Searches a space of values: the one road of all searches.

A search begins, plans and checks its runs, builds their networks, chooses trials (configs), says
what it will train, trains, confirms the best trials with fresh seeds, and prints the leaderboard. A
`Policy` chooses the trials, and judges which of their runs continue. The module imports no torch at
the top.
"""

import contextlib
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from seqsweep.command import current
from seqsweep.config.compose import MemberComposer
from seqsweep.config.shape.options import refuse_shape
from seqsweep.console import PlainConsole, place, print_lines
from seqsweep.errors import RunLocked
from seqsweep.extras.search.planning import TrialPlanner
from seqsweep.extras.search.searchfile import SearchFile
from seqsweep.extras.search.session import Policy, Search
from seqsweep.extras.search.settings import checked_options
from seqsweep.runs.lock import RunLock
from seqsweep.sweeping.launchers import RunLauncher
from seqsweep.sweeping.members import build_each
from seqsweep.sweeping.queue import SweepMember
from seqsweep.training.outcome import interruptible

LOCK = ".searching"
"""The lock file of the process that searches in a sweep's folder."""


@interruptible()
def search(
    policy_type: type[Policy],
    options: Mapping[str, Any],
    overrides: Sequence[str],
    compose: MemberComposer,
    launcher: RunLauncher,
    folder: Path,
) -> int:
    """Searches a space; returns the exit code.

    All values are checked before the first run starts. The same command continues an interrupted
    search and trains nothing twice.

    Args:
        options: the keys of `hydra.sweeper`, without `params`.
        overrides: the space (values by key), and the values that all trials share.

    Raises:
        HydraException, ValueError, TypeError, OSError: the settings, a value of the space or the
            data are refused; nothing was trained.
        RunLocked: another process searches here, and the config says `when_locked=skip`.
    """
    started = time.monotonic()
    is_plan = begin(compose, launcher)
    planner = TrialPlanner.of(overrides, compose, folder)
    policy = policy_type.plan(checked_options(options), planner)
    if policy.new.pruner != "none" and not launcher.prunes:
        raise ValueError(
            "hydra/launcher: must be local, slurm or ray, and hydra.callbacks must be empty, for a"
            " search that ends runs early"
        )
    if SearchFile.read(folder) is None:
        # A network that cannot be built is refused now, and not after hours of training.
        build_each(policy.planned, compose)
    console = PlainConsole()
    with contextlib.ExitStack() as stack:
        if not is_plan:
            lock_search(stack, policy.planned[0], console)
        found = Search(policy)
        found.decide()
        policy.say(found, launcher, console, is_plan)
        return 0 if is_plan else found.run(launcher, console, started)


def begin(compose: MemberComposer, launcher: RunLauncher) -> bool:
    """Refuses options that a search cannot use; returns whether to plan only."""
    command = current()
    is_plan = command.name == "plan"
    for name in command.options:
        if is_plan or name != "json":
            raise ValueError(f"--{name}: a search chooses its runs while it trains; leave it out")
    refuse_shape(compose.master.sweep)
    if launcher.detach:
        raise ValueError(
            "hydra.launcher.detach=true: must be false; the command of a search must keep running"
        )
    return is_plan


def lock_search(stack: contextlib.ExitStack, first: SweepMember, console: Console) -> None:
    """Takes the lock of the search; first waits if another process holds it.

    Raises:
        RunLocked: another process searches here, and the config says `when_locked=skip`.
    """
    folder = first.folder.path.parent
    try:
        stack.enter_context(RunLock(folder, LOCK))
    except RunLocked:
        if first.config["when_locked"] == "skip":
            raise
        print_lines(console, f"another process searches in {place(folder)}; waiting for it")
        stack.enter_context(RunLock(folder, LOCK, waits=True))
