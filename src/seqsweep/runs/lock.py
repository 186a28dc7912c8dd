"""Locks a run's folder by a file that names its holder: see `runs.lock_files`."""

import contextlib
import fcntl
import os
import threading
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Self

from seqsweep.runs import lock_files
from seqsweep.runs.files import Damaged
from seqsweep.runs.lock_files import Holder, Life, Look, create, file_of, generations, look

_changing = threading.Lock()
"""Held while the values below change, and from the opening of a lock file until its owner is known.
If another thread opened and closed the same file in between, it would drop the lock."""

_held: dict[Path, "_Hold"] = {}
"""The locks that this process holds.

Their files must not be opened again, because closing any descriptor of a file drops the process's
POSIX locks on this file."""

_taken: dict[Path, "_Hold"] = {}
"""The locks that blocks of this process have taken and not given back, also the lost ones; by the
path as the block has it and by the resolved path."""

_refused: set[Path] = set()
"""The locks that this process could not take. `is_locked` says no sooner than `RunLock` succeeds,
so that whoever waits between two attempts does not try in vain again and again."""

_idle = threading.Event()
"""Set when this process releases its last lock: then the heartbeat thread ends."""

_removed: list[int] = []
"""The descriptors of lock files that were removed and are not closed yet."""

_MOST_REMOVED = 64
_HASTE_SECONDS = 0.2

_now = (
    (lambda: time.clock_gettime(time.CLOCK_BOOTTIME))  # counts the time of a suspended machine
    if hasattr(time, "CLOCK_BOOTTIME")
    else time.monotonic
)


class Locked(Exception):
    """Another process is training this run; the message names the process."""


class LockLost(Locked):
    """This process held the lock of a run, and another process has taken the run over."""


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

    def __init__(self, folder: Path, name: str = "lock") -> None:
        self.folder = folder
        self.path = _lock_path(folder, name)
        self.taken_from: Holder | None = None

    def __enter__(self) -> Self:
        with _changing:
            if self.path in _taken:
                raise Locked(f"{self.folder} is being trained by this process")
            # Each further round means that another process has taken or released the lock meanwhile.
            while (hold := self._take()) is None:
                pass
            _refused.discard(self.path)
            _taken[self.path] = _taken[self.folder / self.path.name] = self._hold = hold
            _add_held(hold)
        return self

    def __exit__(self, *error: object) -> None:
        # `_changing` is held until the lock is dropped. If `is_locked` opened the file in between,
        # it would drop the lock and leave the file.
        with _changing:
            _taken.pop(self.path, None)
            _taken.pop(self.folder / self.path.name, None)
            if _discard_held(self._hold):
                self._hold.release()
            elif not self._hold.is_lost:  # in a forked child, whose parent holds the lock
                os.close(self._hold.descriptor)

    def _take(self) -> "_Hold | None":
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
        hold = _Hold(self.path, number, *made)
        try:
            is_mine = self._dead_generations(number) == before
        except BaseException:
            hold.withdraw()
            raise
        if not is_mine:
            hold.withdraw()
            return None
        return hold

    def _dead_generations(self, mine: int | None = None) -> list[int]:
        """Returns the generations besides mine, all of which are dead.

        Raises:
            Locked: one of them may be alive.
        """
        if mine is None:
            with contextlib.suppress(FileExistsError):
                self.path.parent.mkdir(parents=True)
                return []
        numbers = [number for number in generations(self.path) if number != mine]
        for number in numbers:
            found = self._look(file_of(self.path, number))
            if found.life is not Life.DEAD:
                _refused.add(self.path)
                raise Locked(f"{self.folder} is being trained by {found.holder or 'another process'}")
            self.taken_from = found.holder
        return numbers

    def _look(self, path: Path) -> Look:
        try:
            return look(path)
        except Damaged:
            raise OSError(f"{path}: must be a regular file; remove it") from None


