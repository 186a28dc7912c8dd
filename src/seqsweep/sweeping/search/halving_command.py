"""Runs a successive halving, from its population to the leaderboard.

The module imports no torch at the top.
"""

import time
from collections.abc import Collection, Sequence
from pathlib import Path

from hydra.errors import HydraException
from rich.console import Console

from seqsweep.command import option, restore_subcommand, subcommand
from seqsweep.config.compose import MemberComposer
from seqsweep.config.schema import check_shape
from seqsweep.config.shape.options import refuse_shape
from seqsweep.live.display import Display
from seqsweep.results.formatting import count
from seqsweep.sweeping.confirm import confirm_size
from seqsweep.sweeping.hydra_jobs import RunLauncher
from seqsweep.sweeping.interruptible import interruptible
from seqsweep.sweeping.members import build_each, say_plan
from seqsweep.sweeping.queue import Queue, QueuedRun
from seqsweep.sweeping.search.halving import Halving
from seqsweep.sweeping.search.judging import Candidate
from seqsweep.sweeping.search.planning import TrialPlanner
from seqsweep.sweeping.search.searched import Searched, plan_candidates
from seqsweep.sweeping.search.session import searching, train_fresh_seeds
from seqsweep.sweeping.sweep import launch_members, stoppable, train_pending
from seqsweep.sweeping.sweep_end import finish_sweep
from seqsweep.training.outcome import STOP_FILE


@interruptible()
def search(
    halving: Halving,
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
    command = subcommand()
    restore_subcommand()
    started = time.monotonic()
    if option("plan-only", "") == "yes":
        raise HydraException("--plan-only: needs a grid; a search chooses its runs while it trains")
    refuse_shape(compose.master.sweep)
    checked = _checked(launcher)
    planner = TrialPlanner(compose, halving.fixed, halving.space, folder)
    candidates = plan_candidates(halving, planner)
    planned = Searched(halving, planner, candidates)
    planned.decide()
    pending = planned.pending()
    if pending:
        build_each([candidate.member for candidate in pending], compose)
    _say_plan(planned, pending, console)
    if command == "plan":
        return 0
    if not confirm_size(len(pending), check_shape(compose.master).ask_above, console):
        return 1
    with searching(folder, candidates[0].member.planned, console):
        # Another command may have searched here since the first look.
        searched = Searched(halving, planner, candidates)
        return _search(searched, checked, console, started)


def _search(searched: Searched, launcher: RunLauncher, console: Console, started: float) -> int:
    """Trains what is left of a search, and prints the results; returns the exit code."""
    folder = searched.folder
    searched.decide()
    pending = searched.pending()
    members = [candidate.member for candidate in searched.candidates]
    code = 0
    if pending:
        code = _train(searched, pending, launcher, console)
    # Other processes may still train the population.
    if searched.is_over() and code == 0:
        confirming, code = train_fresh_seeds(
            searched.best(),
            searched.fresh_seeds(),
            searched.planner,
            members,
            searched.confirm,
            launcher,
            console,
        )
        members += confirming
    code = finish_sweep(members, folder, console, code, started, searched.lost())
    console.print(_budget(searched), soft_wrap=True, highlight=False, markup=False)
    return code


def _checked(launcher: RunLauncher) -> RunLauncher:
    """Returns the launcher.

    Raises:
        HydraException: it cannot end runs early.
    """
    if launcher.threads is None and launcher.workers is None:
        raise HydraException(
            "hydra/launcher: must be local, slurm or ray for a search, without hydra.callbacks"
        )
    if launcher.workers is not None and launcher.workers.detach:
        raise HydraException(
            "hydra.launcher.detach=true: must be false for a search, which its command leads"
        )
    return launcher


def _say_plan(searched: Searched, pending: Sequence[Candidate], console: Console) -> None:
    """Prints the rungs, the number of epochs, and the notes that a sweep prints."""
    halving, members = searched.halving, [each.member for each in searched.candidates]
    total = len(members)
    sizes = zip(halving.sizes(total), halving.rungs, strict=True)
    steps = ", ".join(f"{size:,} to epoch {rung}" for size, rung in sizes)
    full = total * halving.rungs[-1]
    line = f"successive halving: {steps}: {halving.epochs(total):,} of {full:,} epochs"
    console.print(line, soft_wrap=True, highlight=False, markup=False)
    say_plan(
        members,
        [candidate.member for candidate in pending],
        halving.population,
        searched.folder,
        console,
    )


def _train(
    searched: Searched, pending: Sequence[Candidate], launcher: RunLauncher, console: Console
) -> int:
    """Trains the population rung by rung; returns the exit code as `train_pending`."""
    folder = searched.folder
    # Workers may read sweep.json at once, so it has the decided limits from the beginning.
    members = [searched.limited(candidate) for candidate in searched.candidates]
    left = [searched.limited(candidate) for candidate in pending]

    def lead() -> None:
        if launcher.workers is not None:
            (folder / STOP_FILE).unlink(missing_ok=True)
            launcher.workers.begin(
                [each.queued() for each in left], folder
            )  # prints lines, so before the display
        with stoppable(folder), Display([member.folder for member in left], console):
            _lead(searched, launcher)

    return train_pending(members, left, folder, console, lead, is_open=True)


def _lead(searched: Searched, launcher: RunLauncher) -> None:
    """Launches the runs until each has come to its end.

    Pools ask the judge themselves. Other runs pause at a rung, and are launched again when all have
    reached it.
    """
    by_id = {candidate.run_id: candidate for candidate in searched.candidates}
    waits = searched.candidates[0].member.planned.config["when_locked"] == "wait"

    def launch(runs: Sequence[QueuedRun]) -> Collection[str]:
        taken = [searched.limited(by_id[run.run_id]) for run in runs]
        return launch_members(taken, runs, launcher, searched.folder, searched.judge)

    before = None
    while True:
        limits = searched.judge()
        pending = searched.pending()
        state = limits, [candidate.run_id for candidate in pending]
        # Without progress, other processes train what is left, or it cannot be trained.
        if not pending or state == before or (searched.folder / STOP_FILE).exists():
            return
        before = state
        queue = Queue([searched.queued(candidate) for candidate in pending], searched.folder)
        queue.train(launch, idle=float("inf") if waits else 0.0)


def _budget(searched: Searched) -> str:
    """Returns what the search has spent."""
    configs = len(searched.candidates)
    full = configs * searched.halving.rungs[-1]
    return (
        f"successive halving: {count(configs, 'config')}, {searched.epochs():,} of {full:,} epochs"
    )
