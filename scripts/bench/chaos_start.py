"""Starts seqsweep as a process on another host, with another clock, and keeps a journal.

    python scripts/bench/chaos_start.py '{"host": "node1", ...}' train -m ...

`chaos.py` uses this program. The journal has a line for each lock that the process takes or
releases, for each epoch that it trains, and for each file of a run that it writes.
"""

import dataclasses
import fcntl
import functools
import json
import mmap
import os
import re
import signal
import socket
import struct
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seqsweep.runs import lock, lock_files

_RESULT = re.compile(
    r"(metrics\.csv|record\.json|config\.yaml|provenance\.json|diagnostics\.json|failure\.json"
    r"|(best|last|next|previous)\.ckpt|events\.out\.tfevents(?!.*\.seqsweep\.).*)$"
)
"""The names of the files that only the process that holds a run's lock may change."""


@dataclass(frozen=True)
class Settings:
    """The host, the clock and the files of a started process.

    Args:
        host: the name of its host.
        index: the number of its host; POSIX locks are shared only between processes of one host.
        journal: the file to which it appends its journal.
        clock: a file of 8 bytes that holds the seconds by which its clock is wrong.
        stale_seconds, beat_seconds: the times of `runs.lock_files`.
    """

    host: str
    index: int
    journal: str
    clock: str
    stale_seconds: float
    beat_seconds: float

    def dumps(self) -> str:
        return json.dumps(dataclasses.asdict(self))


def stop_file(clock: str | Path) -> Path:
    """Returns the file that stops a process in its next write of a checkpoint."""
    return Path(f"{clock}.stop")


class Journal:
    """Appends lines to the journal of this process.

    All processes of the machine share the clock of the lines.
    """

    def __init__(self, path: str) -> None:
        self._descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def say(self, kind: str, run: str, what: object = "") -> None:
        os.write(self._descriptor, f"{time.monotonic()} {kind} {run} {what}\n".encode())


def pretend(settings: Settings) -> None:
    """Changes the host name, the clock and the constants of the locks."""
    socket.gethostname = lambda: settings.host
    lock_files.STALE_SECONDS = settings.stale_seconds
    lock_files.BEAT_SECONDS = settings.beat_seconds
    with open(settings.clock, "rb") as file:
        clock = mmap.mmap(file.fileno(), 8, access=mmap.ACCESS_READ)
    true_time = time.time
    time.time = lambda: true_time() + struct.unpack("d", clock)[0]
    separate_locks(settings.index)


def separate_locks(index: int) -> None:
    """Hides POSIX locks from the processes of other hosts, as on some network file systems.

    Each host locks a byte of its own instead of the whole file.
    """
    lockf, control = fcntl.lockf, fcntl.fcntl

    def lockf_byte(descriptor: Any, command: int, *rest: int) -> None:
        assert not rest, "seqsweep locks whole files"
        lockf(descriptor, command, 1, index)

    def control_byte(descriptor: Any, command: int, argument: Any = 0) -> Any:
        if command == fcntl.F_GETLK:
            kind, whence, _, _, pid = struct.unpack("hhqqi", argument)
            argument = struct.pack("hhqqi", kind, whence, index, 1, pid)
        return control(descriptor, command, argument)

    fcntl.lockf, fcntl.fcntl = lockf_byte, control_byte


def watch_locks(journal: Journal) -> None:
    """Writes a line for each lock of a run that the process takes or releases."""
    enter, leave = lock.RunLock.__enter__, lock.RunLock.__exit__

    def entering(self: lock.RunLock) -> lock.RunLock:
        enter(self)
        if os.path.basename(self.path) == "lock":
            journal.say("lock", self.folder.name)
        return self

    def leaving(self: lock.RunLock, *error: object) -> None:
        # The line comes first, because the next holder may take the lock at once.
        if os.path.basename(self.path) == "lock":
            journal.say("free", self.folder.name)
        leave(self, *error)

    lock.RunLock.__enter__, lock.RunLock.__exit__ = entering, leaving


def watch_epochs(journal: Journal) -> None:
    """Writes a line for each epoch of the native engine."""
    from seqsweep.training.loggers import MemberLog

    add = MemberLog.add

    def adding(self: MemberLog, row: dict[str, Any]) -> None:
        journal.say("epoch", self.folder.name, row["epoch"])
        add(self, row)

    MemberLog.add = adding


def watch_files(journal: Journal, stop: Path) -> None:
    """Writes a line for each result that the process opens for writing, renames or removes.

    If the file `stop` exists, the process stops itself when it begins to write a checkpoint.
    """
    targets: dict[str, Callable[..., Any]] = {
        "open": lambda path, mode, flags: path if flags & (os.O_WRONLY | os.O_RDWR) else None,
        "os.rename": lambda source, target, *_: target,
        "os.link": lambda source, target, *_: target,
        "os.remove": lambda path, *_: path,
    }

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event in targets:
            path = targets[event](*arguments)
            if event == "open" and ".ckpt." in str(path) and stop.exists():
                stop.unlink()
                os.kill(os.getpid(), signal.SIGSTOP)
            if isinstance(path, (str, Path)) and _RESULT.match(os.path.basename(path)):
                journal.say("write", run_of(Path(path)), f"{event} {os.path.basename(path)}")

    sys.addaudithook(hook)


@functools.lru_cache(maxsize=4096)
def run_of(path: Path) -> str:
    """Returns the run_id in a path; `-` outside the folder of a run."""
    names = [part for part in path.parts if re.fullmatch("[0-9a-f]{16}", part)]
    return names[-1] if names else "-"


def install(settings: Settings) -> None:
    """Changes what this process sees, and begins its journal."""
    journal = Journal(settings.journal)
    pretend(settings)
    watch_locks(journal)
    watch_epochs(journal)
    watch_files(journal, stop_file(settings.clock))


def install_in_job(scratch: str, stale_seconds: float, beat_seconds: float) -> None:
    """Does the same in a worker that Slurm has started, whose host is its node."""
    node = os.environ.get("SLURMD_NODENAME")
    if node is None or "work" not in sys.orig_argv:
        return
    journal, clock = (f"{scratch}/{kind}/{node}-{os.getpid()}" for kind in ("journal", "clock"))
    Path(clock).write_bytes(bytes(8))
    index = int(re.sub(r"\D", "", node))
    install(Settings(node, index, journal, clock, stale_seconds, beat_seconds))


def main() -> None:
    install(Settings(**json.loads(sys.argv[1])))
    from seqsweep.cli import main as run

    sys.argv = ["seqsweep", *sys.argv[2:]]
    run()


if __name__ == "__main__":
    main()
