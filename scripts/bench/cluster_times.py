"""Measures the wall time of one sweep by local workers and by workers of clusters.

    python scripts/bench/cluster_times.py [--ways local1 local2 slurm ray] [--repeats 1]

The sweep has 48 runs: networks of 64, 96 and 128 units in one and two layers, eight seeds, 30
epochs. Each worker trains on one thread:

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
from pathlib import Path

from timing import ONE_THREAD

SUPPORT = Path(__file__).parents[2] / "tests" / "support"
SEQSWEEP = (sys.executable, "-m", "seqsweep")
GRID = (
    "seed=range(8)", "model.hidden_size=64,96,128", "model.num_layers=1,2", "trainer=cpu",
    "trainer.max_epochs=30", "sweep.report=false",
)  # fmt: skip
RUNS = 48
WAYS = ("local1", "local2", "slurm", "ray")


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="The wall time of one sweep, by workers.")
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=WAYS)
    parser.add_argument("--repeats", type=int, default=1)
    options = parser.parse_args(arguments)
    print(f"{os.cpu_count()} cores\n")
    print("| way | workers | wall time (s) | cluster (s) |\n|---|---|---|---|")
    for way in options.ways:
        seconds, up = measure(way, options.repeats)
        workers = 1 if way == "local1" else 2
        start = "" if up is None else f"{up:.0f}"
        print(f"| {way} | {workers} | {seconds:.1f} | {start} |", flush=True)


def measure(way: str, repeats: int) -> tuple[float, float | None]:
    """Returns the least wall time of a sweep, and the time until its cluster was up."""
    with tempfile.TemporaryDirectory(prefix="seqsweep-") as folder:
        if way.startswith("local"):
            processes = way.removeprefix("local")
            times = [by_work(Path(folder) / str(n), processes) for n in range(repeats)]
            return min(times), None
        began = time.perf_counter()
        with slurm(Path(folder)) if way == "slurm" else ray() as (variables, words):
            up = time.perf_counter() - began
            words = [f"hydra/launcher={way}", "hydra.launcher.count=2", *words]
            sweeps = [Path(folder) / str(n) for n in range(repeats)]
            return min(timed(sweep, variables, train(sweep, *words)) for sweep in sweeps), up


def train(folder: Path, *words: str) -> list[str]:
    """Returns the command of the sweep."""
    return [*SEQSWEEP, "train", "-m", f"hydra.sweep.dir={folder}", *GRID, *words]


def by_work(folder: Path, processes: str) -> float:
    """Returns the wall time of planning the sweep and of workers of this machine."""
    work = [*SEQSWEEP, "work", str(folder), "--processes", processes, "--threads", "1"]
    return timed(folder, ONE_THREAD, train(folder, "--plan-only"), work)


def timed(folder: Path, variables: Mapping[str, str], *commands: Sequence[str]) -> float:
    """Returns the wall time of commands, after which all runs must be done."""
    began = time.perf_counter()
    for command in commands:
        subprocess.run(command, env=variables, check=True, stdout=subprocess.DEVNULL)
    seconds = time.perf_counter() - began
    done = len(list(folder.glob("*/record.json")))
    if done != RUNS:
        raise SystemExit(f"{folder}: {done} of {RUNS} runs are done")
    return seconds


@contextmanager
def slurm(folder: Path) -> Generator[tuple[Mapping[str, str], list[str]]]:
    """Starts a Slurm of two nodes; gives the variables of its commands and options of the sweep."""
    with importlib.import_module("slurm_cluster").SlurmCluster(folder / "cluster") as cluster:
        yield cluster.environment | {"OMP_NUM_THREADS": "1"}, []


@contextmanager
def ray() -> Generator[tuple[Mapping[str, str], list[str]]]:
    """Starts a Ray cluster of two nodes; gives what `slurm` gives."""
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
