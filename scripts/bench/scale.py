"""Measures the commands that read a sweep of very many runs.

    python scripts/bench/scale.py [--runs 1000 10000 100000] [--only status report] [--within DIR]

One run is trained. The folders of a grid are copies of its files with other configs and numbers, so
every run has the files of a real one. Each command is a separate process; the table shows its CPU
time, its wall time and its peak memory. 100,000 runs are a million files, which take 6 GiB.
"""

import argparse
import json
import math
import multiprocessing
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from made_runs import compose_configs
from timing import ONE_THREAD

from seqsweep.results.run_names import readable_names
from seqsweep.runs.documents import sealed, to_text
from seqsweep.runs.eventfiles import NAMES, event_files
from seqsweep.runs.files import write_json
from seqsweep.runs.sweepfile import SweepFile
from seqsweep.training.planned_run import PlannedRun, plan

CELLS = ("gru", "lstm")
FIXED = ("data=digits", "trainer.max_epochs=10", "sweep.name=scale")
COPIED = ("provenance.json", "train.log", "diagnostics.json")
SEQSWEEP = (sys.executable, "-m", "seqsweep")
VIEW = """
import sys, pathlib
from seqsweep.results.tensorboard.view import renew
renew(pathlib.Path(sys.argv[1]))
"""
WATCH = """
import io, pathlib, sys, time
from rich.console import Console
from rich.live import Live
from seqsweep.live.display import LiveView
from seqsweep.live.watch import WatchedFolder
console = Console(file=io.StringIO(), force_terminal=True, width=100)
table = Live(console=console, auto_refresh=False, redirect_stdout=False, redirect_stderr=False)
watched = WatchedFolder(pathlib.Path(sys.argv[1]))
view = LiveView(watched.progress, console, table)
view.start()
view.renew()
first = time.process_time()
for _ in range(5):
    watched.renew()
    view.renew()
    watched.is_over()
frame = (time.process_time() - first) / 5
print(f"first frame {first:.1f} s, a further frame {frame:.2f} s (CPU)")
"""


@dataclass(frozen=True)
class Grid:
    """A grid of cells, hidden sizes, learning rates and seeds."""

    sizes: int
    rates: int
    seeds: int

    @classmethod
    def of(cls, runs: int, seeds: int) -> "Grid":
        """Returns a grid of about this many runs."""
        sizes = max(1, round(math.sqrt(runs / len(CELLS) / seeds / 4)))
        return cls(sizes, max(1, round(runs / len(CELLS) / seeds / sizes)), seeds)

    def overrides(self) -> list[str]:
        """Returns the grid as the words of a command."""
        return [
            f"model.cell={','.join(CELLS)}",
            f"model.hidden_size=range(1,{self.sizes + 1})",
            f"optimizer.lr={','.join(map(str, self.learning_rates()))}",
            f"seed=range({self.seeds})",
        ]

    def learning_rates(self) -> list[float]:
        return [round(0.0001 * (number + 1), 4) for number in range(self.rates)]

    def members(self, config: dict[str, Any]) -> Iterator[PlannedRun]:
        """Yields the planned runs; they share the nested values that do not vary."""
        for cell in CELLS:
            for size in range(1, self.sizes + 1):
                for rate in self.learning_rates():
                    for seed in range(self.seeds):
                        model = config["model"] | {"cell": cell, "hidden_size": size}
                        optimizer = config["optimizer"] | {"lr": rate}
                        varied = {"model": model, "optimizer": optimizer, "seed": seed}
                        yield plan(config | varied)


def make_sweep(output: Path, grid: Grid) -> Path:
    """Writes the folder of a finished sweep; returns it."""
    words = [*FIXED, f"output_dir={output}"]
    single = [*SEQSWEEP, "train", *words, "name=scale", "model.hidden_size=4"]
    subprocess.run(single, check=True, env=ONE_THREAD, stdout=subprocess.DEVNULL)
    (source,) = (output / "runs" / "scale").iterdir()
    (config,) = compose_configs(words)
    members = {member.run_id: member for member in grid.members(config)}
    folder = output / "sweeps" / "scale"
    folder.mkdir(parents=True)
    configs = {run_id: member.flat for run_id, member in members.items()}
    command = ["seqsweep", "train", "-m", *words, *grid.overrides()]
    costs = dict.fromkeys(configs, 0.0003)
    SweepFile(command, time.time(), configs, ended=time.time() + 1, costs=costs).write(folder)
    names = readable_names(configs)
    write_json(folder / NAMES, names, sync=False)
    write_runs(folder, source, members, names)
    shutil.rmtree(output / "runs")
    return folder


