"""Reads and writes lock files, and decides whether their holders are alive.

A lock is the file `lock`, and after takeovers also `lock.2`, `lock.3` and so on: its generations.
The file of the highest generation names the holder. A process creates a file only if it does not
exist yet, which every file system guarantees. The file is empty until the process writes its name.

Clocks are not trusted. A holder touches its file every few seconds. A holder counts as dead if this
process has seen no change of the file for a while. A holder on this kernel counts as dead at once
if its POSIX lock is free, because the kernel drops this lock when the process ends.
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

from seqsweep.errors import Damaged
from seqsweep.runs.files import open_regular
from seqsweep.runs.held_folders import status_of

BEAT_SECONDS = 5.0
STALE_SECONDS = 60.0
SURE_BEATS = 2
"""A holder that the clock calls dead is surely dead after so many beats without a touch."""

_MOST_MISSING = 10
"""Generations below this number are always looked for, because lower files may be removed first."""

_seen: dict[str, tuple[tuple[int, int], float]] = {}
"""The last known version of each lock file, and when this process first saw this version."""

doubted: set[str] = set()
"""The lock files that have kept this process from a lock while their state was unsure."""


class Holder(NamedTuple):
    """The process that a lock file names.

    Attributes:
        boot: the id of the host's present boot; None if the system has no such id.
        posix: whether the process also holds a POSIX lock.
    """

    host: str
    pid: int
    boot: str | None
    posix: bool

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}"


class Look(NamedTuple):
    """The result of one look at a lock file.

    Attributes:
        life: `unsure` while only the clock says that the file has not been touched lately.
        seems_alive: the best guess whether the holder is alive, also while `life` is unsure.
    """

    life: Literal["alive", "unsure", "dead"]
    holder: Holder | None = None
    seems_alive: bool = False


def host_name() -> str:
    """Returns the name of this host as in file names, or the value of SEQSWEEP_HOST.

    The environment variable is for containers: a container that replaces another container may have
    the same name and the same process numbers.
    """
    name = os.environ.get("SEQSWEEP_HOST") or socket.gethostname()
    return re.sub(r"[^A-Za-z0-9.-]", "_", name)


@functools.cache
def boot_id() -> str | None:
    """Returns the id of this host's present boot, or None."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return None


def time_in(folder: Path) -> float:
    """Returns the present time by the clock of a folder.

    On a network file system the server sets the times, so only a new file shows the server's clock.
    If no file can be written there, this machine's clock is used.
    """
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            return os.fstat(file.fileno()).st_mtime
    except OSError:
        return time.time()


def file_of(path: str, generation: int) -> str:
    """Returns the file of a generation; the first one has no number."""
    # Paths are strings here, because a `Path` takes as long as a system call.
    return path if generation == 1 else f"{path}.{generation}"


def generations(path: str) -> list[int]:
    """Returns the generations of a lock that exist, the lowest first."""
    found: list[int] = []
    number = 1
    # The folder is not listed, because the folder of a sweep may be large.
    while number < _MOST_MISSING or number - 1 in found:
        if status_of(file_of(path, number)) is not None:
            found.append(number)
        number += 1
    return found


def write_holder(descriptor: int, path: str) -> Holder:
    """Locks a new file, and writes the name of this process into it."""
    try:
        holder = Holder(host_name(), os.getpid(), boot_id(), take_posix_lock(descriptor))
        content = {**holder._asdict(), "since": time.time()}
        os.pwrite(descriptor, json.dumps(content).encode(), 0)
        # Setting a time makes a network file system send the content to the server first.
        os.utime(descriptor)
    except OSError as error:
        error.filename = path
        raise
    return holder


def take_posix_lock(descriptor: int) -> bool:
    """Locks a file; returns False if the file system lacks locks."""
    try:
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP):
            return False
        raise
    return True


def look(path: str) -> Look:
    """Reads the state of a lock that this process does not hold.

    The file of a held lock must not be opened, because closing it drops the POSIX lock.

    Raises:
        OSError: the file cannot be read, or is not a regular file.
    """
    try:
        file = open_regular(path)  # read-only, because another user may not write it
    except FileNotFoundError:
        return Look("dead")
    except Damaged:
        raise OSError(f"{path}: must be a regular file; remove it") from None
    with file:
        holder = _read_holder(file.fileno())
        is_held = _is_posix_held(file.fileno())
        status = os.fstat(file.fileno())
    if holder is None:
        # A process writes its name before it checks that it has the lock. So the creator of an
        # empty file does not have the lock yet.
        is_free = not is_held
    else:
        # Boot ids distinguish virtual machines of the same name. Without them, the name decides.
        is_here = (holder.host, holder.boot) == (host_name(), boot_id())
        is_free = is_here and holder.posix and is_held is False
    if is_free:
        return Look("dead", holder)
    # A frozen process keeps its POSIX lock, so only missing touches show that it is frozen.
    life = _life_by_touches(path, status)
    # After a refusal the guess is careful, so that nobody retries in vain.
    is_doubted = life == "unsure" and (is_held or path in doubted)
    return Look(life, holder, life == "alive" or is_doubted)


def _life_by_touches(path: str, status: os.stat_result) -> Literal["alive", "unsure", "dead"]:
    """Returns the state of a holder, from its file's status."""
    # The file counts as unchanged since this process first saw its present version.
    now, version = time.monotonic(), (status.st_ino, status.st_mtime_ns)
    if _seen.get(path, (None,))[0] != version:
        _seen[path] = (version, now)
    seconds = now - _seen[path][1]
    if seconds >= STALE_SECONDS:
        return "dead"
    # The clock of the folder is read only in case of doubt, because this writes a file. If the
    # clock of this host is wrong, a dead process may look alive for a minute. A time far in the
    # future counts as old, because a clock has been set back since, or was wrong.
    if abs(time.time() - status.st_mtime) < STALE_SECONDS:
        return "alive"
    if abs(time_in(Path(path).parent) - status.st_mtime) < STALE_SECONDS:
        return "alive"
    return "dead" if seconds >= SURE_BEATS * BEAT_SECONDS else "unsure"


def _is_posix_held(descriptor: int) -> bool | None:
    """Returns whether another process has locked the file; None if unknown."""
    # F_GETLK only tests the lock. Taking the lock would block other processes for a moment.
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
    """Returns the holder that a lock file names, if any."""
    try:
        content = json.loads(os.pread(descriptor, 4096, 0))
        host, pid, boot = str(content["host"]), int(content["pid"]), content.get("boot")
        return Holder(host, pid, boot, content.get("posix") is not False)
    except (ValueError, RecursionError, TypeError, KeyError, AttributeError):
        return None
