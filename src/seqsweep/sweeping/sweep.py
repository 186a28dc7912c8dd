"""Runs a sweep, from the configs of its members to the leaderboard.

The module imports no torch at the top.
"""

import contextlib
import shlex
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from seqsweep.command import command_line, restore_subcommand
from seqsweep.config.compose import MemberComposer
from seqsweep.console import place
from seqsweep.live.sweep_state import duration
from seqsweep.results.formatting import count
from seqsweep.results.tables import print_folder
from seqsweep.results.tensorboard.names_file import name_runs
from seqsweep.runs.clean import forget_stacks
from seqsweep.runs.files import remove_temporary
from seqsweep.runs.ledger import Entry, read_folder, read_run
from seqsweep.runs.sweep_lock import (
    is_sweep_running,
    remove_dead_sweep_locks,
    sweep_lock,
)
from seqsweep.runs.sweepfile import SweepFile
from seqsweep.signals import ENDING
from seqsweep.sweeping.hydra_jobs import RunLauncher
from seqsweep.sweeping.interruptible import interruptible
from seqsweep.sweeping.members import build_each, plan_members, say_plan
from seqsweep.sweeping.rounds import Rounds, SweepMember
from seqsweep.sweeping.summary import Renewing, write_summary
from seqsweep.sweeping.time_estimate import epoch_seconds
from seqsweep.training.outcome import Interrupted


@interruptible()
def run_sweep(
    jobs: Sequence[Sequence[str]],
    compose: MemberComposer,
    launcher: RunLauncher,
    folder: Path,
    console: Console,
) -> int:
    """Trains the members that are not done and prints the leaderboard of the folder.

    All members are checked before the first one starts.

    Args:
        jobs: the overrides of each member.
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
    started = time.monotonic()
    members = plan_members(jobs, compose, folder)
    pending = [member for member in members if not member.is_done()]
    if pending:
        build_each(pending, compose)
    say_plan(members, pending, len(jobs), folder, console)
    code = _train_pending(members, pending, launcher, folder, console)
    seconds = time.monotonic() - started
    begun = {entry.folder.run_id: entry for entry in _read_begun(folder)}
    print_folder(console, folder, list(begun.values()))
    entries = [begun.get(member.folder.run_id) or read_run(member.folder) for member in members]
    reports = members[0].planned.config["sweep"]["report"]
    if reports and code == 0:
        code = _summarise(members, folder, console)
    failed = _conclude(entries, folder, console, seconds)
    return code or int(failed > 0)


def _train_pending(
    members: Sequence[SweepMember],
    pending: Sequence[SweepMember],
    launcher: RunLauncher,
    folder: Path,
    console: Console,
) -> int:
    """Trains the members that are not done, and keeps sweep.json up to date.

    Returns the exit code: 0, 1 after an error, or 128 plus the number of a signal.
    """
    before = SweepFile.read(folder)
    others = before if is_sweep_running(folder) else None
    file = _sweep_file(members, pending)
    is_known = before is not None and file.configs.keys() <= before.configs.keys()
    # sweep.json stays as it is if nothing is left to train, the file lists these runs, and the
    # sweep that wrote it has ended or is still running.
    if not pending and before is not None and is_known and (others or before.ended is not None):
        return 0
    if others is not None:
        file = file.joined(others)
    elif before is not None:
        file = file.after(before)
    code = 0
    try:
        with sweep_lock(folder):  # which also makes the folder
            remove_temporary(folder)
            remove_dead_sweep_locks(folder)
            forget_stacks(folder)  # left by a sweep that was killed after its last record
            file.write(folder)
            _name_runs(folder, console)
            if pending:
                code = _train_rounds(pending, launcher, folder, console)
    finally:
        try:
            file.end(folder, time.time())
        except OSError as error:  # not raised, because the runs are trained
            console.print(f"[red]{escape(str(error))}[/]", soft_wrap=True, highlight=False)
            code = code or 1
    return code


def _read_begun(folder: Path) -> list[Entry]:
    """Returns the runs of the folder, including those of other commands."""
    return read_folder(folder) if any(folder.glob("*/config.yaml")) else []


def _name_runs(folder: Path, console: Console) -> None:
    """Writes readable names of the runs for TensorBoard, which would otherwise show their ids."""
    try:
        name_runs(folder)
    except (OSError, ValueError) as error:  # not raised, because a sweep works without names
        console.print(f"[red]no names: {escape(str(error))}[/]", soft_wrap=True, highlight=False)


def _sweep_file(members: Sequence[SweepMember], pending: Sequence[SweepMember]) -> SweepFile:
    """Returns the content of sweep.json: the command and the runs that it asks for."""
    left = {member.folder.run_id for member in pending}
    configs = {m.folder.run_id: m.planned.flat for m in members}
    done = frozenset(name for name in configs if name not in left)
    costs = {m.folder.run_id: epoch_seconds(m.planned, "native") for m in members}
    is_known = all(costs.values())  # the cost of a user's network is unknown
    return SweepFile(command_line(), time.time(), configs, done, costs=costs if is_known else {})


def _train_rounds(
    pending: Sequence[SweepMember], launcher: RunLauncher, folder: Path, console: Console
) -> int:
    """Trains the members in rounds. Prints an error and returns the exit code."""
    reports = pending[0].planned.config["sweep"]["report"]
    try:
        with Renewing(folder) if reports else contextlib.nullcontext():
            Rounds(pending, launcher, folder, console).run()
    except Interrupted as error:
        console.print(f"[red]{error}[/]")
        return error.exit_code
    except KeyboardInterrupt:
        return 130
    except (ValueError, TypeError, OSError) as error:
        if not any((member.folder.path / "provenance.json").exists() for member in pending):
            raise  # nothing was trained, so the input is refused as a whole
        console.print(f"[red]{escape(str(error))}[/]", soft_wrap=True, highlight=False)
        return 1
    return 0


def _summarise(members: Sequence[SweepMember], folder: Path, console: Console) -> int:
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


def _conclude(entries: Sequence[Entry], folder: Path, console: Console, seconds: float) -> int:
    """Prints the result files and the next command. Returns how many members are not done."""
    states = Counter(entry.state for entry in entries)
    diverged = f", {states['diverged']} diverged" if states["diverged"] else ""
    quoted = escape(shlex.quote(place(folder)))
    of_all = f"of {count(len(entries), 'run')}"
    lines = [f"{states['complete']} {of_all} complete{diverged} ({duration(seconds)})"]
    if (folder / "report.html").is_file():
        lines.append(f"  {escape(place(folder / 'report.html'))}")
    if states["complete"]:
        lines.append(f"  seqsweep tensorboard {quoted}")
    left = len(entries) - states["complete"] - states["diverged"]
    if left:
        started = [entry for entry in entries if entry.folder.path.is_dir()]
        ended = Counter(entry.state for entry in started)
        ended.subtract({"complete": states["complete"], "diverged": states["diverged"]})
        ended["not started"] = len(entries) - len(started)
        why = ", ".join(f"{number} {state}" for state, number in ended.items() if number)
        lines += [
            f"[red]{left} {of_all} did not complete ({why})[/]; why:",
            f"  seqsweep status {quoted}",
            "this trains what is missing:",
            f"  {escape(shlex.join(command_line()))}",
        ]
    console.print("\n".join(lines), soft_wrap=True, highlight=False)
    return left
