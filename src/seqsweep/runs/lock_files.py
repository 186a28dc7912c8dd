"""The files of a lock, and whether their holders are alive.

A lock is the file `lock`, and after a takeover also `lock.2`, `lock.3` and so on. The highest of
these generations is the holder. A process creates the file of a generation only if there is none,
which every file system guarantees. The file is empty until its creator has written its name.

Clocks are not trusted. A holder touches its file every few seconds. It counts as dead if this
process has seen for a while that the file does not change. The exception is a holder on this
kernel: the kernel drops its POSIX lock when the process ends.
"""

import errno
import fcntl
import functools
import json
import os
import re
import socket
import struct
import sys
import tempfile
import time
from pathlib import Path
from typing import Literal, NamedTuple

from seqsweep.runs.files import Damaged, open_regular

RUN_LOCK = "lock"
"""The name of the lock in a run's folder; other locks lie in the folder of a sweep."""

BEAT_SECONDS = 5.0
STALE_SECONDS = 60.0

_UNSUPPORTED = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)
"""The errors of a file system without POSIX locks."""

_MOST_MISSING = 10
"""The lowest generations may be missing: their creators have withdrawn, or are removing them."""

_seen: dict[str, tuple[tuple[int, int], float]] = {}
"""The version of each lock file that was looked at, and when it was first seen.

The time is in seconds of this process's monotonic clock."""


class Holder(NamedTuple):
    """The process that a lock file names.

    Attributes:
        boot: names the running kernel; None where there is no such name.
        has_posix: whether it also holds a POSIX lock.
    """

    host: str
    pid: int
    boot: str | None
    has_posix: bool

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}"


class Look(NamedTuple):
    """The result of one look at a lock file.

    Attributes:
        life: `unsure` while only the clock says that the file has not been touched lately.
        is_posix_held: whether another process of this kernel holds the POSIX lock.
    """

    life: Literal["alive", "unsure", "dead"]
    holder: Holder | None = None
    is_posix_held: bool = False


def host_name() -> str:
    """Returns the name of this host, or what the variable SEQSWEEP_HOST says.

    The variable is for containers: one that replaces another may have the same name and the same
    process numbers.
    """
    name = os.environ.get("SEQSWEEP_HOST", "")
    return re.sub(r"[^A-Za-z0-9.-]", "_", name) or socket.gethostname()


def time_in(folder: Path) -> float:
    """Returns the present time by the clock of a folder.

    On a network file system the server sets the times, so only a new file shows its clock. Where
    nothing can be written, this machine's clock is used.
    """
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            return os.fstat(file.fileno()).st_mtime
    except OSError:
        return time.time()


@functools.cache
def boot_id() -> str | None:
    """Returns a name that only the running kernel has, or None."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return None


def file_of(path: str, generation: int) -> str:
    """Returns the file of a generation; the first one has no number."""
    # Paths are strings here, because a `Path` takes as long as a system call.
    return path if generation == 1 else f"{path}.{generation}"


def generations(path: str) -> list[int]:
    """Returns the generations of a lock that exist, the lowest first."""
    found: list[int] = []
    number = 1
    # The folder is not listed, because that of a sweep may be large.
    while number < _MOST_MISSING or number - 1 in found:
        if os.path.lexists(file_of(path, number)):
            found.append(number)
        number += 1
    return found


def create(path: str) -> tuple[int, Holder] | None:
    """Creates a lock file that names this process; returns its open descriptor.

    Returns None if the file exists, or if another process has removed the folder.

    Raises:
        OSError: the file cannot be written.
    """
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        descriptor = os.open(path, flags, 0o644)
    except (FileExistsError, FileNotFoundError):
        return None
    try:
        holder = Holder(host_name(), os.getpid(), boot_id(), take_posix_lock(descriptor))
        host, pid, boot, posix = holder
        content = {"host": host, "pid": pid, "since": time.time(), "boot": boot, "posix": posix}
        os.pwrite(descriptor, json.dumps(content).encode(), 0)
        # A client of a network file system sends the content to the server before it sets a time.
        os.utime(descriptor)
    except OSError as error:
        os.unlink(path)
        os.close(descriptor)
        error.filename = path
        raise
    return descriptor, holder


def take_posix_lock(descriptor: int) -> bool:
    """Locks a file; returns False if the file system cannot."""
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
        OSError: the file cannot be read, or is not a regular file.
    """
    try:
        file = open_regular(path)  # read-only, which is all that another user may do
    except FileNotFoundError:
        _seen.pop(path, None)
        return Look("dead")
    except Damaged:
        raise OSError(f"{path}: must be a regular file; remove it") from None
    with file:
        holder = _read_holder(file.fileno())
        is_held = _is_posix_held(file.fileno())
        status = os.fstat(file.fileno())
    # A process writes its name before it looks whether it has the lock, so an empty file is free.
    if holder is None and not is_held:
        return Look("dead")
    # Virtual machines may have the same name. Without boot ids, the name alone decides.
    is_here = holder is not None and (holder.host, holder.boot) == (host_name(), boot_id())
    if holder is not None and is_here and holder.has_posix and is_held is False:
        return Look("dead", holder)
    # A frozen process keeps its POSIX lock, so the touches count for it, too.
    return Look(_life_by_touches(path, status), holder, is_held is True)


def _life_by_touches(path: str, status: os.stat_result) -> Literal["alive", "unsure", "dead"]:
    """Returns the state of a holder by the status of its file."""
    # The file has not changed for as long as this process has seen no other version of it.
    now, version = time.monotonic(), (status.st_ino, status.st_mtime_ns)
    if _seen.get(path, (None,))[0] != version:
        _seen[path] = (version, now)
    seconds = now - _seen[path][1]
    if seconds >= STALE_SECONDS:
        return "dead"
    # The clock of the folder is asked only in case of doubt, because this writes a file. A wrong
    # clock of this host can make a dead process look alive, for a minute. A time in the future is
    # old, too: a clock has been set back since, or was wrong.
    if abs(time.time() - status.st_mtime) < STALE_SECONDS:
        return "alive"
    if abs(time_in(Path(path).parent) - status.st_mtime) < STALE_SECONDS:
        return "alive"
    return "dead" if seconds >= seconds_to_be_sure() else "unsure"


def seconds_to_be_sure() -> float:
    """Returns for how long a file that looks old must not change."""
    return 2 * BEAT_SECONDS


def _is_posix_held(descriptor: int) -> bool | None:
    """Returns whether another process has locked the file, if known."""
    # F_GETLK only asks. Taking the lock would block other processes for a moment.
    if sys.platform == "darwin":
        layout, query, kind = "qqihh", (0, 0, 0, fcntl.F_WRLCK, os.SEEK_SET), 3
    else:
        layout, query, kind = "hhqqi", (fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0), 0
    try:
        answer = fcntl.fcntl(descriptor, fcntl.F_GETLK, struct.pack(layout, *query))
    except OSError:
        return None
    return struct.unpack(layout, answer)[kind] != fcntl.F_UNLCK


def _read_holder(descriptor: int) -> Holder | None:
    """Returns the holder that a lock file names; None without one."""
    try:
        content = json.loads(os.pread(descriptor, 4096, 0))
        host, pid, boot = str(content["host"]), int(content["pid"]), content.get("boot")
        return Holder(host, pid, boot, content.get("posix") is not False)
    except (ValueError, RecursionError, TypeError, KeyError, AttributeError):
        return None
