"""Measures what each member of a sweep costs besides its training, by part.

    python scripts/bench/toy_members.py [--members 1000] [--epochs 20]

The program trains the notebook's network with many seeds by `seqsweep train -m`, in a separate
process with one thread. For each part it prints the CPU milliseconds of a member, without the parts
that it calls. `other threads` is the CPU time of all threads but the main one. Imports count
nowhere. `start` is the CPU time of a sweep of one member, in another process. The last line is the
cost that each further member adds. Compare two versions only on the same machine.
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
from pathlib import Path
from typing import Any

from frame import Table, call_command, read_options, run

from seqsweep import cli
from seqsweep.importing import without_collections

# The functions of each part, as module:name.
PARTS = {
    "plan": ("sweeping.members:plan_members",),
    "build one of each config": ("sweeping.members:build_each",),
    "sweep.json": (
        "runs.sweepfile:SweepFile.write",
        "runs.sweepfile:SweepFile.read",
    ),
    "find finished runs": ("training.outcome:finished",),
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
    "write checkpoints": ("training.checkpoint_files:save_sealed", "runs.files:link"),
    "write records": ("runs.run_folder:RunFolder.finish",),
    "read folders": ("runs.ledger:read_folder", "runs.ledger:read_run"),
    "leaderboard": ("results.folder_tables:print_folder",),
    "report": ("results.report.write:write_report", "sweeping.baselines:write_baselines"),
    "is it fresh": ("results.report.write:made_from",),
}
TRAINING = "training and the rest"
MODULES = (
    *(f"sweeping.{name}" for name in ("app", "sweep", "sweep_end", "launchers", "train_groups")),
    "training.train",
)


class Clock:
    """A clock that adds up the CPU time of each part in the main thread.

    The time of a part excludes that of the parts that it calls.
    """

    def __init__(self) -> None:
        self.parts = dict.fromkeys((*PARTS, TRAINING), 0.0)
        self.running = [TRAINING]
        self.cpu = time.thread_time()

    def switch(self) -> None:
        """Adds the time since the last switch to the part that is running."""
        cpu = time.thread_time()
        self.parts[self.running[-1]] += cpu - self.cpu
        self.cpu = cpu

    def timed(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """Returns a function that does the same and adds its time to a part."""

        @functools.wraps(function)
        def call(*arguments: Any, **options: Any) -> Any:
            if threading.current_thread() is not threading.main_thread():
                return function(*arguments, **options)
            self.switch()
            self.running.append(name)
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
    began = time.process_time()
    with open(os.devnull, "w") as sink, contextlib.redirect_stdout(sink):
        try:
            cli.main(arguments)
        except SystemExit as end:
            if end.code:
                raise
    clock.switch()
    cpu = time.process_time() - began
    records = len(list(Path().glob("sweeps/toys/*/record.json")))
    if records != members:
        sys.exit(f"{records} of {members} members were trained")
    if start:
        print_parts(clock, members, start, cpu)
    return cpu


def print_parts(clock: Clock, members: int, start: float, cpu: float) -> None:
    print(f"start {start:.2f} CPU s; {members} members\n")
    table = Table("ms a member", "CPU", first=28)
    others = cpu - sum(clock.parts.values())
    for name, part in {**clock.parts, "other threads": others, "in all": cpu}.items():
        table.row(name, f"{part / members * 1e3:.2f}")
    further = (cpu - start) / max(1, members - 1)
    table.row("a further member", f"{further * 1e3:.2f}")


def main() -> None:
    options = read_options(__doc__, members=1000, epochs=20)
    with tempfile.TemporaryDirectory() as first, tempfile.TemporaryDirectory() as second:
        start = run(call_command(train, 1, options.epochs, 0.0), Path(first)).value
        words = call_command(train, options.members, options.epochs, start)
        usage = run(words, Path(second))
    print(usage.text.strip().rpartition("\n")[0])


if __name__ == "__main__":
    main()