class _Hold:
    """A lock file that this process has made.

    Attributes:
        beaten: when it was last certain that this process holds the lock, by `_now`.
        is_lost: whether another process has taken the lock over.
    """

    def __init__(self, path: Path, number: int, descriptor: int, holder: Holder) -> None:
        self.path = path
        self.number = number
        self.file = file_of(path, number)
        self.next = file_of(path, number + 1)
        self.descriptor = descriptor
        self.holder = holder
        self.beaten = _now()
        self.is_lost = False

    def check(self) -> None:
        """Raises LockLost if the lock is lost; looks only after a pause of the heartbeat."""
        if not self.is_lost and _now() - self.beaten < lock_files.seconds_to_be_sure():
            return
        # A process that takes the lock by mistake sees that this one lives, and withdraws.
        if self.beat() or (not self.is_lost and time.sleep(_HASTE_SECONDS) is None and self.beat()):
            return
        self._lose()
        raise LockLost(
            f"{self.path.parent} is trained by another process now, because this one has stood "
            "still for a minute; it writes nothing more there"
        )

    def beat(self) -> bool:
        """Touches the file; returns whether this process still holds the lock.

        Raises:
            OSError: the file cannot be touched.
        """
        with _changing:
            if self.is_lost:
                return False
            now = _now()
            # The touch comes first: a process that takes the lock now sees it, or is seen below.
            os.utime(self.descriptor)
            if self._is_highest():
                self.beaten = now
                return True
            return False

    def _is_highest(self) -> bool:
        # In this order: a newer holder removes this file before its own.
        if os.path.lexists(self.next):
            return False
        try:
            return os.path.samestat(os.fstat(self.descriptor), os.stat(self.file))
        except FileNotFoundError:
            return False

    def _lose(self) -> None:
        with _changing:
            if not self.is_lost:
                self.is_lost = True
                _discard_held(self)
                os.close(self.descriptor)

    def release(self) -> None:
        """Removes the files of the lock; called with `_changing` held."""
        # The lower files go first. An old holder that wakes must not find its file on top again.
        # In a folder that cannot be changed any more the files stay, without a lock.
        with contextlib.suppress(OSError):
            if self._is_highest():
                for number in generations(self.path) if self.number > 1 else ():
                    if number < self.number:
                        file_of(self.path, number).unlink()
                self.file.unlink()
        self.close()

    def withdraw(self) -> None:
        """Removes this file alone; called with `_changing` held."""
        with contextlib.suppress(OSError):
            self.file.unlink()
        self.close()

    def close(self) -> None:
        if self.holder.has_posix:
            fcntl.lockf(self.descriptor, fcntl.LOCK_UN)
        _close_later(self.descriptor)


def check_held(folder: Path, name: str = "lock") -> None:
    """Checks that this process may write in a folder whose lock it has taken.

    A folder that it has not locked passes. The check costs nothing while the heartbeat goes on.

    Raises:
        LockLost: another process has taken the lock over.
        OSError: the lock file cannot be touched any more.
    """
    hold = _taken.get(folder / name)
    if hold is None and _taken:
        hold = _taken.get(_lock_path(folder, name))
    if hold is not None:
        hold.check()


def is_locked(folder: Path, name: str = "lock") -> bool:
    """Returns whether a process is training this run; takes no lock itself."""
    path = _lock_path(folder, name)
    return any(
        # A first look believes the clock; whoever has tried to take the lock is told the same here.
        found.life is Life.ALIVE
        or (found.life is Life.UNSURE and (found.is_posix_held or path in _refused))
        for found in _look_at_all(path)
    )


def holder_of(folder: Path, name: str = "lock") -> Holder | None:
    """Returns the process that is training this run, if any."""
    if not is_locked(folder, name):
        return None
    found = _look_at_all(_lock_path(folder, name))
    return found[-1].holder if found else None


def wait_for_doubts(folders: Iterable[Path], name: str = "lock") -> bool:
    """Waits until it is certain which of these locks are dead; returns whether it had to wait.

    A lock that only the clock calls dead is watched for two heartbeats.
    """
    looks = [found for folder in folders for found in _look_at_all(_lock_path(folder, name))]
    if all(found.life is not Life.UNSURE for found in looks):
        return False
    time.sleep(lock_files.seconds_to_be_sure() * 1.01)
    return True


def remove_dead_lock(folder: Path, name: str = "lock") -> None:
    """Removes the lock files that killed processes have left in a folder, if possible."""
    if os.path.lexists(f"{folder}/{name}"):
        with contextlib.suppress(Locked, OSError), RunLock(folder, name):
            pass  # releasing the lock removes the files


def _look_at_all(path: Path) -> list[Look]:
    """Looks at the generations of a lock, the lowest first; those that cannot be read are left."""
    with _changing:
        if (hold := _held.get(path)) is not None:
            return [Look(Life.ALIVE, hold.holder, is_posix_held=True)]
        found: list[Look] = []
        with contextlib.suppress(OSError, Damaged):
            for number in generations(path):
                found.append(look(file_of(path, number)))
        return found


def _add_held(hold: _Hold) -> None:
    """Adds a lock of this process; the first one starts the heartbeat thread.

    Called with `_changing` held.
    """
    global _idle
    if not _held:
        _idle = threading.Event()
        threading.Thread(target=_beat, args=(_idle,), daemon=True).start()
    _held[hold.path] = hold


def _discard_held(hold: _Hold) -> bool:
    """Forgets a lock; returns whether this process held it. Called with `_changing` held."""
    if _held.get(hold.path) is not hold:
        return False
    del _held[hold.path]
    if not _held:
        _idle.set()
    return True


def _beat(idle: threading.Event) -> None:
    """Touches all lock files of this process every few seconds, until it holds none."""
    while not idle.wait(lock_files.BEAT_SECONDS):
        for hold in tuple(_held.values()):
            # What is lost is found out again by `check_held`, which takes its time.
            with contextlib.suppress(OSError):
                hold.beat()


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


def _forget_held() -> None:
    """Clears this module's state in a forked child, which has no locks."""
    global _changing
    _changing = threading.Lock()  # another thread may have held it at the fork
    _held.clear()
    _taken.clear()
    _close(_removed)
    _removed.clear()


os.register_at_fork(after_in_child=_forget_held)


def _lock_path(folder: Path, name: str) -> Path:
    return folder.resolve() / name
