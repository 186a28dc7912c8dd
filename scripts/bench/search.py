"""Measures what a search finds for its CPU time, in four ways.

    python scripts/bench/search.py [--ways halving random tpe asha] [--repetitions 10]
        [--data japanese_vowels temporal_order] [--seconds 100] [--output FOLDER]

All ways search the same space of seven keys (see search_plain.py), train for at most 27 epochs on
the same splits, and look for the best validation accuracy:

- `halving`: `hydra/sweeper=halving`, 256 random configs in one pool; then the same with other
  configs, while CPU time is left;
- `random`: `hydra/sweeper=optuna` with its random sampler, whole runs in pools;
- `tpe`: Optuna's TPE and Hyperband pruner around a Lightning Trainer, one trial after another;
- `asha`: Ray Tune's ASHA around the same Lightning Trainer, a trial per core at a time.

Each search is a tree of processes, and each process computes with one thread. The clock is the user
and system time of the whole tree, with its start and imports, and it is read five times a second. A
search is killed after `--seconds` of it. `configs` is the number of configs with at least one
finished epoch. `test` is the test accuracy of the config with the best validation accuracy until
then, from its best epoch; it is computed afterwards and costs no way anything.

FOLDER gets search.csv with every improvement and a plot per data set.
"""

import argparse
import csv
import importlib
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, median
from typing import Any, TextIO

import torch
from search_plain import CHOICES, EPOCHS, RATES, SIZES, Network, load_splits
from search_progress import Clock, OurRuns, PlainEvents
from timing import ONE_THREAD

import seqsweep
from seqsweep.runs.run_folder import RunFolder

WAYS = ("halving", "random", "tpe", "asha")
DATA = ("japanese_vowels", "temporal_order")
BUDGETS = (10.0, 30.0, 100.0)
SETTINGS = {
    "halving": ["hydra/sweeper=halving", "hydra.sweeper.population=256"],
    "random": ["hydra/sweeper=optuna", "hydra.sweeper.sampler=random",
               "hydra.sweeper.budget.trials=20000"],
}  # fmt: skip
MODEL = ("cell", "num_layers", "bidirectional", "dropout")
PAUSE = 0.2
LONGEST = 6.0
"""The wall time after which a search is killed, as a multiple of its CPU time and a minute."""


@dataclass
class Point:
    """The state of a search at one time."""

    cpu: float
    configs: int
    val: float
    key: str
    params: dict[str, Any]
    test: float | None = None


def command_of(way: str, data: str, seed: int, folder: Path, times: int) -> list[str]:
    """Returns the command of one search.

    Args:
        times: how many searches of this way have ended before.
    """
    here = Path(__file__).parent
    if way not in SETTINGS:
        return [sys.executable, str(here / "search_plain.py"), way, data, str(folder), str(seed)]
    space = [
        f"model.hidden_size=tag(log,int(interval({SIZES[0]},{SIZES[1]})))",
        f"optimizer.lr=tag(log,interval({RATES[0]},{RATES[1]}))",
        *(f"model.{key}={_listed(CHOICES[key])}" for key in MODEL),
        f"data.batch_size={_listed(CHOICES['batch_size'])}",
    ]
    return [
        str(Path(sys.executable).with_name("seqsweep")), "train", "-m", *SETTINGS[way], *space,
        f"data={data}", "trainer=cpu", f"trainer.max_epochs={EPOCHS}", f"seed={seed}",
        f"hydra.sweeper.seed={1000 * times + seed}", "hydra.sweeper.confirm.top=0",
        "hydra.launcher.threads=1",
        "sweep.report=false", f"sweep.name=search{times}", f"output_dir={folder}",
    ]  # fmt: skip


def _listed(values: Sequence[Any]) -> str:
    return ",".join(str(value).lower() for value in values)


def search(way: str, data: str, seed: int, seconds: float, folder: Path) -> list[Point]:
    """Runs one search until its end or its budget; returns its improvements."""
    ours = way in SETTINGS
    progress = OurRuns(folder / "sweeps") if ours else PlainEvents(folder)
    log = (folder / "log.txt").open("w")
    clock, points, times = Clock(), [Point(0.0, 0, 0.0, "", {})], 0
    process = _start(command_of(way, data, seed, folder, times), folder, log, clock)
    end = time.monotonic() + LONGEST * (seconds + 60)
    while True:
        if way == "halving" and process.poll() == 0 and clock.read() < seconds:
            times += 1
            process = _start(command_of(way, data, seed, folder, times), folder, log, clock)
        ended = process.poll() is not None or time.monotonic() > end
        cpu, (configs, best) = clock.read(), progress.look()
        if configs > points[-1].configs or best.val > points[-1].val:
            points.append(Point(cpu, configs, max(best.val, 0.0), best.key, best.params))
        if ended or cpu >= seconds:
            break
        time.sleep(PAUSE)
    clock.kill()
    process.wait()
    log.close()
    if len(points) == 1:
        raise RuntimeError(f"{way} trained nothing:\n{(folder / 'log.txt').read_text()[-3000:]}")
    return points


def _start(command: list[str], folder: Path, log: TextIO, clock: Clock) -> subprocess.Popen[bytes]:
    process = subprocess.Popen(
        command, stdout=log, stderr=log, cwd=folder,
        env=ONE_THREAD | {"RAY_USAGE_STATS_ENABLED": "0", "RAY_AUTH_MODE": "disabled"},
    )  # fmt: skip
    clock.follow(process.pid)
    return process


