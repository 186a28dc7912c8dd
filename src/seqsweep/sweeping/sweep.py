"""Runs a sweep, from the configs of its members to the leaderboard.

The module imports no torch at the top.
"""

import contextlib
import functools
import shlex
import time
from collections.abc import Callable, Collection, Generator, Sequence
from dataclasses import replace
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from seqsweep.command import option, restore_subcommand
from seqsweep.config.compose import MemberComposer
from seqsweep.config.shape.expansion import Expansion
from seqsweep.console import place
from seqsweep.live.display import show_progress
from seqsweep.runs.sweep_lock import is_sweep_running, sweep_lock
from seqsweep.runs.sweepfile import SweepFile
from seqsweep.sweeping.hydra_jobs import RunLauncher
from seqsweep.sweeping.interruptible import interruptible
from seqsweep.sweeping.members import (
    SweepMember,
    build_each,
    not_done,
    plan_members,
    say_expansion,
    say_plan,
)
from seqsweep.sweeping.planned_sweep import (
    begin_sweep,
    confirm_size,
    new_sweep_file,
    refuse_reruns,
    write_plan,
)
from seqsweep.sweeping.queue import Queue, QueuedRun
from seqsweep.sweeping.summary import Renewing
from seqsweep.sweeping.sweep_end import finish_sweep
from seqsweep.training.limits import Judge
from seqsweep.training.outcome import STOP_FILE, Interrupted


@interruptible()
def run_sweep(
    jobs: Expansion,
    compose: MemberComposer,
    launcher: RunLauncher,
    folder: Path,
    console: Console,
) -> int:
    """Trains the members that are not done and prints the leaderboard of the folder.

    All members are checked before the first one starts.

    Args:
        jobs: the members of the sweep.
        compose: composes the config of a member.
        launcher: trains the runs.
        folder: the sweep's folder.
        console: prints the plan, the progress and the results.

    Returns:
        The exit code: 0, 1 if some members did not complete, or 128 plus the number of the signal
        that ended the sweep.

    Raises:
        ValueError, TypeError, OSError: a member's config or data are refused; nothing was trained.
    """
    restore_subcommand()
    plan_only = option("plan-only", "") == "yes"
    # Monotonic, because the clock of the machine may be set while a sweep trains for hours.
    started = time.monotonic()
    members = plan_members(jobs, compose, folder)
    pending = not_done(members)
    # A network that cannot be built is refused now, and not after hours of other members.
    if pending:
        build_each(pending, compose)
    say_expansion(jobs, console)
    say_plan(members, pending, jobs.runs, folder, console)
    if not plan_only and not confirm_size(len(pending), jobs.options.ask_above, console):
        return 1
    if plan_only or launcher.workers is not None:
        refuse_reruns(members)
    if plan_only:
        write_plan(members, pending, folder, console)
        return 0
    is_detached = launcher.workers is not None and launcher.workers.detach
    train = functools.partial(launch_all, pending, launcher, folder, console)
    code = train_pending(members, pending, folder, console, train, is_detached=is_detached)
    if pending and is_detached:
        console.print(
            f"to follow them:\n  seqsweep watch {escape(shlex.quote(place(folder)))}",
            soft_wrap=True,
            highlight=False,
        )
        return code
    return finish_sweep(members, folder, console, code, started)


def train_pending(
    members: Sequence[SweepMember],
    pending: Sequence[SweepMember],
    folder: Path,
    console: Console,
    train: Callable[[], None],
    *,
    is_detached: bool = False,
    is_open: bool = False,
) -> int:
    """Trains the members that are not done, and keeps sweep.json up to date.

    Args:
        members: the runs that the command asks for.
        pending: those of them that are not done.
        folder: the sweep's folder.
        console: prints errors.
        train: trains the pending members.
        is_detached: whether workers train on after this returns.
        is_open: whether the sweep is a search that may add runs, so that workers wait for more. It
            closes and ends sweep.json itself.

    Returns:
        The exit code: 0, 1 after an error, or 128 plus the number of a signal.
    """
    # Most often sweep.json stays, and so the folder may be one that cannot be written.
    if not pending and new_sweep_file(members, pending, folder) is None:
        return 0
    code, file = 0, None
    try:
        with contextlib.ExitStack() as sweep:
            with SweepFile.changing(folder):
                file = new_sweep_file(members, pending, folder)
                if file is None:
                    return 0
                is_alone = not is_sweep_running(folder)
                sweep.enter_context(sweep_lock(folder))
                begin_sweep(replace(file, open=is_open), folder, console, is_alone)
            if pending:
                code = train_queue(pending, folder, console, train)
    finally:
        if file is not None and not is_open and (not is_detached or code):
            ended = end_sweep(file, folder, console)
            code = code or ended
    return code


