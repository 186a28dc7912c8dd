"""`seqsweep watch FOLDER`: shows the live table of a sweep that other processes train."""

import shlex
import time
from pathlib import Path

from rich.console import Console

from seqsweep.console import print_lines, shows_table, still_table
from seqsweep.live.display import LiveView
from seqsweep.live.state import SweepProgress
from seqsweep.results.folder_tables import print_folder
from seqsweep.runs.files import version_of
from seqsweep.runs.ledger import read_folder
from seqsweep.runs.record import FINISHED
from seqsweep.runs.sweepfile import NAME, SweepFile, is_sweep_running
from seqsweep.text import count

_TOP = 5


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
    watched = WatchedFolder(folder)
    table = still_table(console) if shows_table(console) else None
    try:
        view = LiveView(watched.progress, console, table)
        try:
            pause = view.renew()
            begun = watched.progress.has_begun or is_sweep_running(folder)
            if not begun and not watched.is_over():
                command = f"  seqsweep work {shlex.quote(str(folder))}"
                print_lines(console, "no process trains this sweep yet; to start one:", command)
            while not watched.is_over():
                time.sleep(pause)
                view.progress = watched.renewed()
                pause = view.renew()
        finally:
            view.stop()
    except KeyboardInterrupt:
        print_lines(console, "stopped watching; the sweep continues")
        return 130
    return _conclude(watched, console)


class WatchedFolder:
    """The runs that sweep.json lists, or else the runs in the folder.

    Attributes:
        progress: the state of the sweep. `renew` replaces it if another sweep has been started.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._version = version_of(f"{folder}/{NAME}")
        sweep = SweepFile.read(folder)
        if sweep is None:
            # Without sweep.json only the runs that are in the folder are known.
            runs = {entry.folder.path.absolute(): entry.config for entry in read_folder(folder)}
            sweep = SweepFile((), time.time(), {path.name: runs[path] for path in runs})
            folder = next(iter(runs)).parent
        self.progress = SweepProgress(folder, sweep.current())

    def renewed(self) -> SweepProgress:
        """Returns the progress, after reading sweep.json again if it has changed.

        The file changes when its sweep ends, when a search adds runs, or when a sweep starts.
        """
        before, self._version = self._version, version_of(f"{self.folder}/{NAME}")
        sweep = SweepFile.read(self.folder) if self._version != before else None
        if sweep is not None:
            sweep, old = sweep.current(), self.progress.sweep
            # If the same sweep has only written its end into the file, the progress stays valid. A
            # search may have added runs, so the runs are compared, too.
            if (sweep.started, sweep.configs.keys()) != (old.started, old.configs.keys()):
                self.progress = SweepProgress(self.folder, sweep)
            self.progress.sweep = sweep
        return self.progress

    def is_over(self) -> bool:
        """Returns whether there is nothing more to watch."""
        sweep, is_held = self.progress.sweep, is_sweep_running(self.folder)
        # A search that a process still holds will add runs.
        if self.progress.counts["running"] or (sweep.open and is_held):
            return False
        is_done = not self.missing() or sweep.ended is not None
        # A planned sweep still waits for its first worker.
        return is_done or (self.progress.has_begun and not is_held)

    def missing(self) -> int:
        """Returns the number of runs that are not done."""
        counts = self.progress.counts
        return len(self.progress.runs) - sum(counts[state] for state in (*FINISHED, "skipped"))


def _conclude(watched: WatchedFolder, console: Console) -> int:
    """Prints the best runs and how to continue; returns the exit code."""
    progress = watched.progress
    # The leaderboard has no rows before a run is complete.
    if any(run.state == "complete" for run in progress.runs):
        entries = read_folder(watched.folder, of_all_versions=True)
        print_folder(console, watched.folder, entries, top=_TOP)
    missing, total = watched.missing(), len(progress.runs)
    of_all = f"of {count(total, 'run')}"
    if not missing:
        print_lines(console, f"{total} {of_all} done")
        return 0
    quiet = "" if progress.sweep.ended else ", and no process is training them"
    print_lines(console, f"[red]{missing} {of_all} not done[/]{quiet}; to see why:", markup=True)
    print_lines(console, f"  seqsweep status {shlex.quote(str(watched.folder))}")
    if progress.sweep.command:
        print_lines(console, "to finish the sweep:", f"  {shlex.join(progress.sweep.command)}")
    return 1
