"""The time that a search has taken, over all its commands."""

import os
import time
from pathlib import Path

from seqsweep.runs.lock_files import file_of, generations
from seqsweep.runs.searchfile import NAME, SearchFile
from seqsweep.runs.sweepfile import SweepFile
from seqsweep.sweeping.search.search_lock import LOCK


class Clock:
    """Counts the minutes of a search, without those between two commands.

    Args:
        folder: the folder of the search, whose lock this process holds.
    """

    def __init__(self, folder: Path) -> None:
        self._before = _minutes_before(folder)
        # Monotonic, because the clock of the machine may be set while a search trains for hours.
        self._started = time.monotonic()

    @property
    def minutes(self) -> float:
        return self._before + (time.monotonic() - self._started) / 60


def _minutes_before(folder: Path) -> float:
    """Returns the minutes that earlier commands have taken.

    A killed command has written them when it began to train. Its lock shows how long it lived
    after that, because a process touches its lock every few seconds.
    """
    search, sweep = SearchFile.read(folder), SweepFile.read(folder)
    if search is None:
        return 0.0
    before = search.minutes or 0.0
    if sweep is None or sweep.ended is not None:
        return before
    path = f"{folder}/{LOCK}"
    # The last file is that of this process. Those before it stay until it releases the lock.
    alive = [os.stat(file_of(path, number)).st_mtime for number in generations(path)[:-1]]
    written = (folder / NAME).stat().st_mtime
    return before + max([0.0, *(when - written for when in alive)]) / 60