def write_runs(
    folder: Path, source: Path, members: dict[str, PlannedRun], names: dict[str, str]
) -> None:
    """Writes the runs with the files of one that was trained."""
    copied = {name: (source / name).read_bytes() for name in COPIED}
    (events,) = (path for path in event_files(source) if path.name.endswith(".rows"))
    checkpoint, curve = (source / "checkpoints/best.ckpt").read_bytes(), events.read_bytes()
    header, *rows = (source / "metrics.csv").read_text().splitlines()
    record = json.loads((source / "record.json").read_text())
    # What is left is the result, which is the same in each run apart from its numbers.
    record = {key: record[key] for key in record if key not in ("run_id", "status", "config")}
    draw = random.Random(0)
    for run_id, member in members.items():
        run = folder / run_id
        (run / "checkpoints").mkdir(parents=True)
        (run / names[run_id]).mkdir()
        (run / "config.yaml").write_text(to_text(member.config))
        for name, content in copied.items():
            (run / name).write_bytes(content)
        (run / names[run_id] / events.name).write_bytes(curve)
        (run / "checkpoints/best.ckpt").write_bytes(checkpoint)
        os.link(run / "checkpoints/best.ckpt", run / "checkpoints/last.ckpt")
        score = draw.gauss(0.7 - 1 / (10 + member.config["model"]["hidden_size"]), 0.02)
        metrics = record["metrics"] | {"val/acc": score, "test/acc": score + draw.gauss(0, 0.02)}
        result = record | {"metrics": metrics, "train_seconds": round(draw.random(), 3)}
        last = rows[-1].rsplit(",", 2)[0] + f",{score},{score}"
        (run / "metrics.csv").write_text("\n".join([header, *rows[:-1], last]) + "\n")
        content = sealed(member.record("complete", result))
        write_json(run / "record.json", content, sync=False)


def commands(folder: Path, grid: Grid) -> dict[str, list[str]]:
    """Returns the measured commands by name, in an order in which none spoils the next."""
    output = folder.parents[1]
    words = ["-m", *FIXED, f"output_dir={output}", *grid.overrides()]
    runs = sorted(str(path.parent) for path in folder.glob("0*/record.json"))[:2]
    return {
        "plan, nothing trained": [*SEQSWEEP, "plan", *words, "sweep.name=none"],
        "plan, all done": [*SEQSWEEP, "plan", *words],
        "status": [*SEQSWEEP, "status", str(folder)],
        "status of the folder above": [*SEQSWEEP, "status", str(output)],
        "leaderboard": [*SEQSWEEP, "leaderboard", str(folder)],
        "clean": [*SEQSWEEP, "clean", str(folder)],
        "clean KEY=VALUE": [*SEQSWEEP, "clean", str(folder), "seed=0"],
        "compare two runs": [*SEQSWEEP, "compare", *runs],
        "watch, six frames": [sys.executable, "-c", WATCH, str(folder)],
        "watch, no terminal": [*SEQSWEEP, "watch", str(folder)],
        "report": [*SEQSWEEP, "report", str(folder)],
        "tensorboard view": [sys.executable, "-c", VIEW, str(folder)],
        "tensorboard view again": [sys.executable, "-c", VIEW, str(folder)],
        "train -m, all done": [*SEQSWEEP, "train", *words],
        "train -m again": [*SEQSWEEP, "train", *words],
    }


def measure(command: Sequence[str], output: Path) -> tuple[float, float, float, int]:
    """Returns CPU and wall seconds, peak MiB and exit code of a process."""
    with output.open("wb") as file:
        began = time.perf_counter()
        process = subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT, env=ONE_THREAD)
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
    return usage.ru_utime + usage.ru_stime, wall, usage.ru_maxrss / 1024, process.returncode


def last_line(path: Path) -> str:
    lines = [line for line in path.read_text(errors="replace").splitlines() if line.strip()]
    return lines[-1].strip()[:70] if lines else ""


def measure_all(folder: Path, grid: Grid, only: Sequence[str]) -> None:
    for name, command in commands(folder, grid).items():
        if only and not any(name.startswith(word) for word in only):
            continue
        printed = folder.parents[1] / "printed.txt"
        cpu, wall, memory, code = measure(command, printed)
        size = printed.stat().st_size / 1e6
        words = last_line(printed)
        print(
            f"{name:<27}{cpu:>8.1f}{wall:>8.1f}{memory:>8.0f}{code:>5}{size:>8.2f}  {words}",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description="Measures commands on very large sweeps.")
    parser.add_argument("--runs", type=int, nargs="+", default=[1000, 10_000, 100_000])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--only", nargs="+", default=[], help="the beginnings of names")
    parser.add_argument("--within", type=Path, help="where the runs are written")
    parser.add_argument("--keep", type=Path, help="a folder that is kept, and used again")
    options = parser.parse_args()
    for runs in options.runs:
        grid = Grid.of(runs, options.seeds)
        with tempfile.TemporaryDirectory(dir=options.within) as temporary:
            output = options.keep / str(runs) if options.keep else Path(temporary)
            folder = output / "sweeps" / "scale"
            if not folder.exists():
                began = time.perf_counter()
                # A process of its own, because a child begins with the peak memory of its parent.
                maker = multiprocessing.Process(target=make_sweep, args=(output, grid))
                maker.start()
                maker.join()
                print(f"made in {time.perf_counter() - began:.0f} s")
            count = len(CELLS) * grid.sizes * grid.rates * grid.seeds
            print(f"{count:,} runs: {grid}, sweep.json", end=" ")
            print(f"{(folder / 'sweep.json').stat().st_size / 1e6:.1f} MB")
            print(f"{'':<27}{'CPU s':>8}{'wall s':>8}{'MiB':>8}{'exit':>5}{'MB out':>8}")
            measure_all(folder, grid, options.only)


if __name__ == "__main__":
    main()
