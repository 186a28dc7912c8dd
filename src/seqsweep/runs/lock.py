"""Locks a run's folder by a file that names its holder: see `runs.lock_files`."""

import contextlib
import os
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Self

from seqsweep.runs import lock_held
from seqsweep.runs.files import Damaged
from seqsweep.runs.lock_files import (
    RUN_LOCK,
    Holder,
    Life,
    Look,
    create,
    file_of,
    generations,
    look,
    seconds_to_be_sure,
)
from seqsweep.runs.lock_held import Hold, Locked, LockLost, held, taken

__all__ = [
    "LockLost",
    "Locked",
    "RunLock",
    "check_held",
    "holder_of",
    "is_locked",
    "remove_dead_lock",
    "remove_lock_of_finished_run",
    "wait_for_doubts",
]

_refused: set[str] = set()
"""The locks that this process could not take.

`is_locked` calls them free only when `RunLock` would succeed, so that nobody tries in vain again
and again."""


class RunLock:
    """A context manager that holds `folder`/lock, or another name, while its block runs.

    The lock of a process that has ended is free at once on its kernel, and after a minute for other
    hosts. The lock of a process that has stood still for a minute is taken over. Such a process
    finds out by `check_held`, before it writes.

    Attributes:
        taken_from: the dead holder from which the lock was taken over, if any.

    Raises:
        Locked: another process holds the lock, or it is not certain yet that its holder is dead.
        OSError: the lock file cannot be written.
    """

    def __init__(self, folder: Path, name: str = RUN_LOCK) -> None:
        self.folder = folder
        self.path = _lock_path(folder, name)
        self._given_path = f"{folder}/{name}"
        self.taken_from: Holder | None = None

    def __enter__(self) -> Self:
        with lock_held.changing:
            if self.path in taken:
                raise Locked(f"{self.folder} is being trained by this process")
            # In each further round another process has taken or released the lock meanwhile.
            while (hold := self._take()) is None:
                pass
            _refused.discard(self.path)
            taken[self.path] = taken[self._given_path] = self._hold = hold
            lock_held.add_held(hold)
        return self

    def __exit__(self, *error: object) -> None:
        # `changing` is held until the lock is dropped. If `is_locked` opened the file in between,
        # it would drop the lock and leave the file.
        with lock_held.changing:
            taken.pop(self.path, None)
            taken.pop(self._given_path, None)
            if lock_held.discard_held(self._hold):
                self._hold.release()
            elif not self._hold.is_lost:  # in a forked child, whose parent holds the lock
                os.close(self._hold.descriptor)

    def _take(self) -> Hold | None:
        """Takes the lock; returns None if another process has changed its files meanwhile.

        Two processes never hold the lock: a process first makes its file, and then looks at those
        of the others. So at least one of two sees the other, and the one that does withdraws. The
        holder of an old file that wakes touches it before it looks for newer ones.
        """
        before = self._dead_generations()
        number = before[-1] + 1 if before else 1
        made = create(file_of(self.path, number))
        if made is None:
            return None
        hold = Hold(self.path, number, *made)
        is_held = False
        try:
            # A process that withdraws looks again: of two that saw each other one succeeds.
            with contextlib.suppress(Locked):
                is_held = self._dead_generations(number) == before
        finally:
            if not is_held:
                hold.withdraw()
        return hold if is_held else None

    def _dead_generations(self, mine: int | None = None) -> list[int]:
        """Returns the generations besides mine, all of which are dead.

        Raises:
            Locked: one of them may be alive.
        """
        if mine is None:
            with contextlib.suppress(FileExistsError):
                os.makedirs(os.path.dirname(self.path))
                return []
        numbers = [number for number in generations(self.path) if number != mine]
        for number in numbers:
            found = self._look(file_of(self.path, number))
            if found.life is not Life.DEAD:
                _refused.add(self.path)
                raise Locked(
                    f"{self.folder} is being trained by {found.holder or 'another process'}"
                )
            self.taken_from = found.holder
        return numbers

    def _look(self, path: str) -> Look:
        try:
            return look(path)
        except Damaged:
            raise OSError(f"{path}: must be a regular file; remove it") from None


def check_held(folder: Path, name: str = RUN_LOCK) -> None:
    """Checks that this process may write in a folder whose lock it has taken.

    A folder that it has not locked passes. The check costs nothing while the heartbeat goes on.

    Raises:
        LockLost: another process has taken the lock over.
        OSError: the lock file cannot be touched any more.
    """
    hold = taken.get(f"{folder}/{name}")
    if hold is None and taken:
        hold = taken.get(_lock_path(folder, name))
    if hold is not None:
        hold.check()


def is_locked(folder: Path, name: str = RUN_LOCK) -> bool:
    """Returns whether a process is training this run; takes no lock itself."""
    path = _lock_path(folder, name)
    return any(
        # A first look believes the clock; whoever has tried to take the lock is told the same here.
        found.life is Life.ALIVE
        or (found.life is Life.UNSURE and (found.is_posix_held or path in _refused))
        for found in _look_at_all(path)
    )


def holder_of(folder: Path, name: str = RUN_LOCK) -> Holder | None:
    """Returns the process that is training this run, if any."""
    if not is_locked(folder, name):
        return None
    found = _look_at_all(_lock_path(folder, name))
    return found[-1].holder if found else None


def wait_for_doubts(folders: Iterable[Path], name: str = RUN_LOCK) -> bool:
    """Waits until it is certain which of these locks are dead.

    Returns whether it had to wait. A lock that only the clock calls dead is watched
    for two heartbeats.
    """
    looks = [found for folder in folders for found in _look_at_all(_lock_path(folder, name))]
    if all(found.life is not Life.UNSURE for found in looks):
        return False
    time.sleep(seconds_to_be_sure() * 1.01)
    return True


def remove_dead_lock(folder: Path, name: str = RUN_LOCK) -> None:
    """Removes the lock files that killed processes have left in a folder, if possible."""
    if os.path.lexists(f"{folder}/{name}"):
        with contextlib.suppress(Locked, OSError), RunLock(folder, name):
            pass  # releasing the lock removes the files


def remove_lock_of_finished_run(folder: Path) -> None:
    """Removes the lock files of a finished run whose holders seem to be dead.

    Here the clock alone decides, because nothing depends on this lock any more. A holder that wakes
    to train the run again finds out that it has lost the lock.
    """
    # To resolve the path takes several times as long as this question, which very many runs get.
    if os.path.lexists(f"{folder}/{RUN_LOCK}"):
        path = _lock_path(folder, RUN_LOCK)
        with contextlib.suppress(OSError):
            numbers = generations(path)  # before the look: what is made after it stays
            for number in numbers if not is_locked(folder) else ():
                os.unlink(file_of(path, number))


def _look_at_all(path: str) -> list[Look]:
    """Looks at the readable generations of a lock, the lowest first."""
    with lock_held.changing:
        if (hold := held.get(path)) is not None:
            return [Look(Life.ALIVE, hold.holder, is_posix_held=True)]
        found: list[Look] = []
        with contextlib.suppress(OSError, Damaged):
            for number in generations(path):
                found.append(look(file_of(path, number)))
        return found


def _lock_path(folder: Path, name: str) -> str:
    return f"{os.path.realpath(folder)}/{name}"
