"""`seqsweep watch FOLDER`: shows the live table of a sweep that other processes train."""

import shlex
import time
from pathlib import Path

from rich.console import Console

from seqsweep.console import print_lines, shows_table, still_table
from seqsweep.live.display import LiveView
from seqsweep.live.state import SweepProgress
from seqsweep.results.folder_tables import print_folder
from seqsweep.runs.ledger import read_folder
from seqsweep.runs.record import FINISHED
from seqsweep.runs.sweepfile import SweepFile, is_sweep_running
from seqsweep.text import count


def watch(folder: Path, console: Console) -> int:
    """Shows a sweep until it has ended or no process trains it.

    Args:
        folder: a folder of runs, such as a sweep's, or the folder of one run.

    Returns:
        The exit code: 0 if every run is done, 1 if some are not, 130 after Ctrl-C.

    Raises:
        FileNotFoundError: there is no such folder.
        ValueError: the folder contains no run.
    """
    progress = read_progress(folder)
    table = still_table(console) if shows_table(console) else None
    try:
        view = LiveView(progress, console, table)
        try:
            pause = view.renew()
            if not (progress.has_begun or is_over(progress) or is_sweep_running(folder)):
                command = f"  seqsweep work {shlex.quote(str(folder))}"
                print_lines(console, "no process trains this sweep yet; to start one:", command)
            while not is_over(view.progress):
                time.sleep(pause)
                view.progress = view.progress.renewed()
                pause = view.renew()
        finally:
            view.stop()
    except KeyboardInterrupt:
        print_lines(console, "stopped watching; the sweep continues")
        return 130
    return _conclude(view.progress, folder, console)


def read_progress(folder: Path) -> SweepProgress:
    """Returns the runs that sweep.json lists, or else the runs in the folder.

    Raises:
        FileNotFoundError, ValueError: the folder does not exist, or contains no run.
    """
    sweep = SweepFile.read(folder)
    if sweep is not None:
        return SweepProgress(folder, sweep.current())
    runs = {entry.folder.path.absolute(): entry.config for entry in read_folder(folder)}
    sweep = SweepFile((), time.time(), {path.name: config for path, config in runs.items()})
    return SweepProgress(next(iter(runs)).parent, sweep)


def is_over(progress: SweepProgress) -> bool:
    """Returns whether there is nothing more to watch."""
    sweep, is_held = progress.sweep, is_sweep_running(progress.folder)
    # A search that a process still holds will add runs.
    if progress.counts["running"] or (sweep.open and is_held):
        return False
    is_done = not _missing(progress) or sweep.ended is not None
    # A planned sweep still waits for its first worker.
    return is_done or (progress.has_begun and not is_held)


def _missing(progress: SweepProgress) -> int:
    """Returns the number of runs that are not done."""
    counts = progress.counts
    return len(progress.runs) - sum(counts[state] for state in (*FINISHED, "skipped"))


def _conclude(progress: SweepProgress, folder: Path, console: Console) -> int:
    """Prints the best runs and how to continue; returns the exit code."""
    # The leaderboard has no rows before a run is complete.
    if any(run.state == "complete" for run in progress.runs):
        print_folder(console, folder, read_folder(folder, of_all_versions=True), top=5)
    missing, total = _missing(progress), len(progress.runs)
    of_all = f"of {count(total, 'run')}"
    if not missing:
        print_lines(console, f"{total} {of_all} done")
        return 0
    quiet = "" if progress.sweep.ended else ", and no process is training them"
    print_lines(console, f"[red]{missing} {of_all} not done[/]{quiet}; to see why:", markup=True)
    print_lines(console, f"  seqsweep status {shlex.quote(str(folder))}")
    if progress.sweep.command:
        print_lines(console, "to finish the sweep:", f"  {shlex.join(progress.sweep.command)}")
    return 1
