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
"""The locks that this process has taken and not given back, also the lost ones.

The keys are the path as it was given and the resolved path, which takes long to find."""

_changing = threading.Lock()
"""Held while `taken` changes, and from the opening of a lock file until its owner is known.

Closing any descriptor of a file drops the process's POSIX locks on it. So no thread may open the
file of a lock that this process holds, or is about to hold."""

_refused: set[str] = set()
"""The locks that this process could not take.

`is_locked` calls them free only when `RunLock` would succeed, so that nobody tries in vain again
and again."""

_idle = threading.Event()
"""Set when this process gives back its last lock: then the heartbeat thread ends."""

_HASTE_SECONDS = 0.2
_PAUSE_SECONDS = 0.05

_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
"""A clock that counts the time of a suspended machine, where there is one."""


class Locked(Exception):
    """Another process is training this run; the message names the process."""


class LockLost(Locked):
    """The error of a process whose run another process has taken over."""


class RunLock:
    """A context manager that holds a lock while its block runs.

    The lock of a process that has ended is free at once on its kernel, and after a minute for other
    hosts. The lock of a process that has stood still for a minute is taken over. Such a process
    finds out by `check_held`, before it writes.

    Args:
        folder: where the lock file is made; the folder need not exist.
        waits: whether to wait while another process holds the lock.

    Attributes:
        holder: this process, as the lock file names it.
        taken_from: the dead holder from which the lock was taken over, if any.
        is_lost: whether another process has taken the lock over.

    Raises:
        Locked: another process holds the lock, or it is not certain yet that its holder is dead;
            never with `waits`.
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
        self._beaten = 0.0  # when this process certainly held the lock, by `_now`

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
            # In each further round another process has taken or released the lock meanwhile.
            while not self._take():
                pass
            _refused.discard(self.path)
            if not taken:
                _idle = threading.Event()
                threading.Thread(target=_beat, args=(_idle,), daemon=True).start()
            taken[self.path] = taken[self._given_path] = self

    def __exit__(self, *error: object) -> None:
        with _changing:
            # A forked child has no locks, and must not release those of its parent.
            if taken.get(self.path) is self:
                taken.pop(self.path)
                taken.pop(self._given_path, None)
                if not self.is_lost:
                    self._remove_files()
                if not taken:
                    _idle.set()
            os.close(self._descriptor)  # which drops the POSIX lock

    def _take(self) -> bool:
        """Takes the lock; returns False if others have changed its files.

        Two processes never hold the lock: a process first makes its file, and then looks at those
        of the others. So at least one of two sees the other, and the one that does withdraws. The
        holder of an old file that wakes touches it before it looks for newer ones.
        """
        os.makedirs(os.path.dirname(self.path), exist_ok=True)
        before = self._dead_generations()
        self._number = before[-1] + 1 if before else 1
        made = lock_files.create(self._file)
        if made is None:
            return False
        self._descriptor, self.holder = made
        self._beaten = _now()
        is_held = False
        try:
            # A process that withdraws looks again: of two that saw each other one succeeds.
            with contextlib.suppress(Locked):
                is_held = self._dead_generations(self._number) == before and self._is_highest()
        finally:
            if not is_held:
                with contextlib.suppress(OSError):
                    os.unlink(self._file)
                os.close(self._descriptor)
        return is_held

    def _dead_generations(self, mine: int | None = None) -> list[int]:
        """Returns the other generations; raises Locked if one may be alive."""
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
        # In this order: a newer holder removes this file before its own.
        if os.path.lexists(file_of(self.path, self._number + 1)):
            return False
        try:
            return os.path.samestat(os.fstat(self._descriptor), os.stat(self._file))
        except FileNotFoundError:
            return False

    def _remove_files(self) -> None:
        # The lower files go first. An old holder that wakes must not find its file on top again.
        # In a folder that cannot be changed any more the files stay, without a lock.
        with contextlib.suppress(OSError):
            if self._is_highest():
                for number in generations(self.path):
                    if number <= self._number:
                        os.unlink(file_of(self.path, number))

    def check(self) -> None:
        """Raises LockLost if the lock is lost after a heartbeat pause."""
        if not self.is_lost and _now() - self._beaten < lock_files.seconds_to_be_sure():
            return
        # A process that takes the lock by mistake sees that this one lives, and withdraws.
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
            # The touch comes first: a process that takes the lock now sees it, or is seen below.
            os.utime(self._descriptor)
            if self._is_highest():
                self._beaten = now
                return True
            return False


def _now() -> float:
    return time.clock_gettime(_CLOCK)


def _beat(idle: threading.Event) -> None:
    """Touches all lock files of this process every few seconds."""
    while not idle.wait(lock_files.BEAT_SECONDS):
        for lock in dict.fromkeys(tuple(taken.values())):
            # What is lost is found out again by `check_held`, which takes its time.
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

    A folder that it has not locked passes. The check costs nothing while the heartbeat goes on.

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
    """Returns whether a process is training this run; takes no lock itself."""
    path = _lock_path(folder, name)
    return any(_seems_alive(found, path) for found in _look_at_all(path))


def holder_of(folder: Path, name: str = RUN_LOCK) -> Holder | None:
    """Returns the process that is training this run, if any."""
    path = _lock_path(folder, name)
    looks = _look_at_all(path)
    return looks[-1].holder if any(_seems_alive(found, path) for found in looks) else None


def _seems_alive(found: Look, path: str) -> bool:
    # A first look believes the clock; whoever has tried to take the lock is told the same here.
    is_doubted = found.life == "unsure" and (found.is_posix_held or path in _refused)
    return found.life == "alive" or is_doubted


def wait_for_doubts(folders: Iterable[Path]) -> bool:
    """Waits for two heartbeats if only the clock calls a lock dead.

    Then it is certain which ones are. Returns whether it had to wait.
    """
    looks = [found for folder in folders for found in _look_at_all(_lock_path(folder, RUN_LOCK))]
    if all(found.life != "unsure" for found in looks):
        return False
    time.sleep(lock_files.seconds_to_be_sure() * 1.01)
    return True


def remove_lock_of_finished_run(folder: Path) -> None:
    """Removes the lock files that dead holders of a finished run left.

    Here the clock alone decides, because nothing depends on this lock any more. A holder that wakes
    to train the run again finds out that it has lost the lock.
    """
    # To resolve the path takes several times as long as this question, which very many runs get.
    if not os.path.lexists(f"{folder}/{RUN_LOCK}"):
        return
    path = _lock_path(folder, RUN_LOCK)
    numbers = generations(path)  # before the look: what is made after it stays
    # A file without a name may be that of a process that takes the lock just now.
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
