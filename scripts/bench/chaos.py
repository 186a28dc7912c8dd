"""Trains a sweep amid random faults and compares it with an undisturbed one.

    python scripts/bench/chaos.py [--events 100] [--seed 0] [--workers 4] [--runs 48] [--epochs 200]

The sweep is trained once undisturbed. Then workers on several hosts and a driver train it in
another folder. A supervisor starts them again whenever they end, as Slurm or Ray would. Meanwhile
a seeded stream of events strikes. `EVENTS` lists them. `--runs` is a multiple of 4, `--epochs` is
the most that a run trains.

The hosts are processes of this machine with other host names. Their POSIX locks are hidden from
each other, as on some network file systems, and half of their clocks are wrong by hours. A lock is
stale after three seconds instead of a minute. A full disk needs root, because the folder is then a
small file system of its own.

The program prints the events, the lost epochs, the runs that two processes wrote at once, and the
mismatches. The last two must be 0. It compares what `crash.py` compares.
"""

import argparse
import contextlib
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import crash
from chaos_fleet import Disk, Fleet, Member
from chaos_journal import STALE_SECONDS, Journals, stop_file, taken_over, written_by_two
from frame import read_options
from run_files import record

SILENCE_SECONDS = 120.0
"""The time without any epoch or lock after which the sweep counts as hung."""

WRITE_SECONDS = 5.0
"""The longest time to wait for the write of a checkpoint."""

MOST_SHOWN = 40
"""The most mismatches that are printed."""

TICK_SECONDS = 0.02


