"""Locks a run's folder by a file that names its holder."""

import contextlib
import fcntl
import json
import os
import socket
import stat
import struct
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from seqsweep.runs.clock import is_recent
from seqsweep.runs.files import Damaged, open_regular

BEAT_SECONDS = 5.0
STALE_SECONDS = 60.0

_held: set[Path] = set()
"""The lock files that this process holds.

They must not be opened again, because closing any descriptor of a file drops the process's POSIX
locks on this file."""

_idle = threading.Event()
"""Set when this process releases its last lock: then the heartbeat thread ends."""

_removed: list[int] = []
"""The descriptors of lock files that were removed and are not closed yet."""

_MOST_REMOVED = 64

_changing = threading.Lock()
"""Held while the values above change, and from the opening of a lock file until its owner is known.
If another thread opened and closed the same file in between, it would drop the lock."""


class Locked(Exception):
    """Another process is training this run; the message names the process."""


@dataclass(frozen=True)
class Holder:
    """The process that holds a lock, and since when, in seconds since 1970."""

    host: str
    pid: int
    since: float


class RunLock:
    """A context manager that holds `folder`/lock, or another name, while its block runs.

    It is a POSIX record lock: the system drops it when the process ends, in whatever way, and
    forked DataLoader workers do not inherit it. The file names host, process and time. A heartbeat
    touches the file every few seconds. A lock of another host counts until its last heartbeat is a
    minute old, even if a shared file system does not share locks.

    Raises:
        Locked: another process holds the lock.
        OSError: the lock file cannot be written.
    """

    def __init__(self, folder: Path, name: str = "lock") -> None:
        self.folder = folder
        self.path = _lock_path(folder, name)
        self._descriptor = -1

    def __enter__(self) -> Self:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with _changing:
            if self.path in _held:
                raise Locked(f"{self.folder} is being trained by this process")
            # Each further round means that a holder has removed the file in between.
            while not self._take():
                pass
            _add_held(self.path)
        return self

    def __exit__(self, *error: object) -> None:
        # `_changing` is held until the lock is dropped. If `is_locked` opened the file in between,
        # it would drop the lock and leave the file.
        with _changing:
            if _discard_held(self.path):
                self._drop(self._descriptor)
            else:  # in a forked child, whose parent holds the lock
                os.close(self._descriptor)

    def _take(self) -> bool:
        """Takes the lock; returns False if its file was removed meanwhile."""
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        descriptor = os.open(self.path, flags, 0o644)
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise OSError(f"{self.path}: must be a regular file; remove it")
        try:
            fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            # Closing is safe here, although it drops all locks on the file: this process holds
            # none.
            holder = _holder(descriptor)
            os.close(descriptor)
            raise Locked(f"{self.folder} is being trained by {_who(holder)}") from None
        if not _is_same_file(descriptor, self.path):
            os.close(descriptor)
            return False
        # The file system may not share locks between hosts, but it shares the file.
        holder = _other_host(descriptor, self.folder)
        if holder is not None:
            os.close(descriptor)
            raise Locked(f"{self.folder} is being trained by {_who(holder)}")
        here = {"host": socket.gethostname(), "pid": os.getpid(), "since": time.time()}
        try:
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, json.dumps(here).encode(), 0)
        except OSError as error:
            self._drop(descriptor)
            error.filename = os.fspath(self.path)
            raise
        self._descriptor = descriptor
        return True

    def _drop(self, descriptor: int) -> None:
        # The file is removed while it is still locked, so that a process that opens it later opens
        # a new one. In a folder that cannot be changed any more the file stays, without a lock.
        with contextlib.suppress(OSError):
            self.path.unlink()
        fcntl.lockf(descriptor, fcntl.LOCK_UN)
        _close_later(descriptor)


def is_locked(folder: Path, name: str = "lock") -> bool:
    """Returns whether a process is training this run; takes no lock itself."""
    path = _lock_path(folder, name)
    with _changing:
        if path in _held:
            return True
        try:
            file = open_regular(path)  # read-only, which is all that another user may do
        except (OSError, Damaged):
            return False
        with file:
            descriptor = file.fileno()
            return _is_held(descriptor) or _other_host(descriptor, path.parent) is not None


