"""Ends a sweep with its leaderboard, report and next command."""

import contextlib
import os
import shlex
import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Self

from rich.console import Console

from seqsweep.command import command_line
from seqsweep.console import place, print_lines
from seqsweep.errors import Interrupted
from seqsweep.pace import pause_after
from seqsweep.results.folder_tables import boards_of, print_folder
from seqsweep.results.report.write import is_report_fresh, made_from, write_report
from seqsweep.runs.files import JsonObject, folders_with
from seqsweep.runs.identity import targets
from seqsweep.runs.ledger import Entry, of_this_version, read_folder, read_run
from seqsweep.runs.sweepfile import remove_leftovers
from seqsweep.signals import ENDING
from seqsweep.sweeping.baselines import write_baselines
from seqsweep.sweeping.queue import SweepMember
from seqsweep.text import count, duration
from seqsweep.training.fed_loggers import feed_done
from seqsweep.training.outcome import interruptible


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
        code: the exit code of the training; the report is written only if it is 0.
        started: when the command started, on the clock of `time.monotonic`.
        lost: the run_ids of failed runs that a search has given up.

    Returns:
        The exit code: `code`, 1 if a member is not done or a part of the report could not be
        written, or 128 plus the number of a signal.
    """
    seconds = time.monotonic() - started
    if code == 0:  # loggers may have been added since a run was done
        feed_done((member.config, member.folder) for member in members)
    remove_leftovers(folder)  # without new training, nothing else removes them
    has_runs = any(folder.glob("*/config.yaml"))
    found = read_folder(folder, of_all_versions=True) if has_runs else []
    begun = {entry.folder.run_id: entry for entry in found}
    print_folder(console, folder, found)
    # The folder may hold runs of other sweeps; the exit code is about the members of this one.
    entries = [begun.get(member.run_id) or read_run(member.folder) for member in members]
    # After an error or a signal a report would be incomplete, and the command should end soon.
    if members[0].config["sweep"]["report"] and code == 0:
        allowed = sorted({target for m in members for _, target in targets(m.config["data"])})
        try:
            with interruptible(ENDING):
                problems = write_summary(
                    lambda: write_baselines(folder, entries, allowed), folder, found
                )
            code = int(bool(problems))
        except Interrupted as error:
            problems = [f"{error}; the same command completes the report"]
            code = error.exit_code
        for problem in problems:
            print_lines(console, problem, style="red")
    # Runs that a search has pruned count as done.
    pairs = zip(members, entries, strict=True)
    ended = [m.limits is not None and entry.state == "pruned" for m, entry in pairs]
    failed = _conclude(entries, folder, console, seconds, sum(ended), lost)
    return code or int(failed > 0)


def _conclude(
    entries: Sequence[Entry],
    folder: Path,
    console: Console,
    seconds: float,
    pruned: int,
    lost: Collection[str],
) -> int:
    """Prints counts and next commands; returns how many members are not done.

    Args:
        pruned: the number of pruned runs that count as done.
        lost: the run_ids of failed runs that the same command does not try again.
    """
    # A run that diverged is done: the same config would diverge again.
    states = Counter(entry.state for entry in entries)
    ends = {"pruned": pruned, "diverged": states["diverged"]}
    others = "".join(f", {number} {state}" for state, number in ends.items() if number)
    quoted = shlex.quote(place(folder))
    of_all = f"of {count(len(entries), 'run')}"
    print_lines(console, f"{states['complete']} {of_all} complete{others} ({duration(seconds)})")
    if (folder / "report.html").is_file():
        print_lines(console, f"  {place(folder / 'report.html')}")
    if states["complete"]:
        print_lines(console, f"  seqsweep tensorboard {quoted}")
    left = len(entries) - states["complete"] - sum(ends.values())
    if left:
        started = [entry for entry in entries if entry.folder.path.is_dir()]
        ended = Counter(entry.state for entry in started)
        # The counts that remain are the reasons why runs did not complete.
        ended.subtract({"complete": states["complete"], **ends})
        ended["not started"] = len(entries) - len(started)
        why = ", ".join(f"{number} {state}" for state, number in ended.items() if number)
        line = f"[red]{left} {of_all} did not complete ({why})[/]; why:"
        print_lines(console, line, markup=True)
        print_lines(console, f"  seqsweep status {quoted}")
        if lost:
            failed = count(len(lost), "failed run")
            print_lines(console, f"the search has gone on without {failed}")
        if left > len(lost):
            command = f"  {shlex.join(command_line())}"
            print_lines(console, "this trains what is missing:", command)
    return left


SECONDS_BETWEEN = 15.0
"""The shortest time in seconds between two renewals of a running sweep's report."""

