"""The processes of `chaos.py`, started again and again, and the disk that they write to."""

import contextlib
import os
import random
import signal
import struct
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from chaos_journal import STALE_SECONDS, start_on_host
from frame import ONE_THREAD, call_command

DRIVER = "login"
"""The host of the driver."""


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


@dataclass(eq=False)
class Member:
    """A process of the fleet, with its clock in a file."""

    name: str
    host: str
    process: subprocess.Popen[bytes]
    clock: Path
    thaws: float = 0.0
    ended: float | None = None

    @property
    def is_frozen(self) -> bool:
        return self.thaws > 0

    def signal(self, signum: signal.Signals) -> None:
        """Sends a signal to the process and its children, unless it has ended."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signum)

    def freeze(self, seconds: float) -> None:
        self.thaws = time.monotonic() + seconds
        self.signal(signal.SIGSTOP)

    def set_clock(self, seconds: float) -> None:
        """Shifts the clock of the process by some seconds."""
        with self.clock.open("r+b") as file:
            file.write(struct.pack("d", seconds))


@dataclass(eq=False)
class Fleet:
    """Starts processes and starts them again when they end, as Slurm or Ray would.

    Args:
        scratch: a folder for journals, outputs and clocks.
        work: the arguments of a worker.
        drive: the arguments of the driver.
        workers: the number of workers that live at the same time.
        draw: chooses the hours by which clocks are wrong.
    """

    scratch: Path
    work: Sequence[str]
    drive: Sequence[str]
    workers: int
    draw: random.Random
    all: list[Member] = field(default_factory=list[Member])
    live: dict[int, Member] = field(default_factory=dict[int, Member])

    def __post_init__(self) -> None:
        for kind in ("journal", "output", "clock"):
            (self.scratch / kind).mkdir(exist_ok=True)

    def live_workers(self) -> list[Member]:
        return [member for slot, member in self.live.items() if slot != self.workers]

    def live_driver(self) -> list[Member]:
        """Returns the driver, in the slot after those of the workers."""
        return [self.live[self.workers]] if self.workers in self.live else []

    def refill(self) -> None:
        """Starts a process in each empty slot."""
        for slot in range(self.workers + 1):
            if slot not in self.live:
                self.live[slot] = self._start(slot)

    def reap(self) -> None:
        """Thaws members whose time has come, and empties the slots of those that have ended."""
        now = time.monotonic()
        for slot, member in list(self.live.items()):
            if member.is_frozen and now >= member.thaws:
                member.thaws = 0.0
                member.signal(signal.SIGCONT)
            if member.process.poll() is not None:
                member.ended = now
                del self.live[slot]

    def drive_to_end(self) -> int:
        """Runs the driver undisturbed once the last locks are stale; returns its exit code."""
        time.sleep(STALE_SECONDS)
        return self._start(self.workers).process.wait()

    def deaths(self) -> dict[str, float]:
        """Returns when each member ended, by its name."""
        return {one.name: one.ended for one in self.all if one.ended is not None}

    def end(self) -> None:
        """Kills all members."""
        for member in self.all:
            with contextlib.suppress(ProcessLookupError):
                member.signal(signal.SIGKILL)
            member.process.wait()

    def _start(self, slot: int) -> Member:
        name, is_driver = str(len(self.all)), slot == self.workers
        # Two neighbours share a host.
        host, index = (DRIVER, self.workers) if is_driver else (f"node{slot // 2}", slot // 2)
        kinds = ("journal", "output", "clock")
        journal, output, clock = (self.scratch / kind / name for kind in kinds)
        # Half of the clocks are wrong by hours from the start.
        shift = self.draw.choice([0.0, self.draw.uniform(-9, 9) * 3600])
        clock.write_bytes(struct.pack("d", shift))
        words = list(self.drive if is_driver else self.work)
        with output.open("wb") as file:
            process = subprocess.Popen(
                call_command(start_on_host, host, index, str(journal), str(clock), words),
                cwd=self.scratch,
                env=ONE_THREAD,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        member = Member(name, host, process, clock)
        self.all.append(member)
        return member
