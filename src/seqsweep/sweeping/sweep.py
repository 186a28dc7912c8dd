"""Runs a sweep, from the configs of its members to the leaderboard."""

import contextlib
import shlex
import sys
import time
from collections.abc import Generator, Sequence
from pathlib import Path

from rich.console import Console

from seqsweep.command import current
from seqsweep.config.compose import MemberComposer
from seqsweep.config.shape.expansion import Expansion
from seqsweep.console import place, print_lines
from seqsweep.errors import Interrupted
from seqsweep.live.display import show_progress
from seqsweep.sweeping.launchers import RunLauncher
from seqsweep.sweeping.members import build_each, plan_members, say_plan
from seqsweep.sweeping.planned_sweep import new_sweep_file, write_sweep
from seqsweep.sweeping.queue import SweepMember
from seqsweep.sweeping.sweep_end import Renewing, finish_sweep
from seqsweep.training.limits import Judge
from seqsweep.training.outcome import STOP_FILE, interruptible

Rounds = Generator[Sequence[SweepMember]]
"""The members to train next, one list after another. Between two lists a search reads results."""


@interruptible()
def run_sweep(
    jobs: Expansion, compose: MemberComposer, launcher: RunLauncher, folder: Path, console: Console
) -> int:
    """Trains the members that are not done; prints the leaderboard.

    All members are checked before the first one starts. With `--plan-only` the function writes
    sweep.json for workers, and trains nothing.

    Returns:
        The exit code: 0, 1 if the user said no or something is not complete, or 128 plus the number
        of the signal that ended the sweep.

    Raises:
        ValueError, TypeError, OSError: a member's config or data are refused, or the sweep is too
            large to train without a question; nothing was trained.
        Interrupted: a signal came before the training.
    """
    plan_only = "plan-only" in current().options
    # This clock is monotonic: the machine's clock may be set while a sweep trains for hours.
    started = time.monotonic()
    members = plan_members(jobs, compose, folder)
    pending = [member for member in members if not member.was_done()]
    # A network that cannot be built is refused now, and not after hours of training.
    if pending:
        build_each(pending, compose)
    say_plan(members, pending, jobs.runs, folder, console, jobs.described(), launcher.processes)
    if not plan_only and not confirm_size(len(pending), jobs.options.ask_above, console):
        return 1
    uses_workers = plan_only or launcher.has_workers or launcher.processes > 1
    if uses_workers and any(member.config["rerun"] for member in members):
        raise ValueError(
            "rerun=true: must be false if workers train the sweep, since they could not tell old"
            " results from new ones; remove the old ones with seqsweep clean"
        )
    if plan_only:
        write_sweep(members, pending, folder, console)
        line = "start any number of workers, on any host that sees the folder:"
        print_lines(console, line, f"  seqsweep work {shlex.quote(place(folder))}")
        return 0
    code = train_sweep(members, pending, launcher, folder, console, shown(pending, console))
    if pending and launcher.detach:
        command = f"  seqsweep watch {shlex.quote(place(folder))}"
        print_lines(console, "to follow them:", command)
        return code
    return finish_sweep(members, folder, console, code, started)


def confirm_size(pending: int, limit: int | None, console: Console) -> bool:
    """Returns whether to train this many runs; asks on a terminal.

    Args:
        limit: `sweep.ask_above`; None never asks.

    Raises:
        ValueError: there are more runs than the limit, and no terminal to ask on.
    """
    if limit is None or pending <= limit:
        return True
    if not (console.is_terminal and sys.stdin.isatty()):
        raise ValueError(
            f"{pending:,} runs to train are more than sweep.ask_above={limit}: "
            "add --yes to train them"
        )
    console.print(f"train {pending:,} runs? [y/N] ", end="", markup=False, highlight=False)
    answer = sys.stdin.readline().strip().lower()
    if answer in ("y", "yes"):
        return True
    print_lines(console, "nothing was trained")
    return False


def train_sweep(
    members: Sequence[SweepMember],
    pending: Sequence[SweepMember],
    launcher: RunLauncher,
    folder: Path,
    console: Console,
    rounds: Rounds,
    judge: Judge | None = None,
    *,
    is_open: bool = False,
) -> int:
    """Trains members until each is done or has failed too often.

    A member that another process trains is skipped, and checked again later. So two commands that
    sweep into one folder share the work, and both end with the whole table.

    Args:
        members: the runs that the command asks for.
        pending: the members that are not done.
        rounds: the lists of runs to train.
        judge: for a search, decides which runs continue after their limits.
        is_open: whether the sweep is a search that may add runs, so that workers wait for more. The
            search itself then closes and ends sweep.json.

    Returns:
        The exit code: 0, 1 after an error, or 128 plus the number of a signal.

    Raises:
        ValueError, TypeError, OSError: an error came before any run began.
    """
    code, file = 0, None
    try:
        with contextlib.ExitStack() as sweep:
            # A finished sweep writes nothing, because its folder may be read-only.
            if pending or new_sweep_file(members, pending, folder) is not None:
                file = write_sweep(members, pending, folder, console, is_open, sweep)
            if pending and file is not None:
                code = _train_rounds(pending, rounds, launcher, folder, console, judge)
    finally:
        if file is not None and not is_open and (code or not launcher.detach):
            try:
                file.end(folder, time.time())
            except OSError as error:  # not raised, because the runs are trained
                print_lines(console, str(error), style="red")
                code = code or 1
    return code


def _train_rounds(
    pending: Sequence[SweepMember],
    rounds: Rounds,
    launcher: RunLauncher,
    folder: Path,
    console: Console,
    judge: Judge | None,
) -> int:
    """Trains the members of each round, and renews the report; returns the exit code."""
    idle = float("inf") if pending[0].config["when_locked"] == "wait" else 0.0
    try:
        with contextlib.ExitStack() as end:
            if pending[0].config["sweep"]["report"]:
                end.enter_context(Renewing(folder))
            # A killed sweep may have left STOP_FILE, which would stop this sweep at once.
            (folder / STOP_FILE).unlink(missing_ok=True)
            end.callback((folder / STOP_FILE).unlink, missing_ok=True)
            launcher.begin(pending, folder)  # prints lines, so the display starts later
            if launcher.detach:
                return 0
            end.enter_context(contextlib.closing(rounds))
            for left in rounds:
                launcher.train_all(left, folder, judge, idle)
    except Interrupted as error:
        print_lines(console, str(error), style="red")
        return error.exit_code
    except KeyboardInterrupt:
        return 130
    except (ValueError, TypeError, OSError) as error:
        # provenance.json is written when a run begins, so its absence shows that none has begun.
        if not any((member.folder.path / "provenance.json").exists() for member in pending):
            raise  # nothing was trained, so the input is refused as a whole
        print_lines(console, str(error), style="red")
        return 1
    return 0


def shown(
    members: Sequence[SweepMember], console: Console, counted: tuple[int, int] = (0, 0)
) -> Rounds:
    """Yields members as one round, and shows their progress while the round trains."""
    with show_progress([member.folder for member in members], console, counted):
        yield members
