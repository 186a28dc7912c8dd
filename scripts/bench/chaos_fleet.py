"""The processes of `chaos.py`: workers on several hosts, and a driver, started again and again."""

import contextlib
import os
import random
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from chaos_start import Settings
from timing import ONE_THREAD

START = Path(__file__).parent / "chaos_start.py"
STALE_SECONDS = 3.0
BEAT_SECONDS = 0.4
DRIVER = "login"
"""The host of the driver."""


@dataclass(eq=False)
class Member:
    """A process of the fleet, with its output and its clock in files."""

    name: str
    host: str
    process: subprocess.Popen[bytes]
    output: Path
    clock: Path
    thaws: float = 0.0
    ended: float | None = None
    is_ours: bool = True

    @property
    def is_frozen(self) -> bool:
        return self.thaws > 0

    def has_ended(self) -> bool:
        return self.process.poll() is not None

    def signal(self, signum: signal.Signals) -> None:
        """Sends a signal to the process and its children, unless it has ended."""
        if not self.has_ended():
            os.killpg(self.process.pid, signum)

    def freeze(self, seconds: float) -> None:
        self.thaws = time.monotonic() + seconds
        self.signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self.thaws = 0.0
        self.signal(signal.SIGCONT)

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
    environment: Mapping[str, str] = field(default_factory=lambda: ONE_THREAD)

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
        for member in self.live.values():
            if member.is_frozen and now >= member.thaws:
                member.thaw()
        ended = {slot: one for slot, one in self.live.items() if one.has_ended()}
        for slot, member in ended.items():
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
        name = str(len(self.all))
        is_driver = slot == self.workers
        # Two neighbours share a host.
        host, index = (DRIVER, self.workers) if is_driver else (f"node{slot // 2}", slot // 2)
        journal, output, clock = (
            self.scratch / kind / name for kind in ("journal", "output", "clock")
        )
        # Half of the clocks are wrong by hours from the start.
        shift = self.draw.choice([0.0, self.draw.uniform(-9, 9) * 3600])
        clock.write_bytes(struct.pack("d", shift))
        settings = Settings(host, index, str(journal), str(clock), STALE_SECONDS, BEAT_SECONDS)
        arguments = self.drive if is_driver else self.work
        with output.open("wb") as file:
            process = subprocess.Popen(
                [sys.executable, START, settings.dumps(), *arguments],
                cwd=self.scratch,
                env=self.environment,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        member = Member(name, host, process, output, clock)
        self.all.append(member)
        return member
