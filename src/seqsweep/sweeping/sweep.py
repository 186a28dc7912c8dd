"""Runs a sweep, from the configs of its members to the leaderboard.

The module imports no torch at the top.
"""

import contextlib
import functools
import shlex
import time
from collections import Counter
from collections.abc import Callable, Collection, Generator, Sequence
from dataclasses import replace
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from seqsweep.command import command_line, option, restore_subcommand
from seqsweep.config.compose import MemberComposer
from seqsweep.config.shape.expansion import Expansion
from seqsweep.console import place
from seqsweep.live.display import Display
from seqsweep.live.sweep_state import duration
from seqsweep.results.folder_tables import print_folder
from seqsweep.results.formatting import count
from seqsweep.runs.ledger import Entry, read_folder, read_run
from seqsweep.runs.sweep_lock import is_sweep_running, sweep_lock
from seqsweep.runs.sweepfile import SweepFile
from seqsweep.signals import ENDING
from seqsweep.sweeping.confirm import confirm_size
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
    new_sweep_file,
    refuse_reruns,
    write_plan,
)
from seqsweep.sweeping.queue import Queue, QueuedRun
from seqsweep.sweeping.summary import Renewing, write_summary
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
    pending = not_done(members, folder)
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
    is_alone = not is_sweep_running(folder)
    train = functools.partial(launch_all, pending, launcher, folder, console, is_alone)
    code = train_pending(members, pending, folder, console, train, is_detached=is_detached)
    if pending and is_detached:
        console.print(
            f"to follow them:\n  seqsweep watch {escape(shlex.quote(place(folder)))}",
            soft_wrap=True,
            highlight=False,
        )
        return code
    return finish_sweep(members, folder, console, code, started)


def finish_sweep(
    members: Sequence[SweepMember],
    folder: Path,
    console: Console,
    code: int,
    started: float,
    lost: Collection[str] = (),
) -> int:
    """Prints the leaderboard, and writes the report unless the sweep was stopped.

    Args:
        members: the runs that the command asks for.
        folder: the sweep's folder.
        console: prints the results.
        code: the exit code of the training.
        started: when the command started, on the clock of `time.monotonic`.
        lost: the run_ids of failed runs that a search has gone on without.

    Returns:
        The exit code of the command.
    """
    seconds = time.monotonic() - started
    begun = {entry.folder.run_id: entry for entry in read_begun(folder)}
    print_folder(console, folder, list(begun.values()))
    # The folder may hold runs of other sweeps; the exit code is about the members of this one.
    entries = [begun.get(member.folder.run_id) or read_run(member.folder) for member in members]
    reports = members[0].planned.config["sweep"]["report"]
    # After an error or a signal a report would be incomplete, and the command is to end soon.
    if reports and code == 0:
        code = summarise(members, folder, console)
    # A search counts the runs as done that it has pruned.
    ended = [
        m.planned.limits is not None and e.state == "pruned"
        for m, e in zip(members, entries, strict=True)
    ]
    failed = _conclude(entries, folder, console, seconds, sum(ended), lost)
    return code or int(failed > 0)


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
        is_open: whether the sweep is a search that may change sweep.json, while workers wait.

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
            if is_open:
                # Workers that still wait keep the sweep from ending, so they are told first.
                with SweepFile.changing(folder):
                    replace(SweepFile.read(folder) or file, open=False).write(folder)
    finally:
        if file is not None and (not is_detached or code):
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


def read_begun(folder: Path) -> list[Entry]:
    """Returns the runs of the folder, including those of other commands."""
    return read_folder(folder) if any(folder.glob("*/config.yaml")) else []


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
    is_alone: bool = True,
) -> None:
    """Launches members until each is done or has failed too often.

    A member that another process is training is left to it, and checked again later. So two
    commands that sweep into one folder share the work, and both end with the whole table.

    Args:
        is_alone: whether no other process trained in the folder when the sweep began. Beside others
            the pools of this process take a share of the runs at a time, as workers do; alone they
            train all of them together, which is the fastest way.

    Raises:
        Interrupted: a signal came.
        ValueError, TypeError, OSError: the members could not be launched.
    """
    members = {member.folder.run_id: member for member in pending}

    def launch(runs: Sequence[QueuedRun]) -> Collection[str]:
        return launch_members([members[run.run_id] for run in runs], runs, launcher, folder)

    shares = not is_alone and launcher.threads is not None
    queue = Queue([m.queued() for m in pending], folder, launcher.threads or 1, shares)
    waits = pending[0].planned.config["when_locked"] == "wait"
    if launcher.workers is not None and launcher.workers.detach:
        (folder / STOP_FILE).unlink(missing_ok=True)
        launch(queue.take())
        return
    with stoppable(folder), Display([member.folder for member in pending], console):
        queue.train(launch, idle=float("inf") if waits else 0.0)


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


def summarise(members: Sequence[SweepMember], folder: Path, console: Console) -> int:
    """Writes baselines, report and TensorBoard view. Returns the exit code.

    The code is 0, or 1 if a part could not be written, or 128 plus the number of a signal.
    """
    try:
        with interruptible(ENDING):
            problems = write_summary([member.planned for member in members], folder)
    except Interrupted as error:
        words = f"[red]{error}[/]; the same command completes the report"
        console.print(words, soft_wrap=True, highlight=False)
        return error.exit_code
    for problem in problems:
        console.print(f"[red]{escape(problem)}[/]", soft_wrap=True, highlight=False)
    return int(bool(problems))


def _conclude(
    entries: Sequence[Entry],
    folder: Path,
    console: Console,
    seconds: float,
    pruned: int,
    lost: Collection[str],
) -> int:
    """Prints the result files and the next command. Returns how many members are not done.

    Args:
        pruned: the number of pruned runs that count as done.
        lost: the run_ids of failed runs that the same command does not try again.
    """
    # A run that diverged is done: the same config would diverge again.
    states = Counter(entry.state for entry in entries)
    ends = {"pruned": pruned, "diverged": states["diverged"]}
    others = "".join(f", {number} {state}" for state, number in ends.items() if number)
    quoted = escape(shlex.quote(place(folder)))
    of_all = f"of {count(len(entries), 'run')}"
    lines = [f"{states['complete']} {of_all} complete{others} ({duration(seconds)})"]
    lines += where_to_look(folder, bool(states["complete"]))
    left = len(entries) - states["complete"] - sum(ends.values())
    if left:
        started = [entry for entry in entries if entry.folder.path.is_dir()]
        ended = Counter(entry.state for entry in started)
        # What is left in the counter are the reasons why a run did not complete.
        ended.subtract({"complete": states["complete"], **ends})
        ended["not started"] = len(entries) - len(started)
        why = ", ".join(f"{number} {state}" for state, number in ended.items() if number)
        lines += [
            f"[red]{left} {of_all} did not complete ({why})[/]; why:",
            f"  seqsweep status {quoted}",
        ]
        if lost:
            lines.append(f"the search has gone on without {count(len(lost), 'failed run')}")
        if left > len(lost):
            lines += ["this trains what is missing:", f"  {escape(shlex.join(command_line()))}"]
    console.print("\n".join(lines), soft_wrap=True, highlight=False)
    return left


def where_to_look(folder: Path, has_complete: bool) -> list[str]:
    """Returns the path of the report and the command for TensorBoard, as markup of rich."""
    lines: list[str] = []
    if (folder / "report.html").is_file():
        lines.append(f"  {escape(place(folder / 'report.html'))}")
    if has_complete:
        lines.append(f"  seqsweep tensorboard {escape(shlex.quote(place(folder)))}")
    return lines
