"""Locks a folder by a file that names its holder: see `runs.lock_files`."""

import contextlib
import functools
import os
import threading
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Self

from seqsweep.errors import LockLost, RunLocked
from seqsweep.runs import lock_files
from seqsweep.runs.files import check_no_link
from seqsweep.runs.held_folders import hold, open_file, release, replace, status_of, unlink
from seqsweep.runs.lock_files import SURE_BEATS, Holder, Look, file_of, generations, look

RUN_LOCK = "lock"
"""The name of the lock in a run's folder; other locks lie in the folder of a sweep."""

taken: dict[str, "RunLock"] = {}
"""The locks that this process has taken and not released, including lost locks.

Each lock has two keys: the path as it was given, and the resolved path, which is slow to find."""

_changing = threading.Lock()
"""The mutex held while `taken` changes, and from opening a lock file until its owner is known.

Closing any descriptor of a file drops the process's POSIX locks on that file. So no thread may open
the file of a lock that this process holds, or is about to hold."""

_idle = threading.Event()
"""The event that ends the heartbeat thread when this process releases its last lock."""

_NEW_FILE = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
_PAUSE_SECONDS = 0.05  # between two attempts to take a lock
_HASTE_SECONDS = 0.2  # after which a process that took a lock by mistake has withdrawn

