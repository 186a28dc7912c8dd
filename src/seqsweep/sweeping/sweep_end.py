"""The end of a sweep: leaderboard, report, and the next command.

The module imports no torch at the top.
"""

import shlex
import time
from collections import Counter
from collections.abc import Collection, Sequence
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from seqsweep.command import command_line
from seqsweep.console import place
from seqsweep.live.sweep_state import duration
from seqsweep.results.folder_tables import print_folder
from seqsweep.results.formatting import count
from seqsweep.runs.ledger import Entry, read_folder, read_run
from seqsweep.runs.sweep_lock import remove_dead_sweep_locks
from seqsweep.signals import ENDING
from seqsweep.sweeping.interruptible import interruptible
from seqsweep.sweeping.planned_sweep import say_red
from seqsweep.sweeping.queue import SweepMember
from seqsweep.sweeping.summary import write_summary
from seqsweep.training.fed_loggers import feed_done
from seqsweep.training.outcome import Interrupted

folders_to_print: dict[Path, None] = {}
"""The folders in which another sweeper of Hydra has trained runs, for `print_folders`."""


def print_folders(console: Console) -> None:
    """Prints the leaderboards of other sweepers. Our own sweepers print theirs themselves."""
    for folder in folders_to_print:
        print_folder(console, folder, read_folder(folder, of_all_versions=True))


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
        started: when the command started, on the clock of `time.monotonic`.
        lost: the run_ids of failed runs that a search has gone on without.
    """
    seconds = time.monotonic() - started
    if code == 0:  # runs that were done before may lack a logger
        feed_done((member.config, member.folder) for member in members)
    remove_dead_sweep_locks(folder)  # a sweep that was killed at its end begins no training again
    has_runs = any(folder.glob("*/config.yaml"))
    found = read_folder(folder, of_all_versions=True) if has_runs else []
    begun = {entry.folder.run_id: entry for entry in found}
    print_folder(console, folder, found)
    # The folder may hold runs of other sweeps; the exit code is about the members of this one.
    entries = [begun.get(member.run_id) or read_run(member.folder) for member in members]
    reports = members[0].config["sweep"]["report"]
    # After an error or a signal a report would be incomplete, and the command is to end soon.
    if reports and code == 0:
        code = _summarise(members, folder, console, found)
    # A search counts the runs as done that it has pruned.
    pairs = zip(members, entries, strict=True)
    ended = [m.limits is not None and entry.state == "pruned" for m, entry in pairs]
    failed = _conclude(entries, folder, console, seconds, sum(ended), lost)
    return code or int(failed > 0)


def _summarise(
    members: Sequence[SweepMember], folder: Path, console: Console, entries: Sequence[Entry]
) -> int:
    """Writes baselines, report and TensorBoard view. Returns the exit code.

    The code is 0, or 1 if a part could not be written, or 128 plus the number of a signal.
    """
    try:
        with interruptible(ENDING):
            problems = write_summary(members, folder, entries)
    except Interrupted as error:
        words = f"[red]{error}[/]; the same command completes the report"
        console.print(words, soft_wrap=True, highlight=False)
        return error.exit_code
    for problem in problems:
        say_red(problem, console)
    return int(bool(problems))


def _conclude(
    entries: Sequence[Entry],
    folder: Path,
    console: Console,
    seconds: float,
    pruned: int,
    lost: Collection[str],
) -> int:
    """Prints what follows; returns how many members are not done.

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
    if (folder / "report.html").is_file():
        lines.append(f"  {escape(place(folder / 'report.html'))}")
    if states["complete"]:
        lines.append(f"  seqsweep tensorboard {quoted}")
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