@dataclass
class Storm:
    """Lets events strike, spread over the training of the sweep.

    Args:
        fleet: the processes.
        disk: holds the sweep.
        sweep: the sweep's folder.
        events: the number of events.
        draw: chooses the events and their targets.

    Attributes:
        struck: the events so far: the share of all epochs that were trained by then, the kind and
            the processes.
        in_writes: how many of them found a worker in the write of a checkpoint.
    """

    fleet: Fleet
    disk: Disk
    sweep: Path
    events: int
    draw: random.Random
    struck: list[tuple[float, str, str]] = field(default_factory=list[tuple[float, str, str]])
    in_writes: int = 0

    def __post_init__(self) -> None:
        kinds: list[str] = []
        while len(kinds) < self.events:
            round = [kind for kind, (weight, _) in EVENTS.items() for _ in range(weight)]
            kinds += self.draw.sample(round, len(round))
        if not self.disk.is_mounted:
            kinds = [kind for kind in kinds if kind != "full disk"]
        times = sorted(self.draw.uniform(0.01, 0.95) for _ in range(self.events))
        self.due = list(zip(times, kinds, strict=False))

    def strike(self, progress: float) -> None:
        """Lets the next event strike if it is due and has a target."""
        if not self.due or progress < self.due[0][0]:
            return
        kind = self.due[0][1]
        members = EVENTS[kind][1](self)
        if members is not None:
            self.struck.append((progress, kind, ", ".join(member.name for member in members)))
            del self.due[0]

    def worker(self) -> list[Member]:
        """Returns a worker that is not frozen, if any."""
        awake = [member for member in self.fleet.live_workers() if not member.is_frozen]
        return self.draw.sample(awake, 1) if awake else []

    def node(self) -> list[Member]:
        """Returns all workers of a host."""
        hosts = {member.host for member in self.worker()}
        return [member for member in self.fleet.live_workers() if member.host in hosts]

    def in_write(self) -> list[Member]:
        """Stops a worker in the write of a checkpoint, or anywhere if none comes."""
        members = self.worker()
        if not members:
            return []
        stop = stop_file(members[0].clock)
        stop.touch()
        deadline = time.monotonic() + WRITE_SECONDS
        while stop.exists() and time.monotonic() < deadline:
            time.sleep(0.005)
        self.in_writes += not stop.exists()
        stop.unlink(missing_ok=True)
        return members

    def send(self, members: Sequence[Member], signum: signal.Signals) -> list[Member] | None:
        for member in members:
            member.signal(signum)
        return list(members) or None

    def freeze(self, members: Sequence[Member], least: float, most: float) -> list[Member] | None:
        """Freezes processes for some multiple of the time after which a lock is stale."""
        for member in members:
            member.freeze(self.draw.uniform(least, most) * STALE_SECONDS)
        return list(members) or None

    def step_clock(self) -> list[Member] | None:
        members = self.worker()
        for member in members:
            member.set_clock(self.draw.uniform(-9, 9) * 3600)
        return members or None

    def age_locks(self) -> list[Member] | None:
        """Shifts the times of half of the lock files by hours."""
        paths = [*self.sweep.glob("*/lock"), *self.sweep.glob(".running-*")]
        for path in self.draw.sample(paths, -(-len(paths) // 2)):
            then = time.time() + self.draw.uniform(-9, 9) * 3600
            with contextlib.suppress(FileNotFoundError):
                os.utime(path, (then, then))
        return [] if paths else None

    def fill_disk(self) -> list[Member] | None:
        if self.disk.until:
            return None
        self.disk.fill(self.draw.uniform(0.2, 2))
        return []


EVENTS: dict[str, tuple[int, Callable[[Storm], list[Member] | None]]] = {
    "kill of a worker": (20, lambda storm: storm.send(storm.worker(), signal.SIGKILL)),
    "kill of a worker in a write": (8, lambda storm: storm.send(storm.in_write(), signal.SIGKILL)),
    "kill of a node": (8, lambda storm: storm.send(storm.node(), signal.SIGKILL)),
    "kill of the driver": (8, lambda storm: storm.send(storm.fleet.live_driver(), signal.SIGKILL)),
    "SIGTERM of a worker": (10, lambda storm: storm.send(storm.worker(), signal.SIGTERM)),
    "short freeze": (8, lambda storm: storm.freeze(storm.worker(), 0.1, 0.6)),
    "freeze beyond the stale time": (8, lambda storm: storm.freeze(storm.worker(), 1.5, 6)),
    "freeze in a write, beyond the stale time": (
        8, lambda storm: storm.freeze(storm.in_write(), 1.5, 6),
    ),
    "clock step of a worker": (10, Storm.step_clock),
    "clock step of lock files": (6, Storm.age_locks),
    "full disk": (6, Storm.fill_disk),
}  # fmt: skip
"""The number of events of a kind among a hundred, and what they do.

An event returns the struck processes, or None without a target.
"""


def grid(runs: int, epochs: int) -> tuple[str, ...]:
    """Returns the overrides of a sweep of 12 or 4 networks with several seeds."""
    cells, sizes, networks = ("rnn,gru", "64", 4) if runs % 12 else ("rnn,gru,lstm", "32,64", 12)
    if runs % networks:
        raise ValueError(f"--runs {runs}: must be a multiple of 4")
    return (
        "-m", "sweep.name=chaos", "sweep.ask_above=null", "data=digits", "model.dropout=0.1",
        "scheduler=plateau", "scheduler.patience=20",
        "callbacks=early_stopping", "callbacks.early_stopping.patience=80",
        f"model.cell={cells}", f"model.hidden_size={sizes}", "model.num_layers=1,2",
        f"seed=range({runs // networks})", f"trainer.max_epochs={epochs}",
        # A full disk makes runs fail.
        "sweep.on_error=retry", "sweep.retries=100",
    )  # fmt: skip


def epochs_of(folder: Path) -> int:
    """Returns the number of epochs of all runs below a folder."""
    return sum(int(record(run)["epochs"]) for run in crash.runs(folder).values())


def disturb(fleet: Fleet, storm: Storm, journals: Journals, alone: Path) -> list[str]:
    """Trains the sweep while events strike. Returns problems."""
    epochs, names = epochs_of(alone), crash.runs(alone).keys()
    lines, changed = 0, time.monotonic()
    while True:
        time.sleep(TICK_SECONDS)
        journals.update()
        fleet.reap()
        storm.disk.empty_in_time()
        storm.strike(len(journals.epochs) / epochs)
        records = (storm.sweep / name / "record.json" for name in names)
        is_done = len(journals.epochs) == epochs and all(path.is_file() for path in records)
        if not is_done:
            fleet.refill()
        elif not fleet.live:
            return []
        if len(journals.lines) > lines:
            lines, changed = len(journals.lines), time.monotonic()
        if time.monotonic() - changed > SILENCE_SECONDS:
            return [f"no epoch and no lock for {SILENCE_SECONDS:.0f} s, all runs done: {is_done}"]


def errors_in(outputs: Iterable[Path]) -> list[str]:
    """Returns the outputs of processes that hold a traceback."""
    texts = {path: path.read_text(errors="replace") for path in outputs}
    return [
        f"{path.name} has a traceback: {text.strip().splitlines()[-1]}"
        for path, text in texts.items()
        if "Traceback" in text
    ]


def print_figures(fleet: Fleet, storm: Storm, journals: Journals) -> list[str]:
    """Prints what has happened, and returns the writes of runs by two processes at once."""
    for kind, count in sorted(Counter(kind for _, kind, _ in storm.struck).items()):
        print(f"  {count:4} {kind}")
    print(f"stopped in the write of a checkpoint: {storm.in_writes}")
    codes = Counter(str(one.process.returncode) for one in fleet.all)
    texts = ", ".join(f"{count} with {code}" for code, count in sorted(codes.items()))
    print(f"processes started {len(fleet.all)}; exit codes: {texts}")
    print(f"epochs trained again {journals.trained_again()}, of {len(journals.epochs)}")
    handovers = journals.handovers()
    count, alive = taken_over(handovers, fleet.deaths())
    print(f"locks taken over {count}, of which {alive} from a process that still lived")
    both = written_by_two(handovers)
    print(f"runs written by two processes at once {len({line[:16] for line in both})}")
    return both


def run(scratch: Path, disk: Disk, options: argparse.Namespace) -> bool:
    """Trains the sweep twice, and prints the figures. Returns whether all is well."""
    overrides = grid(options.runs, options.epochs)
    alone, disturbed = scratch / "alone", disk.folder
    alone.mkdir()
    seconds = crash.finish(alone, overrides)
    counts = f"{len(crash.runs(alone))} runs, {epochs_of(alone)} epochs"
    print(f"undisturbed: {counts} in {seconds:.0f} s", flush=True)
    crash.finish(disturbed, (*overrides, "--plan-only"))
    sweep = disturbed / "sweeps" / "chaos"
    draw = random.Random(options.seed)
    work = ["work", str(sweep), "--threads", "2"]
    drive = ["train", f"output_dir={disturbed}", *overrides]
    fleet = Fleet(scratch, work, drive, options.workers, draw)
    storm = Storm(fleet, disk, sweep, options.events, draw)
    journals = Journals(scratch / "journal")
    began = time.monotonic()
    try:
        problems = disturb(fleet, storm, journals, alone)
        seconds = time.monotonic() - began
        if not problems and (code := fleet.drive_to_end()) != 0:
            problems = [f"the same command again ended with exit code {code}"]
    finally:
        fleet.end()
    print(f"{len(storm.struck)} events in {seconds:.0f} s, seed {options.seed}:")
    if not problems:
        problems = crash.mismatches(disturbed, alone)
    journals.update()
    problems += print_figures(fleet, storm, journals) + errors_in((scratch / "output").iterdir())
    print(f"mismatches {len(problems)}")
    print("\n".join(f"  {line}" for line in problems[:MOST_SHOWN]))
    if problems:
        for progress, kind, names in storm.struck:
            print(f"  {progress:.3f} {kind}: {names}")
        shutil.copytree(disturbed, scratch / "disturbed", symlinks=True)
        print(f"the files are in {scratch}")
    return not problems


def main() -> None:
    options = read_options(__doc__, events=100, seed=0, workers=4, runs=48, epochs=200)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # which ends all processes
    scratch = Path(tempfile.mkdtemp(prefix="chaos-"))
    with Disk(scratch / "disk") as disk:
        is_well = run(scratch, disk, options)
    if is_well:
        shutil.rmtree(scratch)
    sys.exit(not is_well)


if __name__ == "__main__":
    main()
