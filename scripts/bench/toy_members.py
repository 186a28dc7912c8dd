"""Measures what each member of a sweep costs besides its training, by part.

    python scripts/bench/toy_members.py [--members 1000] [--epochs 20]

The program trains the notebook's network with many seeds by `seqsweep train -m`, in a separate
process with one thread. For each part it prints the CPU and wall milliseconds of a member, without
the parts that it calls, and the number of calls. `other threads` is the CPU time of all threads but
the main one. Imports count nowhere. `start` is the CPU time of a sweep of one member, in another
process. The last line is the cost that each further member adds. Compare two versions only
on the same machine.
"""

import contextlib
import functools
import importlib
import os
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from frame import Table, call_command, read_options, run

from seqsweep import cli
from seqsweep.importing import without_collections

# The functions of each part, as module:name.
PARTS = {
    "plan": ("sweeping.members:plan_members",),
    "build one of each config": ("sweeping.members:build_each",),
    "sweep.json, names.json": (
        "runs.sweepfile:SweepFile.write",
        "runs.sweepfile:SweepFile.read",
        "results.run_names:name_runs",
    ),
    "find finished runs": ("training.planned_run:finished",),
    "locks": (
        "runs.lock:RunLock.__enter__",
        "runs.lock:RunLock.__exit__",
        "runs.lock:is_locked",
    ),
    "begin folders": ("training.resume:begin",),
    "log epochs": (
        "training.loggers:EpochCSVLogger.write",
        "training.loggers:RunTensorBoardLogger.write",
        "training.loggers:text_line",
    ),
    "write checkpoints": ("training.checkpoints:save_sealed", "runs.files:link"),
    "write records": ("runs.run_folder:RunFolder.finish",),
    "read folders": ("runs.ledger:read_folder", "runs.ledger:read_run"),
    "leaderboard": ("results.folder_tables:print_folder",),
    "report": ("results.report.write:write_report", "sweeping.baselines:write_baselines"),
    "TensorBoard view": ("results.tensorboard.view:renew",),
    "is it fresh": ("results.report.write:made_from", "runs.eventfiles:all_made_files"),
}
TRAINING = "training and the rest"
MODULES = (
    *(f"sweeping.{name}" for name in ("app", "sweep", "sweep_end", "hydra_jobs", "train_groups")),
    "training.train",
)


@dataclass
class Part:
    """The time that a part has taken so far, and its calls."""

    cpu: float = 0.0
    wall: float = 0.0
    calls: int = 0


class Clock:
    """A clock that adds up the time of each part in the main thread.

    The time of a part excludes that of the parts that it calls.
    """

    def __init__(self) -> None:
        self.parts = {name: Part() for name in (*PARTS, TRAINING)}
        self.running = [TRAINING]
        self.cpu, self.wall = time.thread_time(), time.perf_counter()

    def switch(self) -> None:
        """Adds the time since the last switch to the part that is running."""
        cpu, wall = time.thread_time(), time.perf_counter()
        part = self.parts[self.running[-1]]
        part.cpu += cpu - self.cpu
        part.wall += wall - self.wall
        self.cpu, self.wall = cpu, wall

    def timed(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """Returns a function that does the same and adds its time to a part."""

        @functools.wraps(function)
        def call(*arguments: Any, **options: Any) -> Any:
            if threading.current_thread() is not threading.main_thread():
                return function(*arguments, **options)
            self.switch()
            self.running.append(name)
            self.parts[name].calls += 1
            try:
                return function(*arguments, **options)
            finally:
                self.switch()
                self.running.pop()

        return call


def watch(clock: Clock) -> None:
    """Puts the clock around the functions of all parts, in all modules."""
    for part, functions in PARTS.items():
        for path in functions:
            module, _, name = path.partition(":")
            owner: Any = importlib.import_module(f"seqsweep.{module}")
            *classes, name = name.split(".")
            for each in classes:
                owner = getattr(owner, each)
            raw = vars(owner)[name]
            if isinstance(raw, classmethod):
                setattr(owner, name, classmethod(clock.timed(part, raw.__func__)))
                continue
            timed = clock.timed(part, raw)
            setattr(owner, name, timed)
            for other in list(sys.modules.values()):
                if other.__name__.startswith("seqsweep") and vars(other).get(name) is raw:
                    setattr(other, name, timed)


def train(members: int, epochs: int, start: float) -> float:
    """Trains the sweep in this process and prints the table of its parts.

    Args:
        start: the CPU seconds of a sweep of one member, without imports; 0 to measure them.

    Returns:
        The CPU seconds of the sweep.
    """
    with without_collections():
        for module in MODULES:
            importlib.import_module(f"seqsweep.{module}")

    arguments = [
        "train", "-m", "--yes", "experiment=notebook_simple", "trainer=cpu", "~logger.print_loss",
        f"trainer.max_epochs={epochs}", f"seed=range({members})", "sweep.name=toys",
        "output_dir=.", "hydra.launcher.threads=1",
    ]  # fmt: skip
    clock = Clock()
    watch(clock)
    cpu, wall = time.process_time(), time.perf_counter()
    with open(os.devnull, "w") as sink, contextlib.redirect_stdout(sink):
        try:
            cli.main(arguments)
        except SystemExit as end:
            if end.code:
                raise
    clock.switch()
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    records = len(list(Path().glob("sweeps/toys/*/record.json")))
    if records != members:
        sys.exit(f"{records} of {members} members were trained")
    if start:
        print_parts(clock, members, start, cpu, wall)
    return cpu


def print_parts(clock: Clock, members: int, start: float, cpu: float, wall: float) -> None:
    print(f"start {start:.2f} CPU s; {members} members\n")
    table = Table("ms a member", "CPU", "wall", "calls", first=28)

    def row(name: str, cpu: float, wall: float | None = None, calls: int | None = None) -> None:
        each = [None if one is None else f"{one / members * 1e3:.2f}" for one in (cpu, wall)]
        table.row(name, *each, None if calls is None else f"{calls / members:.2f}")

    for name, part in clock.parts.items():
        row(name, part.cpu, part.wall, part.calls)
    row("other threads", cpu - sum(part.cpu for part in clock.parts.values()))
    row("in all", cpu, wall)
    further = (cpu - start) / max(1, members - 1)
    row("a further member", further * members)


def main() -> None:
    options = read_options(__doc__, members=1000, epochs=20)
    with tempfile.TemporaryDirectory() as first, tempfile.TemporaryDirectory() as second:
        start = run(call_command(train, 1, options.epochs, 0.0), Path(first)).value
        words = call_command(train, options.members, options.epochs, start)
        usage = run(words, Path(second))
    print(usage.text.strip().rpartition("\n")[0])


if __name__ == "__main__":
    main()