def end_sweep(file: SweepFile, folder: Path, console: Console) -> int:
    """Marks a sweep as ended, after its lock was released; returns the exit code."""
    try:
        file.end(folder, time.time())
    except OSError as error:  # not raised, because the runs are trained
        console.print(f"[red]{escape(str(error))}[/]", soft_wrap=True, highlight=False)
        return 1
    return 0


def train_queue(
    pending: Sequence[SweepMember], folder: Path, console: Console, train: Callable[[], None]
) -> int:
    """Trains the members. Prints an error and returns the exit code."""
    config = pending[0].planned.config
    try:
        with Renewing(folder) if config["sweep"]["report"] else contextlib.nullcontext():
            train()
    except Interrupted as error:
        console.print(f"[red]{error}[/]")
        return error.exit_code
    except KeyboardInterrupt:
        return 130
    except (ValueError, TypeError, OSError) as error:
        # provenance.json is written when a run begins, so its absence shows that none has begun.
        if not any((member.folder.path / "provenance.json").exists() for member in pending):
            raise  # nothing was trained, so the input is refused as a whole
        console.print(f"[red]{escape(str(error))}[/]", soft_wrap=True, highlight=False)
        return 1
    return 0


def launch_all(
    pending: Sequence[SweepMember],
    launcher: RunLauncher,
    folder: Path,
    console: Console,
    counted: tuple[int, int] = (0, 0),
) -> None:
    """Launches members until each is done or has failed too often.

    A member that another process is training is left to it, and checked again later. So two
    commands that sweep into one folder share the work, and both end with the whole table.

    Args:
        counted: as for `show_progress`.

    Raises:
        Interrupted: a signal came.
        ValueError, TypeError, OSError: the members could not be launched.
    """
    members = {member.folder.run_id: member for member in pending}

    def launch(runs: Sequence[QueuedRun]) -> Collection[str]:
        return launch_members([members[run.run_id] for run in runs], runs, launcher, folder)

    queued = [member.queued() for member in pending]
    waits = pending[0].planned.config["when_locked"] == "wait"
    if launcher.workers is not None:
        (folder / STOP_FILE).unlink(missing_ok=True)
        launcher.workers.begin(queued, folder)  # prints lines, so before the display
        if launcher.workers.detach:
            return
    with stoppable(folder), show_progress([member.folder for member in pending], console, counted):
        Queue(queued, folder).train(launch, idle=float("inf") if waits else 0.0)


@contextlib.contextmanager
def stoppable(folder: Path) -> Generator[None]:
    """Removes the file that stops a sweep, before the block and after it."""
    # A sweep that was killed may have left the file, and this one would stop at once.
    (folder / STOP_FILE).unlink(missing_ok=True)
    try:
        yield
    finally:
        (folder / STOP_FILE).unlink(missing_ok=True)


def launch_members(
    members: Sequence[SweepMember],
    queued: Sequence[QueuedRun],
    launcher: RunLauncher,
    folder: Path,
    judge: Judge | None = None,
) -> Collection[str]:
    """Launches members; returns the run_ids of those that another process trains.

    Args:
        queued: the same runs, as a queue counts their failures.
        judge: decides about the runs of a search at their limits.
    """
    # Hydra composes a job from its own overrides, but the folder is named after the swept keys. So
    # each job gets the folder as an override.
    jobs = [[*member.overrides, f"hydra.sweep.dir='{folder}'"] for member in members]
    planned = [member.planned for member in members]
    return launcher.launch(jobs, planned, folder, judge=judge, queued=queued).locked
