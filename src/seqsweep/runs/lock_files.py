"""The files of a lock, and whether their holders are alive.

A lock is the file `lock`, and after a takeover also `lock.2`, `lock.3` and so on. The highest of
these generations is the holder. A file of a lock appears under its name only if this name is free,
which every file system guarantees, and it appears with its content.

Clocks are not trusted. A holder touches its file every few seconds. It counts as dead if this
process has seen for a while that the file does not change. The exception is a holder on this
kernel: the kernel drops its POSIX lock when the process ends.
"""

import contextlib
import errno
import fcntl
import functools
import json
import os
import struct
import sys
import time
from enum import Enum
from pathlib import Path
from typing import Any, NamedTuple

from seqsweep.runs.files import open_regular
from seqsweep.runs.host import host_name, is_recent

RUN_LOCK = "lock"
"""The name of the lock in a run's folder; other locks lie in the folder of a sweep."""

BEAT_SECONDS = 5.0
STALE_SECONDS = 60.0

_UNSUPPORTED = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)
"""The errors of a file system without POSIX locks."""

_seen: dict[str, tuple[tuple[int, int], float]] = {}
"""The version of each lock file that was looked at, and when it was first seen.

The time is in seconds of this process's monotonic clock."""


class Holder(NamedTuple):
    """The process that a lock file names.

    Attributes:
        since: the time at which it took the lock, in seconds since 1970.
        boot: names the running kernel; None where there is no such name.
        has_posix: whether it also holds a POSIX lock.
    """

    host: str
    pid: int
    since: float
    boot: str | None
    has_posix: bool

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}"

    @property
    def is_on_this_kernel(self) -> bool:
        # Virtual machines may have the same name. Without boot ids, the name alone decides.
        return self.host == host_name() and self.boot == boot_id()


class Life(Enum):
    """The state of the holder of a lock file.

    A holder is UNSURE while only the clock says that its file has not been touched lately.
    """

    ALIVE = "alive"
    UNSURE = "unsure"
    DEAD = "dead"


class Look(NamedTuple):
    """The result of one look at a lock file."""

    life: Life
    holder: Holder | None = None
    is_posix_held: bool = False


