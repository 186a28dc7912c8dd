"""Locks of a folder: of each process that trains there, and for a moment."""

import contextlib
import os
import re
import tempfile
import time
from collections.abc import Generator, Iterable
from pathlib import Path

from seqsweep.runs.host import host_name, time_in
from seqsweep.runs.lock import Locked, RunLock, is_locked, remove_dead_lock
from seqsweep.runs.lock_files import STALE_SECONDS, take_posix_lock

_BEGINNING = ".running-"
_NAME = re.compile(rf"{re.escape(_BEGINNING)}(.+)-(\d+)")

Process = tuple[str, int]
"""A host, as file names spell it, and the number of a process on it."""


def this_process() -> Process:
    """Returns this host and this process."""
    return process_of(host_name(), os.getpid())


def process_of(host: str, pid: int) -> Process:
    """Returns a process on a host, which may have any name."""
    return re.sub(r"[^A-Za-z0-9.-]", "_", host), pid


def sweep_lock(folder: Path) -> RunLock:
    """Returns the lock of this process's sweep; other sweeps may train in the same folder."""
    return RunLock(folder, sweep_lock_name())


def sweep_lock_name() -> str:
    """Returns the name of this process's lock file."""
    host, pid = this_process()
    return f"{_BEGINNING}{host}-{pid}"


def running_sweeps(folder: Path) -> list[str]:
    """Returns the names of the locks of all processes that train here."""
    return [name for name in _names(folder) if is_locked(folder, name)]


def lock_names(names: Iterable[str]) -> dict[str, Process]:
    """Returns the sweep locks among the names in a folder, each with its process.

    >>> lock_names([".running-n1-47", "sweep.json"])
    {'.running-n1-47': ('n1', 47)}
    """
    found = [(name, _NAME.fullmatch(name)) for name in names if name.startswith(_BEGINNING)]
    return {name: (match[1], int(match[2])) for name, match in found if match}


def is_sweep_running(folder: Path) -> bool:
    """Returns whether a process is training in this folder, on any host."""
    return any(is_locked(folder, name) for name in _names(folder))


def processes_in(folder: Path) -> list[Process]:
    """Returns the processes that train sweeps in this folder, on all hosts."""
    return sorted(lock_names(running_sweeps(folder)).values())


def remove_dead_sweep_locks(folder: Path) -> None:
    """Removes the lock files that killed sweeps have left."""
    for name in _names(folder):
        remove_dead_lock(folder, name)


def _names(folder: Path) -> list[str]:
    # The name of a later generation of a lock, which `runs.lock` finds itself, has a number more.
    names = [path.name for path in folder.glob(f"{_BEGINNING}*")]
    return [name for name in names if re.search(r"-\d+$", name)]


_PAUSE_SECONDS = 0.05


@contextlib.contextmanager
def short_lock(folder: Path, name: str) -> Generator[None]:
    """Keeps other processes out of blocks with the same lock; waits for them before.

    Args:
        folder: where the lock file is made; the folder need not exist.
        name: the name of the lock file.

    Raises:
        OSError: the lock file cannot be written.
    """
    with contextlib.ExitStack() as stack:
        while True:
            try:
                stack.enter_context(RunLock(folder, name))
                break
            except Locked:
                time.sleep(_PAUSE_SECONDS)
        yield


def lock_notes(folder: Path) -> list[str]:
    """Returns what a user of this folder should know, one sentence each; usually nothing.

    Args:
        folder: an existing folder of runs, in which this process may write.
    """
    notes: list[str] = []
    ahead = time_in(folder) - time.time()
    if abs(ahead) > STALE_SECONDS:
        direction = "ahead of" if ahead > 0 else "behind"
        notes.append(
            f"{folder}: its clock is {_duration(abs(ahead))} {direction} the clock of this host; "
            "the runs are not affected, but times in logs differ"
        )
    if not _has_posix_locks(folder):
        notes.append(
            f"{folder}: its file system has no POSIX locks; the runs of a killed process are free "
            "after a minute instead of at once"
        )
    return notes


def _has_posix_locks(folder: Path) -> bool:
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            return take_posix_lock(file.fileno())
    except OSError:  # reported by whatever writes there
        return True


def _duration(seconds: float) -> str:
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"