# This clock also counts while the machine is suspended, if the system has such a clock.
_now = functools.partial(time.clock_gettime, getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


class RunLock:
    """A context manager that holds a lock while its block runs.

    When a process ends, its lock is free at once on the same kernel, and after a minute for other
    hosts. If a process stands still for a minute, another process may take over its lock. The first
    process then detects the loss with `check_held`, before it writes.

    Args:
        folder: the folder of the lock file; it need not exist.
        waits: whether to wait while another process holds the lock.
        trusts_clock: whether a holder counts as dead as soon as the clock says so.

    Attributes:
        holder: this process, as the lock file names it.
        taken_from: the dead holder from which the lock was taken over, if any.

    Raises:
        RunLocked: another process holds the lock, or the death of the holder is not certain yet.
            With `waits` this error is never raised.
        OSError: the lock file cannot be written, or a run's folder is refused by `check_no_link`.
    """

    holder: Holder
    taken_from: Holder | None
    _number: int
    _file: str
    _descriptor: int
    _status: os.stat_result | None = None  # of the folder of a run
    _last_beat: float  # the last `_now` at which this lock was certainly held

    def __init__(
        self, folder: Path, name: str = RUN_LOCK, waits: bool = False, trusts_clock: bool = False
    ) -> None:
        self.folder = folder
        self.path = _lock_path(folder, name)
        # Logging names the folder by its absolute path.
        names = (os.path.dirname(self.path), str(folder), os.path.abspath(folder))
        self._names: tuple[str, ...] = names if name == RUN_LOCK else ()
        self.is_lost = False
        self._keys = (self.path, f"{folder}/{name}")
        self._waits = waits
        self._trusts_clock = trusts_clock

    def __enter__(self) -> Self:
        global _idle
        while True:
            try:
                with _changing:
                    if self.path in taken:
                        raise RunLocked(f"{self.folder} is being trained by this process")
                    # This repeats only if another process has changed the files meanwhile.
                    while not self._take():
                        pass
                    if not taken:
                        _idle = threading.Event()
                        threading.Thread(target=_beat, args=(_idle,), daemon=True).start()
                    taken.update(dict.fromkeys(self._keys, self))
                    return self
            except RunLocked:
                if not self._waits:
                    raise
            time.sleep(_PAUSE_SECONDS)

    def __exit__(self, *error: object) -> None:
        with _changing:
            # A forked child has no locks, and must not release its parent's locks.
            if taken.get(self.path) is self:
                for key in self._keys:
                    taken.pop(key, None)
                self._remove_files()
                release(*self._names)
                if not taken:
                    _idle.set()
            os.close(self._descriptor)  # this drops the POSIX lock

    def _take(self) -> bool:
        """Takes the lock; returns False if other processes changed its files.

        Two processes never hold the lock at once, because each process makes its file before it
        looks for other files. So at least one of two processes sees the other one and withdraws. A
        holder that resumes touches its file first, then looks for newer files.
        """
        if self._names:
            check_no_link(self.folder)
        os.makedirs(os.path.dirname(self.path), exist_ok=True)
        with contextlib.ExitStack() as undo:
            if self._names:
                undo.callback(release, *self._names)
                try:
                    self._status = hold(*self._names)
                except FileNotFoundError:  # the folder has been removed
                    return False
            is_held = self._make_file()
            if is_held:
                undo.pop_all()
        return is_held

    def _make_file(self) -> bool:
        """Makes the lock's file; removes it and returns False if others changed the files."""
        before = self._dead_generations()
        self._number = before[-1] + 1 if before else 1
        self._file = file_of(self.path, self._number)
        try:
            self._descriptor = open_file(self._file, _NEW_FILE, 0o644)
        except (FileExistsError, FileNotFoundError):  # or the folder has been removed
            return False
        except OSError as error:  # the name of a lock would tell a user nothing
            error.filename = os.path.dirname(self.path)
            raise
        is_held = False
        try:
            self._last_beat = _now()
            self.holder = lock_files.write_holder(self._descriptor, self._file)
            # A process that withdraws tries again. After a collision, one of the two succeeds.
            with contextlib.suppress(RunLocked):
                is_held = self._dead_generations(self._number) == before and self._is_highest()
        finally:
            if not is_held:
                with contextlib.suppress(OSError):
                    unlink(self._file)
                os.close(self._descriptor)
        return is_held

    def _dead_generations(self, mine: int | None = None) -> list[int]:
        """Returns the numbers of the other lock files; raises RunLocked if a holder may live."""
        numbers = [number for number in generations(self.path) if number != mine]
        self.taken_from = None
        for number in numbers:
            found = look(file_of(self.path, number))
            if found.seems_alive if self._trusts_clock else found.life != "dead":
                if found.life == "unsure":
                    lock_files.doubted.add(file_of(self.path, number))
                holder = found.holder or "another process"
                raise RunLocked(f"{self.folder} is being trained by {holder}")
            self.taken_from = found.holder
        return numbers

    def _is_highest(self) -> bool:
        # Look for a newer file first, because its holder removes ours before its own.
        if status_of(file_of(self.path, self._number + 1)) is not None:
            return False
        status = status_of(self._file)
        return status is not None and os.path.samestat(os.fstat(self._descriptor), status)

    def _remove_files(self) -> None:
        # The lower files are removed first, so that an old holder that resumes never finds its own
        # file as the highest. Our file replaces the first one before it goes, so that a process
        # killed here leaves the first file, which others find. If a file cannot be removed, the
        # rest stays, but without a POSIX lock.
        with contextlib.suppress(OSError):
            if self._is_highest():
                for number in range(2, self._number):
                    unlink(file_of(self.path, number))
                if self._number > 1:
                    replace(self._file, self.path)
                unlink(self.path)

    def check_in_place(self) -> None:
        """Raises OSError if the run's folder was moved or replaced since the lock was taken."""
        if self._status is not None:
            now = status_of(self._names[0])
            if now is None or not os.path.samestat(now, self._status):
                was = "was moved or replaced while the run trained"
                raise OSError(f"{self._names[0]}: {was}; nothing more is written there")

    def is_held(self) -> bool:
        """Returns whether this process still holds the lock; beats after a pause."""
        pause = _now() - self._last_beat
        if pause >= SURE_BEATS * lock_files.BEAT_SECONDS and not self.is_lost and not self.beat():
            # Beat twice: a process that took the lock by mistake withdraws in between.
            time.sleep(_HASTE_SECONDS)
            self.is_lost = not self.beat()
        return not self.is_lost

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
            is_highest = self._is_highest()
            if is_highest:
                self._last_beat = now
            return is_highest


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


def check_held(folder: Path) -> None:
    """Checks that this process may write in the folder of a run.

    A folder that this process has not locked passes. The check is cheap while the heartbeat runs.

    Raises:
        LockLost: another process has taken the lock over.
        OSError: the lock file cannot be touched any more.
    """
    lock = taken.get(f"{folder}/{RUN_LOCK}")
    if lock is None and taken:
        lock = taken.get(_lock_path(folder, RUN_LOCK))
    if lock is not None and not lock.is_held():
        raise LockLost(
            f"{os.path.dirname(lock.path)} is trained by another process now, because this one "
            "has stood still for a minute; it writes nothing more there"
        )
    if lock is not None:
        lock.check_in_place()


def is_locked(folder: Path, name: str = RUN_LOCK) -> bool:
    """Returns whether a process seems to hold the lock of a folder; takes no lock."""
    return any(found.seems_alive for found in _look_at_all(folder, name))


def holder_of(folder: Path) -> Holder | None:
    """Returns the process that seems to train the run of a folder, if any."""
    alive = [found.holder for found in _look_at_all(folder) if found.seems_alive]
    return alive[-1] if alive else None


def wait_until_certain(folders: Iterable[Path]) -> bool:
    """Waits for two heartbeats if only the clock calls a lock dead.

    Afterwards each lock is known to be alive or dead. Returns whether it had to wait.
    """
    looks = [found for folder in folders for found in _look_at_all(folder)]
    is_unsure = any(found.life == "unsure" for found in looks)
    if is_unsure:
        time.sleep(SURE_BEATS * lock_files.BEAT_SECONDS * 1.01)
    return is_unsure


def remove_lock_of_finished_run(folder: Path) -> None:
    """Removes the lock files that dead processes left in a finished run.

    The clock alone decides here, because nothing depends on this lock any more. A holder that
    resumes and trains the run again detects that it has lost the lock.
    """
    # Resolving the path takes several times as long as this check, which is made for many runs.
    if os.path.lexists(f"{folder}/{RUN_LOCK}"):
        with contextlib.suppress(RunLocked, OSError), RunLock(folder, trusts_clock=True):
            pass  # releasing the lock removes the files


def _look_at_all(folder: Path, name: str = RUN_LOCK) -> list[Look]:
    """Looks at the files of a lock, the lowest first, until one cannot be read."""
    path = _lock_path(folder, name)
    found: list[Look] = []
    with _changing:
        lock = taken.get(path)
        if lock is not None and not lock.is_lost:
            return [Look("alive", lock.holder, seems_alive=True)]
        with contextlib.suppress(OSError):
            for number in generations(path):
                found.append(look(file_of(path, number)))
    return found


def _lock_path(folder: Path, name: str) -> str:
    if name != RUN_LOCK:
        return f"{os.path.realpath(folder)}/{name}"
    # The folder of a run may not be a link, and would lead elsewhere if it became one now.
    parent, last = os.path.split(os.path.abspath(folder))
    return f"{os.path.realpath(parent)}/{last}/{name}"
