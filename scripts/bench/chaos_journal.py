"""The journals of the processes of `chaos.py`: who trained and wrote what, and when.

`start_on_host` runs seqsweep on another host, with another clock, and keeps a journal. It has a
line for each lock that the process takes or releases, for each epoch that it trains, and for each
file of a run that it writes. `Journals` reads the journals of all processes.
"""

import fcntl
import functools
import itertools
import mmap
import os
import re
import signal
import socket
import struct
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from seqsweep.runs import lock, lock_files

STALE_SECONDS, BEAT_SECONDS = 3.0, 0.4
"""The times of `runs.lock_files` in all processes."""

_RESULT = re.compile(
    r"(metrics\.csv|record\.json|config\.yaml|provenance\.json|diagnostics\.json|failure\.json"
    r"|(best|last|next|previous)\.ckpt|events\.out\.tfevents(?!.*\.seqsweep\.).*)$"
)
"""The names of the files that only the process that holds a run's lock may change."""

Say = Callable[..., None]
"""Appends a line to the journal: its kind, the run, and what."""


def start_on_host(host: str, index: int, journal: str, clock: str, words: list[str]) -> None:
    """Runs a command of seqsweep in this process, as if on another host.

    Args:
        host: the name of the host.
        index: the number of the host; POSIX locks are shared only between processes of one host.
        journal: the file to which the process appends its journal.
        clock: a file of 8 bytes that holds the seconds by which the clock is wrong.
        words: the arguments of the command.
    """
    descriptor = os.open(journal, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def say(kind: str, run: str, what: object = "") -> None:
        # All processes of the machine share the clock of the lines.
        os.write(descriptor, f"{time.monotonic()} {kind} {run} {what}\n".encode())

    socket.gethostname = lambda: host
    lock_files.STALE_SECONDS, lock_files.BEAT_SECONDS = STALE_SECONDS, BEAT_SECONDS
    shift_clock(clock)
    separate_locks(index)
    watch_locks(say)
    watch_epochs(say)
    watch_files(say, stop_file(clock))
    from seqsweep.cli import main

    sys.argv = ["seqsweep", *words]
    main()


def stop_file(clock: str | Path) -> Path:
    """Returns the file that stops a process in its next write of a checkpoint."""
    return Path(f"{clock}.stop")


def shift_clock(path: str) -> None:
    with open(path, "rb") as file:
        clock = mmap.mmap(file.fileno(), 8, access=mmap.ACCESS_READ)
    true_time = time.time
    time.time = lambda: true_time() + struct.unpack("d", clock)[0]


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


def watch_locks(say: Say) -> None:
    """Writes a line for each lock of a run that the process takes or releases."""
    enter, leave = lock.RunLock.__enter__, lock.RunLock.__exit__

    def entering(self: lock.RunLock) -> lock.RunLock:
        enter(self)
        if os.path.basename(self.path) == "lock":
            say("lock", self.folder.name)
        return self

    def leaving(self: lock.RunLock, *error: object) -> None:
        # The line comes first, because the next holder may take the lock at once.
        if os.path.basename(self.path) == "lock":
            say("free", self.folder.name)
        leave(self, *error)

    lock.RunLock.__enter__, lock.RunLock.__exit__ = entering, leaving


def watch_epochs(say: Say) -> None:
    """Writes a line for each epoch of the native engine."""
    from seqsweep.training.loggers import MemberLog

    add = MemberLog.add

    def adding(self: MemberLog, row: dict[str, Any]) -> None:
        say("epoch", self.folder.name, row["epoch"])
        add(self, row)

    MemberLog.add = adding


def watch_files(say: Say, stop: Path) -> None:
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
                say("write", run_of(Path(path)), f"{event} {os.path.basename(path)}")

    sys.addaudithook(hook)


@functools.lru_cache(maxsize=4096)
def run_of(path: Path) -> str:
    """Returns the run_id in a path; `-` outside the folder of a run."""
    names = [part for part in path.parts if re.fullmatch("[0-9a-f]{16}", part)]
    return names[-1] if names else "-"


class Line(NamedTuple):
    """A line of a journal, with the name of its process."""

    time: float
    process: str
    kind: str
    run: str
    what: str


@dataclass
class Tenure:
    """The time from a process's locking of a run to its last action there.

    Attributes:
        writes: the times at which it changed a result, with the file.
        released: when it released the lock; None if it was killed.
    """

    run: str
    process: str
    start: float
    writes: list[tuple[float, str]] = field(default_factory=list[tuple[float, str]])
    released: float | None = None


Handover = tuple[Tenure, Tenure]


class Journals:
    """The lines that the processes have written so far.

    Args:
        folder: holds a file for each process, named after it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.lines: list[Line] = []
        self.epochs: set[tuple[str, str]] = set()
        self._read: dict[Path, int] = {}

    def update(self) -> None:
        """Reads the lines that were added since the last call."""
        for path in self.folder.iterdir():
            with path.open("rb") as file:
                file.seek(self._read.get(path, 0))
                text = file.read()
            # The last line may be half there.
            text = text[: text.rfind(b"\n") + 1]
            self._read[path] = self._read.get(path, 0) + len(text)
            for words in text.decode().splitlines():
                time, kind, run, what = words.split(" ", 3)
                self.lines.append(Line(float(time), path.name, kind, run, what))
                if kind == "epoch":
                    self.epochs.add((run, what))

    def trained_again(self) -> int:
        """Returns how many epochs were trained more than once, each time counted."""
        return sum(line.kind == "epoch" for line in self.lines) - len(self.epochs)

    def handovers(self) -> list[Handover]:
        """Returns each pair of successive tenures of a run.

        A process that never locked a run gets a tenure from its first action there.
        """
        tenures: defaultdict[str, list[Tenure]] = defaultdict(list)
        current: dict[tuple[str, str], Tenure] = {}
        for line in sorted(self.lines):
            if line.run == "-":  # a file of the sweep
                continue
            key = (line.process, line.run)
            if line.kind == "lock" or key not in current:
                current[key] = Tenure(line.run, line.process, line.time)
                tenures[line.run].append(current[key])
            if line.kind == "write":
                current[key].writes.append((line.time, line.what))
            elif line.kind == "free":
                current[key].released = line.time
        return [pair for of_a_run in tenures.values() for pair in itertools.pairwise(of_a_run)]


def taken_over(handovers: Iterable[Handover], deaths: Mapping[str, float]) -> tuple[int, int]:
    """Counts the locks that were taken without a release.

    Args:
        deaths: when each process ended, by its name.

    Returns:
        The number of all such locks, and of those whose earlier holder still lived.
    """
    count = alive = 0
    for before, after in handovers:
        if before.released is None or before.released > after.start:
            count += 1
            alive += deaths.get(before.process, after.start + 1) > after.start
    return count, alive


def written_by_two(handovers: Iterable[Handover]) -> list[str]:
    """Returns each write of a process into a run that another process had locked meanwhile."""
    return [
        f"{before.run}: process {before.process} {what} {time - after.start:.3f} s "
        f"after process {after.process} had taken the lock"
        for before, after in handovers
        for time, what in before.writes
        if time > after.start
    ]
