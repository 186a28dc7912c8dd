"""Locks a folder by a file that names its holder: see `runs.lock_files`."""

import contextlib
import os
import threading
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Self

from seqsweep.runs import lock_files
from seqsweep.runs.lock_files import RUN_LOCK, Holder, Look, file_of, generations

taken: dict[str, "RunLock"] = {}
"""The locks that this process has taken and not released, including lost locks.

Each lock has two keys: the path as it was given, and the resolved path, which is slow to find."""

_changing = threading.Lock()
"""The mutex held while `taken` changes, and from opening a lock file until its owner is known.

Closing any descriptor of a file drops the process's POSIX locks on that file. So no thread may open
the file of a lock that this process holds, or is about to hold."""

_refused: set[str] = set()
"""The locks that this process could not take.

`is_locked` calls them locked while it is unsure, so that nobody retries in vain."""

_idle = threading.Event()
"""The event that ends the heartbeat thread when this process releases its last lock."""

_HASTE_SECONDS = 0.2
_PAUSE_SECONDS = 0.05

_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
"""A clock that also counts while the machine is suspended, if the system has one."""


class Locked(Exception):
    """Another process is training this run; the message names the process."""


class LockLost(Locked):
    """Another process has taken over a run that this process trained."""


class RunLock:
    """A context manager that holds a lock while its block runs.

    When a process ends, its lock is free at once on the same kernel, and after a minute for other
    hosts. If a process stands still for a minute, another process may take over its lock. The first
    process then detects the loss with `check_held`, before it writes.

    Args:
        folder: the folder of the lock file; it need not exist.
        waits: whether to wait while another process holds the lock.

    Attributes:
        holder: this process, as the lock file names it.
        taken_from: the dead holder from which the lock was taken over, if any.
        is_lost: whether another process has taken the lock over.

    Raises:
        Locked: another process holds the lock, or the death of the holder is not certain yet. With
            `waits` this error is never raised.
        OSError: the lock file cannot be written.
    """

    holder: Holder
    _descriptor: int

    def __init__(self, folder: Path, name: str = RUN_LOCK, waits: bool = False) -> None:
        self.folder = folder
        self.path = _lock_path(folder, name)
        self.taken_from: Holder | None = None
        self.is_lost = False
        self._waits = waits
        self._given_path = f"{folder}/{name}"
        self._number = 0
        self._last_beat = 0.0  # the last `_now` at which this lock was certainly held

    def __enter__(self) -> Self:
        while True:
            try:
                self._enter()
                return self
            except Locked:
                if not self._waits:
                    raise
            time.sleep(_PAUSE_SECONDS)

    def _enter(self) -> None:
        global _idle
        with _changing:
            if self.path in taken:
                raise Locked(f"{self.folder} is being trained by this process")
            # The loop repeats only if another process has taken or released the lock meanwhile.
            while not self._take():
                pass
            _refused.discard(self.path)
            if not taken:
                _idle = threading.Event()
                threading.Thread(target=_beat, args=(_idle,), daemon=True).start()
            taken[self.path] = taken[self._given_path] = self

    def __exit__(self, *error: object) -> None:
        with _changing:
            # A forked child has no locks, and must not release its parent's locks.
            if taken.get(self.path) is self:
                taken.pop(self.path)
                taken.pop(self._given_path, None)
                if not self.is_lost:
                    self._remove_files()
                if not taken:
                    _idle.set()
            os.close(self._descriptor)  # this drops the POSIX lock

    def _take(self) -> bool:
        """Takes the lock; returns False if other processes changed its files.

        Two processes never hold the lock at once, because each process makes its file before it
        looks for other files. So at least one of two processes sees the other one and withdraws. A
        holder that resumes touches its file first, then looks for newer files.
        """
        os.makedirs(os.path.dirname(self.path), exist_ok=True)
        before = self._dead_generations()
        self._number = before[-1] + 1 if before else 1
        made = lock_files.create(self._file)
        if made is None:
            return False
        self._descriptor, self.holder = made
        self._last_beat = _now()
        is_held = False
        try:
            # A process that withdraws tries again. After a collision, one of the two succeeds.
            with contextlib.suppress(Locked):
                is_held = self._dead_generations(self._number) == before and self._is_highest()
        finally:
            if not is_held:
                with contextlib.suppress(OSError):
                    os.unlink(self._file)
                os.close(self._descriptor)
        return is_held

    def _dead_generations(self, mine: int | None = None) -> list[int]:
        """Returns the other generations; raises Locked if a holder may be alive."""
        numbers = [number for number in generations(self.path) if number != mine]
        for number in numbers:
            found = lock_files.look(file_of(self.path, number))
            if found.life != "dead":
                _refused.add(self.path)
                holder = found.holder or "another process"
                raise Locked(f"{self.folder} is being trained by {holder}")
            self.taken_from = found.holder
        return numbers

    @property
    def _file(self) -> str:
        return file_of(self.path, self._number)

    def _is_highest(self) -> bool:
        # Look for a newer file first, because its holder removes ours before its own.
        if os.path.lexists(file_of(self.path, self._number + 1)):
            return False
        try:
            return os.path.samestat(os.fstat(self._descriptor), os.stat(self._file))
        except FileNotFoundError:
            return False

    def _remove_files(self) -> None:
        # The lower files are removed first, so that an old holder that resumes never finds its own
        # file as the highest. If the folder cannot be changed any more, the files stay unlocked.
        with contextlib.suppress(OSError):
            if self._is_highest():
                for number in generations(self.path):
                    if number <= self._number:
                        os.unlink(file_of(self.path, number))

    def check(self) -> None:
        """Raises LockLost if another process took the lock over during a pause."""
        if not self.is_lost and _now() - self._last_beat < lock_files.seconds_to_be_sure():
            return
        # Beat twice: a process that took the lock by mistake withdraws in between.
        if self.beat() or (not self.is_lost and time.sleep(_HASTE_SECONDS) is None and self.beat()):
            return
        self.is_lost = True
        raise LockLost(
            f"{os.path.dirname(self.path)} is trained by another process now, because this one "
            "has stood still for a minute; it writes nothing more there"
        )

    def beat(self) -> bool:
        """Touches the file; returns whether this process still holds the lock.

        Raises:
            OSError: the file cannot be touched.
        """
        with _changing:
            if self.is_lost or taken.get(self.path) is not self:
                return False
            now = _now()
            # Touch first: a process that takes the lock now sees the touch, or we see its file.
            os.utime(self._descriptor)
            if self._is_highest():
                self._last_beat = now
                return True
            return False


