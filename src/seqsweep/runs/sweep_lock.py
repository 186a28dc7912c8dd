"""Locks that show which sweeps are training in a folder, one file for each process."""

import os
import re
import socket
from pathlib import Path

from seqsweep.runs.lock import RunLock, is_locked, remove_dead_lock

_BEGINNING = ".running-"


def sweep_lock(folder: Path) -> RunLock:
    """Returns the lock of this process's sweep; other sweeps may train in the same folder."""
    return RunLock(folder, sweep_lock_name())


def sweep_lock_name() -> str:
    """Returns the name of this process's lock file."""
    host = re.sub(r"[^A-Za-z0-9.-]", "_", socket.gethostname())
    return f"{_BEGINNING}{host}-{os.getpid()}"


def running_sweeps(folder: Path) -> list[str]:
    """Returns the names of the locks of all processes that train here."""
    return [name for name in _names(folder) if is_locked(folder, name)]


def is_sweep_running(folder: Path) -> bool:
    """Returns whether a process is training in this folder, on any host."""
    return any(is_locked(folder, name) for name in _names(folder))


def remove_dead_sweep_locks(folder: Path) -> None:
    """Removes the lock files that killed sweeps have left."""
    for name in _names(folder):
        remove_dead_lock(folder, name)


def _names(folder: Path) -> list[str]:
    # The name of a later generation of a lock, which `runs.lock` finds itself, has a number more.
    names = [path.name for path in folder.glob(f"{_BEGINNING}*")]
    return [name for name in names if re.search(r"-\d+$", name)]