def holder_of(folder: Path) -> Holder | None:
    """Returns the process that a run's lock file names, even if it has died."""
    path = _lock_path(folder, "lock")
    with _changing:
        if path in _held:  # opening the file would drop this process's lock
            return Holder(socket.gethostname(), os.getpid(), path.stat().st_ctime)
        try:
            with open_regular(path) as file:
                holder = _holder(file.fileno()) or {}
        except (OSError, Damaged):
            return None
    try:
        return Holder(str(holder["host"]), int(holder["pid"]), float(holder["since"]))
    except (KeyError, TypeError, ValueError, OverflowError):
        return None


def remove_dead_lock(folder: Path, name: str = "lock") -> None:
    """Removes the lock file that a killed process left in a folder, if possible."""
    if os.path.lexists(f"{folder}/{name}"):
        with contextlib.suppress(Locked, OSError), RunLock(folder, name):
            pass  # releasing the lock removes the file


def _add_held(path: Path) -> None:
    """Adds a lock of this process; the first one starts the heartbeat thread.

    Called with `_changing` held.
    """
    global _idle
    if not _held:
        _idle = threading.Event()
        threading.Thread(target=_beat, args=(_idle,), daemon=True).start()
    _held.add(path)


def _close_later(descriptor: int) -> None:
    """Closes the descriptors of removed lock files in a thread, many at once.

    The last close of a removed file frees its blocks. On ext4 mounted with `discard` and without a
    journal this takes milliseconds for each run.

    Called with `_changing` held.
    """
    global _removed
    _removed.append(descriptor)
    if _held and len(_removed) < _MOST_REMOVED:
        return
    descriptors, _removed = _removed, []
    if len(descriptors) > 1:  # a single descriptor is not worth a thread
        with contextlib.suppress(RuntimeError):  # no new thread can start, for example at exit
            threading.Thread(target=_close, args=(descriptors,), daemon=True).start()
            return
    _close(descriptors)


def _close(descriptors: Sequence[int]) -> None:
    for descriptor in descriptors:
        os.close(descriptor)


def _discard_held(path: Path) -> bool:
    """Forgets a lock; returns whether this process held it. Called with `_changing` held."""
    if path not in _held:
        return False
    _held.discard(path)
    if not _held:
        _idle.set()
    return True


def _beat(idle: threading.Event) -> None:
    """Touches all lock files of this process every few seconds, until it holds none."""
    while not idle.wait(BEAT_SECONDS):
        for path in tuple(_held):
            with contextlib.suppress(OSError):
                os.utime(path)


def _forget_held() -> None:
    """Clears this module's state in a forked child, which has no locks."""
    global _changing
    _changing = threading.Lock()  # another thread may have held it at the fork
    _held.clear()
    _close(_removed)
    _removed.clear()


os.register_at_fork(after_in_child=_forget_held)


def _lock_path(folder: Path, name: str) -> Path:
    return folder.resolve() / name


def _is_held(descriptor: int) -> bool:
    """Returns whether another process has locked the file.

    F_GETLK only asks. Taking the lock would block other processes for a moment.
    """
    if sys.platform == "darwin":
        layout, query = "qqihh", (0, 0, 0, fcntl.F_WRLCK, os.SEEK_SET)
        kind = 3
    else:
        layout, query = "hhqqi", (fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
        kind = 0
    answer = fcntl.fcntl(descriptor, fcntl.F_GETLK, struct.pack(layout, *query))
    return struct.unpack(layout, answer)[kind] != fcntl.F_UNLCK


def _other_host(descriptor: int, folder: Path) -> dict[str, Any] | None:
    """Returns the holder on another host, if the file names one with a recent heartbeat."""
    holder = _holder(descriptor)
    if holder is None or holder.get("host") in (None, socket.gethostname()):
        return None
    return holder if is_recent(os.fstat(descriptor).st_mtime, folder, STALE_SECONDS) else None


def _holder(descriptor: int) -> dict[str, Any] | None:
    """Returns the holder that a lock file names; None without one."""
    try:
        holder = json.loads(os.pread(descriptor, 4096, 0))
    except (ValueError, RecursionError):
        return None
    return holder if isinstance(holder, dict) else None


def _is_same_file(descriptor: int, path: Path) -> bool:
    """Returns whether the path still leads to the open file."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


def _who(holder: dict[str, Any] | None) -> str:
    if holder is None:
        return "another process"
    return f"process {holder.get('pid')} on {holder.get('host')}"