def add_tests(points: Sequence[Point], data: str) -> None:
    """Adds the test accuracy of each best trial."""
    splits, _ = load_splits(data)
    known: dict[str, float | None] = {"": None}
    for point in points:
        if point.key not in known:
            known[point.key] = _test(point, splits)
        point.test = known[point.key]


def _test(point: Point, splits: Any) -> float | None:
    if not point.params:
        metrics = (RunFolder(Path(point.key)).record() or {}).get("metrics", {})
        if "test/acc" in metrics:
            return metrics["test/acc"]
        if not (Path(point.key) / "checkpoints" / "best.ckpt").exists():
            return None  # killed before its first checkpoint
        network: torch.nn.Module = seqsweep.load_run(point.key).network
    else:
        network = Network(point.params, splits.train.x.shape[2], splits.num_classes)
        network.load_state_dict(torch.load(point.key, weights_only=True))
    network.eval()
    x, lengths = torch.from_numpy(splits.test.x), torch.from_numpy(splits.test.lengths)
    with torch.no_grad():
        predicted = network(x, lengths).argmax(1)
    return (predicted == torch.from_numpy(splits.test.labels)).double().mean().item()


def at(points: Sequence[Point], cpu: float) -> Point:
    """The last point until a CPU time."""
    return [point for point in points if point.cpu <= cpu][-1]


def print_table(data: str, found: dict[str, list[list[Point]]], seconds: float) -> None:
    print(f"\n{data}: mean over {max(map(len, found.values()))} repetitions")
    print(f"  {'way':8} {'CPU, s':>7} {'configs':>8} {'val':>7} {'test':>7}")
    for way, repetitions in found.items():
        for budget in (b for b in (*BUDGETS, seconds) if b <= seconds):
            points = [at(each, budget) for each in repetitions]
            tests = [point.test for point in points if point.test is not None]
            test = f"{fmean(tests):7.4f}" if tests else f"{'':7}"
            configs, val = fmean(p.configs for p in points), fmean(p.val for p in points)
            print(f"  {way:8} {budget:7.0f} {configs:8.1f} {val:7.4f} {test}")


def print_times(found: dict[str, list[list[Point]]]) -> None:
    """Prints when each way found a config that is always right on the validation split."""
    for way, repetitions in found.items():
        firsts = (next((p.cpu for p in points if p.val == 1), None) for points in repetitions)
        times = sorted(time for time in firsts if time is not None)
        line = f"  {way:8} val 1 in {len(times)} of {len(repetitions)} repetitions"
        if times:
            line += f", after {median(times):.1f} s ({times[0]:.1f} to {times[-1]:.1f})"
        print(line)


def write_csv(path: Path, found: dict[str, dict[str, list[list[Point]]]]) -> None:
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["data", "way", "repetition", "cpu_seconds", "configs", "val", "test"])
        for data, ways in found.items():
            for way, repetitions in ways.items():
                for number, points in enumerate(repetitions):
                    for p in points:
                        row = [f"{p.cpu:.2f}", p.configs, p.val, p.test]
                        writer.writerow([data, way, number, *row])


def plot(folder: Path, data: str, found: dict[str, list[list[Point]]], seconds: float) -> None:
    """Draws the mean of the best validation accuracy over CPU time."""
    pyplot = importlib.import_module("matplotlib.pyplot")
    pyplot.switch_backend("agg")
    figure, axes = pyplot.subplots(figsize=(6, 4), layout="constrained")
    times = [seconds * (i + 1) / 400 for i in range(400)]
    for way, repetitions in found.items():
        means = [fmean(at(points, t).val for points in repetitions) for t in times]
        axes.step(times, means, where="post", label=way)
    first = min(p.cpu for each in found.values() for points in each for p in points if p.val)
    axes.set_xlim(first / 1.1, seconds)
    axes.set(xlabel="CPU seconds", ylabel="best validation accuracy", title=data)
    axes.legend(loc="lower right")
    for kind in ("svg", "png"):
        figure.savefig(folder / f"search_{data}.{kind}", dpi=150)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=WAYS)
    parser.add_argument("--data", nargs="+", choices=DATA, default=DATA)
    parser.add_argument("--repetitions", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=100.0)
    parser.add_argument("--output", type=Path, default=Path("outputs/search_bench"))
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    found: dict[str, dict[str, list[list[Point]]]] = {}
    for data in options.data:
        ways: dict[str, list[list[Point]]] = {way: [] for way in options.ways}
        found[data] = ways
        for seed in range(options.repetitions):
            # The ways take turns, so that a busy minute of the machine meets all of them.
            for way in options.ways:
                with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
                    points = search(way, data, seed, options.seconds, Path(folder))
                    add_tests(points, data)
                ways[way].append(points)
                last = points[-1]
                print(
                    f"{data} {way} {seed}: {last.configs} configs, val {last.val:.4f}", flush=True
                )
                # What was measured is kept if the program is stopped.
                write_csv(options.output / "search.csv", found)
        print_table(data, ways, options.seconds)
        print_times(ways)
        plot(options.output, data, ways, options.seconds)


if __name__ == "__main__":
    main()
