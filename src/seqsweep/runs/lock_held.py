"""The locks that this process holds, and the heartbeat that keeps them."""

import contextlib
import os
import threading
import time

from seqsweep.runs import lock_files
from seqsweep.runs.lock_files import Holder, file_of, generations

changing = threading.Lock()
"""Held while the values below change, and from the opening of a lock file until its owner is known.
If another thread opened and closed the same file in between, it would drop the lock."""

held: dict[str, "Hold"] = {}
"""The locks that this process holds.

Their files must not be opened again, because closing any descriptor of a file drops the process's
POSIX locks on this file."""

taken: dict[str, "Hold"] = {}
"""The locks that blocks of this process have taken and not given back, also the lost ones.

The keys are the path as the block has it and the resolved path."""

_idle = threading.Event()
"""Set when this process releases its last lock: then the heartbeat thread ends."""

_HASTE_SECONDS = 0.2

_now = (
    (lambda: time.clock_gettime(time.CLOCK_BOOTTIME))  # counts the time of a suspended machine
    if hasattr(time, "CLOCK_BOOTTIME")
    else time.monotonic
)


class Locked(Exception):
    """Another process is training this run; the message names the process."""


class LockLost(Locked):
    """The error of a process whose run another process has taken over."""


class Hold:
    """A lock file that this process has made.

    Attributes:
        beaten: when it was last certain that this process holds the lock, by `_now`.
        is_lost: whether another process has taken the lock over.
    """

    def __init__(self, path: str, number: int, descriptor: int, holder: Holder) -> None:
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
            f"{os.path.dirname(self.path)} is trained by another process now, because this one "
            "has stood still for a minute; it writes nothing more there"
        )

    def beat(self) -> bool:
        """Touches the file; returns whether this process still holds the lock.

        Raises:
            OSError: the file cannot be touched.
        """
        with changing:
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
        with changing:
            if not self.is_lost:
                self.is_lost = True
                discard_held(self)
                os.close(self.descriptor)

    def release(self) -> None:
        """Removes the files of the lock; called with `changing` held."""
        # The lower files go first. An old holder that wakes must not find its file on top again.
        # In a folder that cannot be changed any more the files stay, without a lock.
        with contextlib.suppress(OSError):
            if self._is_highest():
                for number in generations(self.path) if self.number > 1 else ():
                    if number < self.number:
                        os.unlink(file_of(self.path, number))
                os.unlink(self.file)
        self.close()

    def withdraw(self) -> None:
        """Removes this file alone; called with `changing` held."""
        with contextlib.suppress(OSError):
            os.unlink(self.file)
        self.close()

    def close(self) -> None:
        os.close(self.descriptor)  # which drops the POSIX lock


def add_held(hold: Hold) -> None:
    """Adds a lock of this process; the first one starts the heartbeat thread.

    Called with `changing` held.
    """
    global _idle
    if not held:
        _idle = threading.Event()
        threading.Thread(target=_beat, args=(_idle,), daemon=True).start()
    held[hold.path] = hold


def discard_held(hold: Hold) -> bool:
    """Forgets a lock; returns whether this process held it. Called with `changing` held."""
    if held.get(hold.path) is not hold:
        return False
    del held[hold.path]
    if not held:
        _idle.set()
    return True


def _beat(idle: threading.Event) -> None:
    """Touches all lock files of this process every few seconds, until it holds none."""
    while not idle.wait(lock_files.BEAT_SECONDS):
        for hold in tuple(held.values()):
            # What is lost is found out again by `check_held`, which takes its time.
            with contextlib.suppress(OSError):
                hold.beat()


def _forget_held() -> None:
    """Clears this module's state in a forked child, which has no locks."""
    global changing
    changing = threading.Lock()  # another thread may have held it at the fork
    held.clear()
    taken.clear()


os.register_at_fork(after_in_child=_forget_held)
