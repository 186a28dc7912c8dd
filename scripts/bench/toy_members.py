"""The cost of each member of a sweep of toys beside its training, by part.

    python scripts/bench/toy_members.py [--members 1000] [--epochs 20] [--no-report]

Trains the notebook's network with as many seeds by `seqsweep train -m`, in a process of its own
with one thread, from imports that are done already: `start` is what these take. The other parts
are milliseconds a member, of CPU and of wall time, without the parts within them, and how often a
part was called for each member; `other threads` is the CPU time of all but the main one. Machines
differ: compare two versions on one.
"""

import argparse
import contextlib
import functools
import importlib
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seqsweep import cli
from seqsweep.importing import without_collections

PARTS = {  # the functions that a part consists of, as module:name
    "plan": ("sweeping.members:plan_members",),
    "build one of each config": ("sweeping.members:build_each",),
    "sweep.json, names.json": (
        "runs.sweepfile:SweepFile.write",
        "runs.sweepfile:SweepFile.read",
        "results.tensorboard.names_file:name_runs",
    ),
    "find finished runs": ("training.outcome:finished",),
    "locks": (
        "runs.lock:RunLock.__enter__",
        "runs.lock:RunLock.__exit__",
        "runs.lock:is_locked",
        "runs.lock:remove_dead_lock",
    ),
    "begin folders": ("training.resume:begin",),
    "log epochs": (
        "training.loggers:EpochCSVLogger.write",
        "training.loggers:RunTensorBoardLogger.write",
        "training.loggers:text_line",
    ),
    "write checkpoints": ("training.checkpoints:save_sealed", "runs.files:link"),
    "write records": (
        "runs.run_folder:RunFolder.finish",
        "training.diagnosis:write_diagnosis",
    ),
    "read folders": ("runs.ledger:read_folder", "runs.ledger:read_run"),
    "leaderboard": ("results.tables:print_folder",),
    "report": ("results.report.write:write_report", "sweeping.baselines:write_baselines"),
    "TensorBoard view": ("results.tensorboard.view:renew",),
    "is it fresh": ("results.report.freshness:made_from", "runs.eventfiles:all_made_files"),
}
TRAINING = "training and the rest"
MODULES = (
    *(f"sweeping.{name}" for name in ("app", "sweep", "summary", "hydra_jobs", "train_groups")),
    "training.train",
)


@dataclass
class Part:
    """The time that a part has taken so far."""

    cpu: float = 0.0
    wall: float = 0.0
    calls: int = 0


class Clock:
    """Adds up what the parts take in the main thread, each without the parts that it calls."""

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
    """Puts the clock around the functions of all parts, wherever they have been imported to."""
    for part, functions in PARTS.items():
        for place in functions:
            module, _, name = place.partition(":")
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


def train(arguments: list[str], members: int) -> None:
    """Trains the sweep in this process, then prints the table of its parts."""
    began = time.process_time()
    with without_collections():
        for module in MODULES:
            importlib.import_module(f"seqsweep.{module}")

    start = time.process_time() - began
    clock = Clock()
    watch(clock)
    cpu, wall = time.process_time(), time.perf_counter()
    with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere):
        try:
            cli.main(arguments)
        except SystemExit as end:
            if end.code:
                raise
    clock.switch()
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    print(f"start {start:.2f} CPU s; {members} members\n")
    print(f"{'ms a member':26} {'CPU':>7} {'wall':>7} {'calls':>7}")
    for name, part in clock.parts.items():
        times = f"{part.cpu / members * 1e3:7.2f} {part.wall / members * 1e3:7.2f}"
        print(f"{name:26} {times} {part.calls / members:7.2f}")
    rest = cpu - sum(part.cpu for part in clock.parts.values())
    print(f"{'other threads':26} {rest / members * 1e3:7.2f}")
    print(f"{'in all':26} {cpu / members * 1e3:7.2f} {wall / members * 1e3:7.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description="Times the parts of a sweep of toys.")
    parser.add_argument("--members", type=int, default=1000)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--no-report", action="store_true")
    parser.add_argument("--folder", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.folder is not None:
        arguments = [
            "train", "-m", "experiment=notebook_simple", "trainer=cpu", "~logger.print_loss",
            f"trainer.max_epochs={options.epochs}", f"seed=range({options.members})",
            f"sweep.report={str(not options.no_report).lower()}", "sweep.name=toys",
            f"output_dir={options.folder}", "hydra.launcher.threads=1",
        ]  # fmt: skip
        train(arguments, options.members)
        return
    with tempfile.TemporaryDirectory() as temporary:
        command = [sys.executable, __file__, *sys.argv[1:], "--folder", temporary]
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        done = subprocess.run(command, env=environment, cwd=temporary)
        records = len(list(Path(temporary).glob("sweeps/toys/*/record.json")))
    if done.returncode != 0 or records != options.members:
        sys.exit(f"{records} of {options.members} members were trained")


if __name__ == "__main__":
    main()
