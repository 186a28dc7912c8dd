"""Measures the wall time of one sweep by local workers and by workers of clusters.

    python scripts/bench/cluster_times.py [--ways local1 local2 slurm ray] [--repeats 1]
        [--seeds 8] [--epochs 30]

The sweep has six networks: 64, 96 and 128 units in one and two layers. With eight seeds these are
48 runs. Each worker trains on one thread:

- `local1`, `local2`: `seqsweep work` with one and with two processes;
- `slurm`: hydra/launcher=slurm with two workers, on a Slurm of two nodes of one CPU;
- `ray`: hydra/launcher=ray with two workers, on a Ray cluster of two nodes of one CPU.

The clusters are those of the tests and run on this machine, so all ways share its cores. The clock
starts with the command and stops when it ends. `cluster` is the time until the nodes are up, which
is not counted. Planning the sweep (`--plan-only`) belongs to the time of the local ways too. The
least time of the repeats counts.
"""

import argparse
import importlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from timing import ONE_THREAD

SUPPORT = Path(__file__).parents[2] / "tests" / "support"
SEQSWEEP = (sys.executable, "-m", "seqsweep")
NETWORKS = ("model.hidden_size=64,96,128", "model.num_layers=1,2")
WAYS = ("local1", "local2", "slurm", "ray")


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="The wall time of one sweep, by workers.")
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=WAYS)
    for name, number in (("repeats", 1), ("seeds", 8), ("epochs", 30)):
        parser.add_argument(f"--{name}", type=int, default=number)
    options = parser.parse_args(arguments)
    print(f"{os.cpu_count()} cores, {6 * options.seeds} runs of {options.epochs} epochs\n")
    print("| way | workers | wall time (s) | cluster (s) |\n|---|---|---|---|")
    for way in options.ways:
        sweep = Sweep(options.seeds, options.epochs)
        seconds, up = measure(way, sweep, options.repeats)
        workers = 1 if way == "local1" else 2
        start = "" if up is None else f"{up:.0f}"
        print(f"| {way} | {workers} | {seconds:.1f} | {start} |", flush=True)


@dataclass(frozen=True)
class Sweep:
    """The measured sweep."""

    seeds: int
    epochs: int

    def command(self, folder: Path, *words: str) -> list[str]:
        """Returns the command that trains the sweep in a folder."""
        lengths = (f"seed=range({self.seeds})", f"trainer.max_epochs={self.epochs}")
        fixed = (f"hydra.sweep.dir={folder}", "trainer=cpu", "sweep.report=false")
        return [*SEQSWEEP, "train", "-m", "--yes", *NETWORKS, *lengths, *fixed, *words]

    def check(self, folder: Path) -> None:
        """Ends the program unless all runs are done."""
        done = len(list(folder.glob("*/record.json")))
        if done != 6 * self.seeds:
            raise SystemExit(f"{folder}: {done} of {6 * self.seeds} runs are done")


def measure(way: str, sweep: Sweep, repeats: int) -> tuple[float, float | None]:
    """Returns the least wall time of a sweep and the start time of its cluster."""
    with tempfile.TemporaryDirectory(prefix="seqsweep-") as name:
        folders = [Path(name) / str(number) for number in range(repeats)]
        if way.startswith("local"):
            processes = way.removeprefix("local")
            return min(by_work(folder, sweep, processes) for folder in folders), None
        began = time.perf_counter()
        with slurm(Path(name)) if way == "slurm" else ray() as (variables, words):
            up = time.perf_counter() - began
            words = [f"hydra/launcher={way}", "hydra.launcher.count=2", *words]
            times: list[float] = []
            for folder in folders:
                times.append(timed(variables, sweep.command(folder, *words)))
                sweep.check(folder)
            return min(times), up


def by_work(folder: Path, sweep: Sweep, processes: str) -> float:
    """Returns the wall time of planning the sweep and of workers of this machine."""
    work = [*SEQSWEEP, "work", str(folder), "--processes", processes, "--threads", "1"]
    seconds = timed(ONE_THREAD, sweep.command(folder, "--plan-only"), work)
    sweep.check(folder)
    return seconds


def timed(variables: Mapping[str, str], *commands: Sequence[str]) -> float:
    """Returns the wall time of commands."""
    began = time.perf_counter()
    for command in commands:
        subprocess.run(command, env=variables, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began


@contextmanager
def slurm(folder: Path) -> Generator[tuple[Mapping[str, str], list[str]]]:
    """Starts a Slurm of two nodes; yields variables and options for the sweep."""
    with importlib.import_module("slurm_cluster").SlurmCluster(folder / "cluster") as cluster:
        yield cluster.environment | {"OMP_NUM_THREADS": "1"}, []


@contextmanager
def ray() -> Generator[tuple[Mapping[str, str], list[str]]]:
    """Starts a Ray cluster of two nodes; yields what `slurm` yields."""
    module = importlib.import_module("ray_cluster")
    cluster = module.RayCluster()
    try:
        cluster.start()
        yield ONE_THREAD | module.VARIABLES, [f"hydra.launcher.address={cluster.address}"]
    finally:
        cluster.end()


if __name__ == "__main__":
    sys.path.insert(0, str(SUPPORT))
    main()
