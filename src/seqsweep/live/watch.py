"""`seqsweep watch FOLDER`: the live table of a sweep that another process trains."""

import shlex
import time
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from seqsweep.live.progress_view import LiveView, live
from seqsweep.live.sweep_state import Progress
from seqsweep.pacing import pause_after
from seqsweep.results.formatting import count
from seqsweep.results.tables import print_folder
from seqsweep.runs.clock import is_recent
from seqsweep.runs.ledger import read_folder
from seqsweep.runs.metrics_csv import stat_of
from seqsweep.runs.sweepfile import NAME, QUIET_SECONDS, SweepFile

_TOP = 5


def watch(folder: Path, console: Console) -> int:
    """Shows how far a sweep is until it has ended, or nobody trains it any more.

    Args:
        folder: of a sweep, of any runs, or of one run.

    Returns:
        The exit code: 0 if every run is done, 1 if some are not, 130 after Ctrl-C.

    Raises:
        FileNotFoundError: no such folder.
        ValueError: no run in it.
    """
    watched = WatchedFolder(folder)
    view = LiveView(watched.progress, console, live(console))
    try:
        view.start()
        try:
            _follow(watched, view)
        finally:
            view.stop()
    except KeyboardInterrupt:
        console.print("no longer watched; the sweep goes on")
        return 130
    return _conclude(watched, console)


def _follow(watched: "WatchedFolder", view: LiveView) -> None:
    """Looks and draws until it is over, at most a twentieth of the time."""
    while True:
        begun = time.monotonic()
        watched.renew()
        view.progress = watched.progress
        view.look()
        view.draw()
        if watched.is_over():
            return
        time.sleep(pause_after(time.monotonic() - begun, view.pause))


class WatchedFolder:
    """The runs to watch: those of the folder's sweep.json, else those that are there.

    Attributes:
        progress: of the sweep; another one after `renew`, where a new one has been started.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.sweep = SweepFile.read(folder)
        self._file = self._file_now()
        self._seen_running = 0.0
        self.progress = self._start()

    def _start(self) -> Progress:
        if self.sweep is not None:
            return Progress(self.folder, self.sweep.current())
        runs = read_folder(self.folder)
        root = runs[0].folder.path.absolute().parent
        found = {entry.folder.path.absolute().name: entry.config for entry in runs}
        return Progress(root, SweepFile((), time.time(), found))

    def renew(self) -> None:
        """Reads sweep.json again if it was touched: the sweep may have ended, or another begun."""
        file = self._file_now()
        if file == self._file:
            return
        self._file = file
        sweep = SweepFile.read(self.folder)
        if sweep is None:
            return
        if self.sweep is None or sweep.started != self.sweep.started:
            self.progress = Progress(self.folder, sweep.current())
        self.sweep = self.progress.sweep = sweep

    def is_over(self) -> bool:
        """After a look: nobody trains these runs, and nobody will."""
        counts = self.progress.counts
        if counts["running"]:
            self._seen_running = time.time()
            return False
        if not self.missing():
            return True
        return self.has_ended or not self._is_heard_of()

    @property
    def has_ended(self) -> bool:
        return self.sweep is not None and self.sweep.ended is not None

    def missing(self) -> int:
        """How many runs are not done."""
        counts = self.progress.counts
        done = counts["complete"] + counts["diverged"] + counts["skipped"]
        return len(self.progress.runs) - done

    def _is_heard_of(self) -> bool:
        """True if the sweep has written something in the last seconds."""
        if time.time() - self._seen_running < QUIET_SECONDS:
            return True
        stat = stat_of(str(self.folder / NAME)) or stat_of(str(self.progress.folder))
        return stat is not None and is_recent(stat.st_mtime, self.folder, QUIET_SECONDS)

    def _file_now(self) -> tuple[int, int, int] | None:
        """What tells two files of one name apart: the number of one that is gone is used again."""
        stat = stat_of(str(self.folder / NAME))
        return None if stat is None else (stat.st_ino, stat.st_size, stat.st_mtime_ns)


def _conclude(watched: WatchedFolder, console: Console) -> int:
    """The first rows of the leaderboard, and what to do about runs that are missing."""
    progress = watched.progress
    if any(run.state == "complete" for run in progress.runs):
        print_folder(console, watched.folder, read_folder(watched.folder), top=_TOP)
    missing = watched.missing()
    total = len(progress.runs)
    of_all = f"of {count(total, 'run')} {'is' if (missing or total) == 1 else 'are'}"
    if not missing:
        console.print(f"{total} {of_all} done", highlight=False)
        return 0
    why = "" if watched.has_ended else "; nobody trains it any more"
    lines = [f"[red]{missing} {of_all} not done[/]{why}; why:"]
    lines += [f"  seqsweep status {escape(shlex.quote(str(watched.folder)))}"]
    if watched.sweep is not None:
        lines += ["this goes on:", f"  {escape(shlex.join(watched.sweep.command))}"]
    console.print("\n".join(lines), soft_wrap=True, highlight=False)
    return 1
