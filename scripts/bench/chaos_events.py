"""The events of `chaos.py`, and the disk that they fill."""

import contextlib
import os
import random
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from chaos_fleet import STALE_SECONDS, Fleet, Member
from chaos_start import stop_file

_WRITE_SECONDS = 5.0
"""The longest time to wait for the write of a checkpoint."""


class Disk:
    """A folder on a small file system of its own, which can be filled.

    Without root the folder is an ordinary one.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.is_mounted = False
        self.until = 0.0

    def __enter__(self) -> Self:
        self.folder.mkdir()
        if os.geteuid() == 0:
            command = ["mount", "-t", "tmpfs", "-o", "size=96m", "chaos", self.folder]
            self.is_mounted = subprocess.run(command, capture_output=True).returncode == 0
        return self

    def __exit__(self, *error: object) -> None:
        if self.is_mounted:
            subprocess.run(["umount", "--lazy", self.folder], check=True)

    def fill(self, seconds: float) -> None:
        """Takes all free space for some seconds."""
        self.until = time.monotonic() + seconds
        status = os.statvfs(self.folder)
        # Another process may take some of the space in between.
        with (self.folder / "filler").open("wb") as file, contextlib.suppress(OSError):
            os.posix_fallocate(file.fileno(), 0, status.f_bavail * status.f_frsize)

    def empty_in_time(self) -> None:
        if self.until and time.monotonic() >= self.until:
            (self.folder / "filler").unlink()
            self.until = 0.0


@dataclass
class Struck:
    """An event that has struck.

    Attributes:
        progress: the share of all epochs that were trained by then.
        on: the names of the processes that it struck.
        killed: the names of the processes that it killed.
    """

    kind: str
    progress: float
    on: list[str]
    killed: list[str]

    def __str__(self) -> str:
        return f"{self.progress:.3f} {self.kind}: {', '.join(self.on)}"


@dataclass
class Storm:
    """Lets events strike, spread over the training of the sweep.

    Args:
        fleet: the processes.
        disk: holds the sweep.
        sweep: the sweep's folder.
        events: the number of events.
        draw: chooses the events and their targets.
        kinds: the kinds of events.

    Attributes:
        struck: the events so far.
        in_writes: how many of them found a worker in the write of a checkpoint.
    """

    fleet: Fleet
    disk: Disk
    sweep: Path
    events: int
    draw: random.Random
    kinds: Mapping[str, "Kind"]
    struck: list[Struck] = field(default_factory=list[Struck])
    in_writes: int = 0

    def __post_init__(self) -> None:
        kinds: list[str] = []
        while len(kinds) < self.events:
            round = [kind for kind, (weight, _) in self.kinds.items() for _ in range(weight)]
            kinds += self.draw.sample(round, len(round))
        if not self.disk.is_mounted:
            kinds = [kind for kind in kinds if kind != "full disk"]
        times = sorted(self.draw.uniform(0.01, 0.95) for _ in range(self.events))
        self.due = list(zip(times, kinds, strict=False))

    def calm(self) -> None:
        """Ends what lasts for a time."""
        self.disk.empty_in_time()

    def strike(self, progress: float) -> None:
        """Lets the next event strike if it is due and has a target."""
        if not self.due or progress < self.due[0][0]:
            return
        kind = self.due[0][1]
        members = self.kinds[kind][1](self)
        if members is not None:
            names = [member.name for member in members]
            killed = names if kind.startswith("kill") else []
            self.struck.append(Struck(kind, progress, names, killed))
            del self.due[0]

    def worker(self) -> list[Member]:
        """Returns a worker that is not frozen, if any."""
        awake = [member for member in self.fleet.live_workers() if not member.is_frozen]
        return self.draw.sample(awake, 1) if awake else []

    def in_write(self) -> list[Member]:
        """Stops a worker in the write of a checkpoint, or anywhere if none comes."""
        members = self.worker()
        if not members:
            return []
        stop = stop_file(members[0].clock)
        stop.touch()
        deadline = time.monotonic() + _WRITE_SECONDS
        while stop.exists() and time.monotonic() < deadline:
            time.sleep(0.005)
        self.in_writes += not stop.exists()
        stop.unlink(missing_ok=True)
        return members


Action = Callable[[Storm], list[Member] | None]
"""Lets an event strike; returns the struck processes, or None without a target."""

Kind = tuple[int, Action]
"""The number of events of a kind among a hundred, and what they do."""


def kill_worker(storm: Storm) -> list[Member] | None:
    return _kill(storm.worker())


def kill_in_write(storm: Storm) -> list[Member] | None:
    return _kill(storm.in_write())


def kill_node(storm: Storm) -> list[Member] | None:
    """Kills all workers of a host."""
    hosts = {member.host for member in storm.worker()}
    return _kill([member for member in storm.fleet.live_workers() if member.host in hosts])


def kill_driver(storm: Storm) -> list[Member] | None:
    return _kill(storm.fleet.live_driver())


def terminate(storm: Storm) -> list[Member] | None:
    """Sends SIGTERM to a worker."""
    members = storm.worker()
    for member in members:
        member.signal(signal.SIGTERM)
    return members or None


def freeze_shortly(storm: Storm) -> list[Member] | None:
    return _freeze(storm.worker(), storm.draw.uniform(0.1, 0.6) * STALE_SECONDS)


def freeze(storm: Storm) -> list[Member] | None:
    return _freeze(storm.worker(), storm.draw.uniform(1.5, 6) * STALE_SECONDS)


def freeze_in_write(storm: Storm) -> list[Member] | None:
    return _freeze(storm.in_write(), storm.draw.uniform(1.5, 6) * STALE_SECONDS)


def step_clock(storm: Storm) -> list[Member] | None:
    members = storm.worker()
    for member in members:
        member.set_clock(storm.draw.uniform(-9, 9) * 3600)
    return members or None


def age_locks(storm: Storm) -> list[Member] | None:
    """Shifts the times of half of the lock files by hours."""
    paths = [*storm.sweep.glob("*/lock"), *storm.sweep.glob(".running-*")]
    for path in storm.draw.sample(paths, -(-len(paths) // 2)):
        then = time.time() + storm.draw.uniform(-9, 9) * 3600
        with contextlib.suppress(FileNotFoundError):
            os.utime(path, (then, then))
    return [] if paths else None


def fill_disk(storm: Storm) -> list[Member] | None:
    if storm.disk.until:
        return None
    storm.disk.fill(storm.draw.uniform(0.2, 2))
    return []


def _kill(members: Sequence[Member]) -> list[Member] | None:
    for member in members:
        member.signal(signal.SIGKILL)
    return list(members) or None


def _freeze(members: Sequence[Member], seconds: float) -> list[Member] | None:
    for member in members:
        member.freeze(seconds)
    return list(members) or None


EVENTS: dict[str, Kind] = {
    "kill of a worker": (20, kill_worker),
    "kill of a worker in a write": (8, kill_in_write),
    "kill of a node": (8, kill_node),
    "kill of the driver": (8, kill_driver),
    "SIGTERM of a worker": (10, terminate),
    "short freeze": (8, freeze_shortly),
    "freeze beyond the stale time": (8, freeze),
    "freeze in a write, beyond the stale time": (8, freeze_in_write),
    "clock step of a worker": (10, step_clock),
    "clock step of lock files": (6, age_locks),
    "full disk": (6, fill_disk),
}
