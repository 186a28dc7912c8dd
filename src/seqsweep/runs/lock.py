"""One writer for a run's folder: a lock that dies with its process, and says who holds it."""

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
from pathlib import Path
from typing import Any, Self

from seqsweep.runs.clock import is_recent
from seqsweep.runs.files import Damaged, open_regular

BEAT_SECONDS = 5.0
STALE_SECONDS = 60.0

_held: set[Path] = set()
"""The locks of this process. They must not be opened again: closing any descriptor of a file drops
the process's POSIX locks on it."""

_idle = threading.Event()
"""Set when the last of them is given back: the thread that beats ends."""

_removed: list[int] = []
"""The descriptors of lock files that were removed, unlocked and not closed yet."""

_MOST_REMOVED = 64

_changing = threading.Lock()
"""Held while the two above change, and from the opening of a lock file to knowing whose it is:
another thread that looks at it meanwhile would close it, and drop a lock taken in between."""


class Locked(Exception):
    """Another process trains this run; the message says which."""


class RunLock:
    """Holds `folder`/lock while the block runs.

    A POSIX record lock, which the system drops the moment its process ends, however it ends, and
    which forked DataLoader workers do not inherit. The file names host, process and time, and
    is touched every few seconds: where the folder is shared by machines whose file system does not
    pass locks on, a lock of another host counts until its last beat is a minute old.

    Raises:
        Locked: another process holds it.
        OSError: the lock cannot be written.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = _lock_path(folder)
        self._descriptor = -1

    def __enter__(self) -> Self:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with _changing:
            if self.path in _held:
                raise Locked(f"{self.folder} is being trained by this process")
            while not self._take():
                pass
            _add_held(self.path)
        return self

    def __exit__(self, *error: object) -> None:
        with _changing:  # until it is dropped: a look in between would drop it, and not remove it
            if _discard_held(self.path):
                self._drop(self._descriptor)
            else:  # in a forked child: the lock is its parent's
                os.close(self._descriptor)

    def _take(self) -> bool:
        """False where the file was removed between its opening and its locking: try again."""
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        descriptor = os.open(self.path, flags, 0o644)
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise OSError(f"{self.path}: must be a regular file; remove it")
        try:
            fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            holder = _holder(descriptor)
            os.close(descriptor)
            raise Locked(f"{self.folder} is being trained by {_who(holder)}") from None
        if not _is_same_file(descriptor, self.path):
            os.close(descriptor)
            return False
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
        # Removed while it is still held: who opens the file later opens a new one. A folder that
        # cannot be changed any more keeps the file, which nobody holds then.
        with contextlib.suppress(OSError):
            self.path.unlink()
        fcntl.lockf(descriptor, fcntl.LOCK_UN)
        _close_later(descriptor)


def is_locked(folder: Path) -> bool:
    """Whether some process trains this run now; takes nothing and waits for nobody."""
    path = _lock_path(folder)
    with _changing:
        if path in _held:
            return True
        try:
            file = open_regular(path)  # only to read: all that another person may do
        except (OSError, Damaged):
            return False
        with file:
            descriptor = file.fileno()
            return _is_held(descriptor) or _other_host(descriptor, path.parent) is not None


def remove_dead_lock(folder: Path) -> None:
    """Removes the lock that a killed process has left in a run's folder, where that is possible."""
    if os.path.lexists(f"{folder}/lock"):
        with contextlib.suppress(Locked, OSError), RunLock(folder):
            pass  # to give it back removes the file


def _add_held(path: Path) -> None:
    """One thread beats for all locks: it is started with the first and ends with the last.

    Called with `_changing` held.
    """
    global _idle
    if not _held:
        _idle = threading.Event()
        threading.Thread(target=_beat, args=(_idle,), daemon=True).start()
    _held.add(path)


def _close_later(descriptor: int) -> None:
    """Lets a thread close the descriptors of removed lock files, many at once.

    The last close of a removed file gives its blocks back to the disk. Where the disk is told so at
    once (ext4 mounted with `discard`, without a journal), that takes milliseconds, for each run.

    Called with `_changing` held.
    """
    global _removed
    _removed.append(descriptor)
    if _held and len(_removed) < _MOST_REMOVED:
        return
    descriptors, _removed = _removed, []
    if len(descriptors) > 1:  # that of a single run is not worth a thread
        with contextlib.suppress(RuntimeError):  # the process ends, or may have no further thread
            threading.Thread(target=_close, args=(descriptors,), daemon=True).start()
            return
    _close(descriptors)


def _close(descriptors: Sequence[int]) -> None:
    for descriptor in descriptors:
        os.close(descriptor)


def _discard_held(path: Path) -> bool:
    """Whether this process held it. Called with `_changing` held."""
    if path not in _held:
        return False
    _held.discard(path)
    if not _held:
        _idle.set()
    return True


def _beat(idle: threading.Event) -> None:
    while not idle.wait(BEAT_SECONDS):
        for path in tuple(_held):
            with contextlib.suppress(OSError):
                os.utime(path)


def _forget_held() -> None:
    """In a forked child, which holds none of its parent's locks and has no thread but its own."""
    global _changing
    _changing = threading.Lock()  # another thread may have held it at the fork
    _held.clear()
    _close(_removed)
    _removed.clear()


os.register_at_fork(after_in_child=_forget_held)


def _lock_path(folder: Path) -> Path:
    return folder.resolve() / "lock"


def _is_held(descriptor: int) -> bool:
    """Asks the system, by F_GETLK: to try the lock would keep it from others for a moment."""
    if sys.platform == "darwin":
        layout, query = "qqihh", (0, 0, 0, fcntl.F_WRLCK, os.SEEK_SET)
        kind = 3
    else:
        layout, query = "hhqqi", (fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
        kind = 0
    answer = fcntl.fcntl(descriptor, fcntl.F_GETLK, struct.pack(layout, *query))
    return struct.unpack(layout, answer)[kind] != fcntl.F_UNLCK


def _other_host(descriptor: int, folder: Path) -> dict[str, Any] | None:
    """Returns the holder on another host, if the file names one and its last beat is recent."""
    holder = _holder(descriptor)
    if holder is None or holder.get("host") in (None, socket.gethostname()):
        return None
    return holder if is_recent(os.fstat(descriptor).st_mtime, folder, STALE_SECONDS) else None


def _holder(descriptor: int) -> dict[str, Any] | None:
    try:
        holder = json.loads(os.pread(descriptor, 4096, 0))
    except (ValueError, RecursionError):
        return None
    return holder if isinstance(holder, dict) else None


def _is_same_file(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


def _who(holder: dict[str, Any] | None) -> str:
    if holder is None:
        return "another process"
    return f"process {holder.get('pid')} on {holder.get('host')}"