_ATTEMPTS = 3
"""The most times that the report is written, because runs may end meanwhile."""

_renewing = threading.Lock()
"""The lock that a thread holds while it writes the report.

A fork takes the lock as well. Otherwise a child that is forked meanwhile would inherit the thread's
other locks, and nothing would release them.
"""

os.register_at_fork(
    before=_renewing.acquire, after_in_parent=_renewing.release, after_in_child=_renewing.release
)


class Renewing:
    """Renews the report in the block whenever more runs have ended.

    Args:
        every: the shortest pause in seconds. The pause is longer if a renewal takes long.
    """

    def __init__(self, folder: Path, every: float = SECONDS_BETWEEN) -> None:
        self.folder = folder
        self.every = every
        self.stopped = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)
        # Runs that ended before the sweep began are in the report already, or are added at the end.
        self._counted = self._count_ended()

    def __enter__(self) -> Self:
        self.thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.stopped.set()
        self.thread.join()

    def _run(self) -> None:
        wait = self.every
        while not self.stopped.wait(wait):
            start = time.perf_counter()
            with _renewing, contextlib.suppress(Exception):  # the end of the sweep reports errors
                ended = self._count_ended()
                if ended == self._counted:
                    continue
                self._counted = ended
                self.write()
            # Writing competes with the training for the cores, so long pauses follow slow writes.
            wait = pause_after(time.perf_counter() - start, self.every)

    def write(self) -> None:
        """Writes the report of a running sweep."""
        write_report(self.folder)

    def _count_ended(self) -> int:
        return len(folders_with(self.folder, "record.json"))


def write_summary(
    baselines: Callable[[], None], folder: Path, entries: Sequence[Entry] = ()
) -> list[str]:
    """Brings baselines and report up to date.

    Files that are up to date are kept, which takes milliseconds.

    Args:
        baselines: writes the missing baselines.
        entries: the runs of the folder, if the caller has read them; otherwise they are read.

    Returns:
        A line for each part that could not be written, with the reason, such as data that are gone,
        a full disk or a foreign file among the runs. Nothing is raised, because the runs are done.
    """
    parts = {"baselines": baselines, "report": lambda: _renew_report(folder, entries)}
    problems: list[str] = []
    for name, write in parts.items():
        try:
            write()
        # Any error is caught, so that an error in one part does not prevent the other parts.
        except Exception as error:
            kind = "" if isinstance(error, (OSError, ValueError)) else f"{type(error).__name__}: "
            problems.append(f"no {name}: {kind}{error}")
    return problems


def _renew_report(folder: Path, entries: Sequence[Entry]) -> None:
    """Writes the report until it matches the records.

    A run may end while the report is written. Other processes that train in the folder write the
    report again when they end.
    """
    for _ in range(_ATTEMPTS):
        if is_report_fresh(folder, made_from(folder, entries or read_folder(folder))):
            return
        entries = ()
        write_report(folder)


def describe_sweep(folder: Path) -> JsonObject:
    """Returns the folder of a sweep, with what `leaderboard --json` says about it."""
    # The folder has no run if workers are to train all of them.
    has_runs = any(folder.glob("*/config.yaml"))
    entries = read_folder(folder, of_all_versions=True) if has_runs else []
    return {"folder": str(folder)} | boards_of(folder, of_this_version(entries), None)
