"""The locks of the processes that train in a folder."""

import contextlib
import os
import re
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

from seqsweep.runs.lock import Locked, RunLock, is_locked
from seqsweep.runs.lock_files import STALE_SECONDS, host_name, take_posix_lock, time_in

Process = tuple[str, int]
"""A host, as file names spell it, and the number of a process on it."""


def this_process() -> Process:
    """Returns this host and this process."""
    return process_of(host_name(), os.getpid())


def process_of(host: str, pid: int) -> Process:
    """Returns a process on a host, which may have any name."""
    return re.sub(r"[^A-Za-z0-9.-]", "_", host), pid


def sweep_lock(folder: Path) -> RunLock:
    """Returns the lock of this process's sweep, one of several."""
    return RunLock(folder, sweep_lock_name())


def sweep_lock_name() -> str:
    """Returns the name of this process's lock file."""
    return ".running-{}-{}".format(*this_process())


def lock_names(names: Iterable[str]) -> dict[str, Process]:
    """Returns the sweep locks among these names, with their processes.

    >>> lock_names([".running-n1-47", "sweep.json"])
    {'.running-n1-47': ('n1', 47)}
    """
    # The name of a later generation of a lock, which `runs.lock` finds itself, has a number more.
    found = [re.fullmatch(r"\.running-(.+)-(\d+)", name) for name in names]
    return {match[0]: (match[1], int(match[2])) for match in found if match}


def _names_in(folder: Path) -> dict[str, Process]:
    return lock_names(path.name for path in folder.glob(".running-*"))


def processes_in(folder: Path) -> list[Process]:
    """Returns the processes that train sweeps in this folder, on all hosts."""
    names = _names_in(folder)
    return sorted(process for name, process in names.items() if is_locked(folder, name))


def is_sweep_running(folder: Path) -> bool:
    """Returns whether a process is training in this folder, on any host."""
    return any(is_locked(folder, name) for name in _names_in(folder))


def remove_dead_sweep_locks(folder: Path) -> None:
    """Removes the lock files that killed sweeps have left."""
    for name in _names_in(folder):
        with contextlib.suppress(Locked, OSError), RunLock(folder, name):
            pass  # releasing the lock removes the files


def lock_notes(folder: Path) -> list[str]:
    """Returns notes on the clock and locks of a folder."""
    notes: list[str] = []
    seconds = time_in(folder) - time.time()
    if abs(seconds) > STALE_SECONDS:
        difference = f"{abs(seconds) / 60:.0f} min {'ahead of' if seconds > 0 else 'behind'}"
        what = "the runs are not affected, but times in logs differ"
        notes.append(f"{folder}: its clock is {difference} the clock of this host; {what}")
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            has_posix_locks = take_posix_lock(file.fileno())
    except OSError:  # reported by whatever writes there
        has_posix_locks = True
    if not has_posix_locks:
        what = "the runs of a killed process are free after a minute instead of at once"
        notes.append(f"{folder}: its file system has no POSIX locks; {what}")
    return notes