@functools.cache
def boot_id() -> str | None:
    """Returns a name that only the running kernel has, or None."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return None


def file_of(path: str, generation: int) -> str:
    """Returns the file of a generation; the first one has no number.

    Paths are strings here, because a `Path` takes as long as a system call.
    """
    return path if generation == 1 else f"{path}.{generation}"


def generations(path: str) -> list[int]:
    """Returns the generations of a lock that exist, the lowest first.

    Raises:
        OSError: the folder does not exist, or cannot be read.
    """
    folder, _, first = path.rpartition("/")
    if first != RUN_LOCK:
        return _probed_generations(path)
    rests = [name[len(first) :] for name in os.listdir(folder) if name.startswith(first)]
    numbers = [int(rest[1:]) for rest in rests if rest[:1] == "." and rest[1:].isdecimal()]
    return [*([1] if "" in rests else []), *sorted(numbers)]


def _probed_generations(path: str) -> list[int]:
    """Returns the generations without listing the folder, which may be large."""
    found: list[int] = []
    number = 1
    # A process that was killed while it removed its files may have left a gap.
    while number < 10 or number - 1 in found:
        if os.path.lexists(file_of(path, number)):
            found.append(number)
        number += 1
    return found


def create(path: str) -> tuple[int, Holder] | None:
    """Creates a lock file that names this process; returns its open descriptor.

    Returns None if the file exists, or if another process has cleaned up in between.

    Raises:
        OSError: the file cannot be written.
    """
    # No process of another host chooses this name, and `remove_temporary` understands it.
    number = int.from_bytes(os.urandom(7))
    folder, _, name = path.rpartition("/")
    temporary = f"{folder}/.{name}.{os.getpid()}-{number}.tmp"
    descriptor, holder = _write_new(temporary)
    try:
        # A link appears with the content, and only if the name is free.
        os.link(temporary, path)
        is_made = True
    except FileNotFoundError:
        is_made = False
    except FileExistsError:
        # A network file system may repeat a request whose answer was lost.
        is_made = os.fstat(descriptor).st_nlink == 2
    except OSError:
        os.close(descriptor)
        os.unlink(temporary)
        return _create_without_links(path)
    with contextlib.suppress(OSError):
        os.unlink(temporary)
    if is_made:
        return descriptor, holder
    os.close(descriptor)
    return None


def _create_without_links(path: str) -> tuple[int, Holder] | None:
    """Creates a lock file where there are no hard links.

    The file is empty for a moment. A process that takes it for dead in this moment is noticed: see
    `RunLock`.
    """
    try:
        return _write_new(path)
    except FileExistsError:
        return None


def _write_new(path: str) -> tuple[int, Holder]:
    """Creates a file, locks it and writes the name of this process into it."""
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(path, flags, 0o644)
    try:
        has_posix = take_posix_lock(descriptor)
        holder = Holder(host_name(), os.getpid(), time.time(), boot_id(), has_posix)
        os.pwrite(descriptor, _text_of(holder), 0)
    except OSError as error:
        os.close(descriptor)
        os.unlink(path)
        error.filename = path
        raise
    return descriptor, holder


def take_posix_lock(descriptor: int) -> bool:
    """Locks a file that no other process has locked; False if the file system cannot."""
    try:
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in _UNSUPPORTED:
            return False
        raise
    return True


def look(path: str) -> Look:
    """Looks at a lock file that this process does not hold.

    Closing a file drops all POSIX locks that this process has on it.

    Raises:
        OSError: the file cannot be read.
        Damaged: it is not a regular file.
    """
    try:
        file = open_regular(path)  # read-only, which is all that another user may do
    except FileNotFoundError:
        _seen.pop(path, None)
        return Look(Life.DEAD)
    with file:
        descriptor = file.fileno()
        holder = read_holder(descriptor)
        is_held = _is_posix_held(descriptor)
        status = os.fstat(descriptor)
    # A process writes its name before it looks whether it has the lock, so an empty file is free.
    if holder is None and not is_held:
        return Look(Life.DEAD)
    if holder and holder.has_posix and holder.is_on_this_kernel and is_held is False:
        return Look(Life.DEAD, holder)
    seconds = _seconds_unchanged(path, (status.st_ino, status.st_mtime_ns))
    # A frozen process keeps its POSIX lock, so the touches count for it, too.
    return Look(_life(path, status.st_mtime, seconds, is_held is True), holder, is_held is True)


def _life(path: str, touched: float, seconds: float, is_posix_held: bool) -> Life:
    """Returns the state of a holder by the touches of its file.

    Args:
        touched: the last touch, by the clock of the folder.
        seconds: how long this process has seen no touch.
    """
    if seconds >= STALE_SECONDS:
        return Life.DEAD
    # The clock of the folder is asked only in case of doubt, because this writes a file.
    if is_posix_held and abs(time.time() - touched) < STALE_SECONDS:
        return Life.ALIVE
    if is_recent(touched, Path(path).parent, STALE_SECONDS):
        return Life.ALIVE
    return Life.DEAD if seconds >= seconds_to_be_sure() else Life.UNSURE


def seconds_to_be_sure() -> float:
    """Returns for how long a file that looks old must not change."""
    return 2 * BEAT_SECONDS


def _seconds_unchanged(path: str, version: tuple[int, int]) -> float:
    """Returns for how long this process has seen no other version of a file."""
    now = time.monotonic()
    seen, since = _seen.get(path, (None, now))
    if seen != version:
        since = now
        _seen[path] = (version, now)
    return now - since


def _is_posix_held(descriptor: int) -> bool | None:
    """Returns whether another process has locked the file; None if nobody can tell.

    F_GETLK only asks. Taking the lock would block other processes for a moment.
    """
    if sys.platform == "darwin":
        layout, query = "qqihh", (0, 0, 0, fcntl.F_WRLCK, os.SEEK_SET)
        kind = 3
    else:
        layout, query = "hhqqi", (fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
        kind = 0
    try:
        answer = fcntl.fcntl(descriptor, fcntl.F_GETLK, struct.pack(layout, *query))
    except OSError:
        return None
    return struct.unpack(layout, answer)[kind] != fcntl.F_UNLCK


def _text_of(holder: Holder) -> bytes:
    host, pid, since, boot, has_posix = holder
    content: dict[str, Any] = {"host": host, "pid": pid, "since": since, "boot": boot}
    return json.dumps(content if has_posix else content | {"posix": False}).encode()


def read_holder(descriptor: int) -> Holder | None:
    """Returns the holder that a lock file names; None without one."""
    try:
        content = json.loads(os.pread(descriptor, 4096, 0))
        host, pid, since = content["host"], content["pid"], content.get("since", 0.0)
        boot, has_posix = content.get("boot"), content.get("posix", True)
    except (ValueError, RecursionError, TypeError, KeyError, AttributeError):
        return None
    is_ours = isinstance(host, str) and isinstance(pid, int) and isinstance(since, (int, float))
    if not is_ours or not isinstance(boot, (str, type(None))):
        return None
    return Holder(host, pid, float(since), boot, has_posix is not False)
