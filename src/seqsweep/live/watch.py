"""`seqsweep watch FOLDER`: shows the live table of a sweep that other processes train."""

import shlex
import time
from pathlib import Path

from rich.console import Console

from seqsweep.console import print_lines, shows_table, still_table
from seqsweep.live.display import LiveView
from seqsweep.live.sweep_state import SweepProgress
from seqsweep.results.folder_tables import print_folder
from seqsweep.runs.files import version_of
from seqsweep.runs.ledger import read_folder
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
    view = LiveView(watched.progress, console, table)
    try:
        if table is not None:
            table.start()
        try:
            _follow(watched, view, console)
        finally:
            view.stop()
    except KeyboardInterrupt:
        print_lines(console, "stopped watching; the sweep continues")
        return 130
    return _conclude(watched, console)


def _follow(watched: "WatchedFolder", view: LiveView, console: Console) -> None:
    is_first = True
    while True:
        watched.renew()
        view.progress = watched.progress
        pause = view.renew()
        if watched.is_over():
            return
        if is_first and watched.is_only_planned():
            command = f"  seqsweep work {shlex.quote(str(watched.folder))}"
            print_lines(console, "no process trains this sweep yet; to start one:", command)
        is_first = False
        time.sleep(pause)


class WatchedFolder:
    """The runs that sweep.json lists, or else the runs in the folder.

    Attributes:
        progress: the state of the sweep. `renew` replaces it if another sweep has been started.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.sweep = SweepFile.read(folder)
        self._version = version_of(f"{self.folder}/{NAME}")
        if self.sweep is not None:
            self.progress = SweepProgress(self.folder, self.sweep.current())
            return
        # Without sweep.json only the runs that are in the folder are known.
        runs = {entry.folder.path.absolute(): entry.config for entry in read_folder(self.folder)}
        sweep = SweepFile((), time.time(), {path.name: config for path, config in runs.items()})
        self.progress = SweepProgress(next(iter(runs)).parent, sweep)

    def renew(self) -> None:
        """Reads sweep.json again if it has changed.

        The file changes when its sweep ends, when a search adds runs, or when a sweep starts.
        """
        version = version_of(f"{self.folder}/{NAME}")
        if version == self._version:
            return
        self._version = version
        sweep = SweepFile.read(self.folder)
        if sweep is None:
            return
        # If the same sweep has only written its end into the file, the progress stays valid. A
        # search may have added runs, so the runs are compared, too.
        before = self.sweep
        now = sweep.started, sweep.configs.keys()
        if before is None or now != (before.started, before.configs.keys()):
            self.progress = SweepProgress(self.folder, sweep.current())
        self.sweep = self.progress.sweep = sweep

    def is_over(self) -> bool:
        """Returns whether there is nothing more to watch."""
        if self.progress.counts["running"]:
            return False
        is_held = is_sweep_running(self.folder)
        # A search that a process still holds will add runs.
        if self.sweep is not None and self.sweep.open and is_held:
            return False
        if not self.missing() or self.has_ended:
            return True
        return not is_held and not self.is_only_planned()

    def is_only_planned(self) -> bool:
        """Returns whether the sweep still waits for its first worker."""
        has_begun = self.sweep is None or self.has_ended or self.progress.has_begun
        return not has_begun and not is_sweep_running(self.folder)

    @property
    def has_ended(self) -> bool:
        return self.sweep is not None and self.sweep.ended is not None

    def missing(self) -> int:
        """Returns the number of runs that are not done."""
        counts = self.progress.counts
        done = sum(counts[state] for state in ("complete", "diverged", "pruned", "skipped"))
        return len(self.progress.runs) - done


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
    quiet = "" if watched.has_ended else ", and no process is training them"
    print_lines(console, f"[red]{missing} {of_all} not done[/]{quiet}; to see why:", markup=True)
    print_lines(console, f"  seqsweep status {shlex.quote(str(watched.folder))}")
    if watched.sweep is not None:
        print_lines(console, "to finish the sweep:", f"  {shlex.join(watched.sweep.command)}")
    return 1
