"""One writer for a run's folder: a lock that dies with its process, and says who holds it."""

import fcntl
import json
import os
import socket
import threading
import time
from pathlib import Path
from typing import Any, Self

from seqsweep.runs.files import read_json

BEAT_SECONDS = 5.0
STALE_SECONDS = 60.0

_held: set[Path] = set()
"""The locks of this process. They must not be opened again: closing any descriptor of a file drops
the process's POSIX locks on it."""


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
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder.absolute() / "lock"
        self._stopped = threading.Event()
        self._descriptor = -1

    def __enter__(self) -> Self:
        if self.path in _held:
            raise Locked(f"{self.path.parent} is being trained by this process")
        self.path.parent.mkdir(parents=True, exist_ok=True)
        while not self._take():
            pass
        _held.add(self.path)
        threading.Thread(target=self._beat, daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stopped.set()
        # Removed while it is still held: who opens the file later opens a new one.
        self.path.unlink(missing_ok=True)
        os.close(self._descriptor)
        _held.discard(self.path)

    def _take(self) -> bool:
        """False where the file was removed between its opening and its locking: try again."""
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            holder = read_json(self.path)
            os.close(descriptor)
            raise Locked(f"{self.path.parent} is being trained by {_who(holder)}") from None
        if not _is_same_file(descriptor, self.path):
            os.close(descriptor)
            return False
        self._refuse_other_host(descriptor)
        here = {"host": socket.gethostname(), "pid": os.getpid(), "since": time.time()}
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, json.dumps(here).encode(), 0)
        self._descriptor = descriptor
        return True

    def _refuse_other_host(self, descriptor: int) -> None:
        content = os.pread(descriptor, 4096, 0)
        age = time.time() - os.fstat(descriptor).st_mtime
        try:
            holder = json.loads(content) if content else None
        except ValueError:
            return
        if holder and holder.get("host") != socket.gethostname() and age < STALE_SECONDS:
            os.close(descriptor)
            raise Locked(f"{self.path.parent} is being trained by {_who(holder)}")

    def _beat(self) -> None:
        while not self._stopped.wait(BEAT_SECONDS):
            try:
                os.utime(self.path)
            except OSError:
                return


def is_locked(folder: Path) -> bool:
    """Whether some process trains this run now; takes nothing and waits for nobody."""
    path = folder.absolute() / "lock"
    if path in _held:
        return True
    try:
        descriptor = os.open(path, os.O_RDWR)
    except OSError:
        return False
    try:
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return True
    else:
        return False
    finally:
        os.close(descriptor)


def _is_same_file(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


def _who(holder: Any) -> str:
    if not isinstance(holder, dict):
        return "another process"
    return f"process {holder.get('pid')} on {holder.get('host')}"