def _now() -> float:
    return time.clock_gettime(_CLOCK)


def _beat(idle: threading.Event) -> None:
    """Touches all lock files of this process every few seconds."""
    while not idle.wait(lock_files.BEAT_SECONDS):
        for lock in dict.fromkeys(tuple(taken.values())):
            # A loss is ignored here; `check_held` detects it and raises.
            with contextlib.suppress(OSError):
                lock.beat()


def _forget_taken() -> None:
    """Clears this module's state in a forked child, which has no locks."""
    global _changing
    _changing = threading.Lock()  # another thread may have held it at the fork
    taken.clear()


os.register_at_fork(after_in_child=_forget_taken)


def check_held(folder: Path, name: str = RUN_LOCK) -> None:
    """Checks that this process may write in a folder.

    A folder that this process has not locked passes. The check is cheap while the heartbeat runs.

    Raises:
        LockLost: another process has taken the lock over.
        OSError: the lock file cannot be touched any more.
    """
    lock = taken.get(f"{folder}/{name}")
    if lock is None and taken:
        lock = taken.get(_lock_path(folder, name))
    if lock is not None:
        lock.check()


def is_locked(folder: Path, name: str = RUN_LOCK) -> bool:
    """Returns whether a process is training this run; takes no lock."""
    path = _lock_path(folder, name)
    return any(_seems_alive(found, path) for found in _look_at_all(path))


def holder_of(folder: Path, name: str = RUN_LOCK) -> Holder | None:
    """Returns the process that is training this run, if any."""
    path = _lock_path(folder, name)
    looks = _look_at_all(path)
    return looks[-1].holder if any(_seems_alive(found, path) for found in looks) else None


def _seems_alive(found: Look, path: str) -> bool:
    # An unsure lock counts as held if its POSIX lock is held, or if this process could not take it.
    is_doubted = found.life == "unsure" and (found.is_posix_held or path in _refused)
    return found.life == "alive" or is_doubted


def wait_until_certain(folders: Iterable[Path]) -> bool:
    """Waits for two heartbeats if only the clock calls a lock dead.

    Afterwards each lock is known to be alive or dead. Returns whether it had to wait.
    """
    looks = [found for folder in folders for found in _look_at_all(_lock_path(folder, RUN_LOCK))]
    if all(found.life != "unsure" for found in looks):
        return False
    time.sleep(lock_files.seconds_to_be_sure() * 1.01)
    return True


def remove_lock_of_finished_run(folder: Path) -> None:
    """Removes the lock files that dead processes left in a finished run.

    The clock alone decides here, because nothing depends on this lock any more. A holder that
    resumes and trains the run again detects that it has lost the lock.
    """
    # Resolving the path takes several times as long as this check, which is made for many runs.
    if not os.path.lexists(f"{folder}/{RUN_LOCK}"):
        return
    path = _lock_path(folder, RUN_LOCK)
    numbers = generations(path)  # read before the look, so that newer files stay
    # A file that names no holder may belong to a process that is just taking the lock.
    if all(found.holder for found in _look_at_all(path)) and not is_locked(folder):
        with contextlib.suppress(OSError):
            for number in numbers:
                os.unlink(file_of(path, number))


def _look_at_all(path: str) -> list[Look]:
    """Looks at the readable generations of a lock, the lowest first."""
    found: list[Look] = []
    with _changing:
        lock = taken.get(path)
        if lock is not None and not lock.is_lost:
            return [Look("alive", lock.holder, is_posix_held=True)]
        with contextlib.suppress(OSError):
            for number in generations(path):
                found.append(lock_files.look(file_of(path, number)))
    return found


def _lock_path(folder: Path, name: str) -> str:
    return f"{os.path.realpath(folder)}/{name}"
