"""Measures the cost of a sweep of small networks in four ways.

    python scripts/bench/sweep.py [--cases notebook random] [--ways pool plain] [--share 0.1]
        [--seeds 8] [--epochs 2] [--repeats 3] [--plot FOLDER]
    python scripts/bench/sweep.py --grow [members hidden steps]

Four ways train the same grid of configs, each in separate processes, with the same data, splits,
initial weights, Adam, clipping and epochs, a validation after each epoch and a test at the end:

- `pool`: `seqsweep train -m` with its defaults, on all cores, with all files that it writes;
- `basic`: the same with hydra/launcher=basic;
- `plain`: the PyTorch loop of single_run.py on one thread, one run after another;
- `template`: Lightning's defaults as in single_run.py, on one thread, one run after another.

The clocks of the last two start when data and networks are ready. Among equally accurate epochs,
ours test the one with the lower loss and plain the first one. The template tests the last epoch.

CPU is the user and system time of a process and its children. `start` is the cost of one member and
one epoch of the notebook, nearly all of it imports (for plain, of torch and a step of Adam; for the
others, of Hydra too). `runs` excludes the start and `whole` includes it. All ways except pool train
a regular sample of the seeds of each architecture, and their costs are scaled up. A process of less
than half a minute is repeated `--repeats` times, and the least CPU time counts. MiB
is the peak memory of the largest process. The floor is the time of the matmuls of all training
steps, forward and backward, at the core's peak of fused multiply-adds and at the speed of torch.mm.
"""

import argparse
import importlib
import itertools
import json
import logging
import math
import os
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean
from typing import Any

from timing import ONE_THREAD

# Only the children import modules that need torch, because a new process starts with the peak
# memory of its parent.

SHORT = 30.0  # seconds
OURS = {"pool": [], "basic": ["hydra/launcher=basic"]}
WAYS = (*OURS, "plain", "template")
START = ["trainer=cpu", "experiment=notebook_simple", "~logger.print_loss", "trainer.max_epochs=1"]
PLAIN_START = """import torch
adam = torch.optim.Adam((rnn := torch.nn.RNN(2, 2)).parameters())
rnn(torch.zeros(1, 1, 2))[0].sum().backward()
adam.step()
print([])"""


@dataclass(frozen=True)
class Case:
    """A grid: overrides with one or several values, seeds, and epochs."""

    overrides: tuple[str, ...]
    seeds: int
    epochs: int

    @property
    def architectures(self) -> int:
        return math.prod(text.count(",") + 1 for text in self.overrides)

    def grid(self, seeds: Sequence[int]) -> list[str]:
        """Returns the arguments of `seqsweep train -m` for these seeds."""
        last = [f"trainer.max_epochs={self.epochs}", "seed=" + ",".join(map(str, seeds))]
        return ["trainer=cpu", *self.overrides, *last]

    def sample(self, share: float) -> list[int]:
        """Returns every n-th seed, at least one."""
        count = max(1, round(share * self.seeds))
        return [index * self.seeds // count for index in range(count)]


DEPTH = ("model.num_layers=1,2,4", "model.bidirectional=false,true")
ORDER = ("experiment=temporal_order", "model.hidden_size=4,10,32", *DEPTH)
# The plain loop and the template have no scheduler, and the loop keeps the most accurate epoch.
VOWELS = ("sweep=architecture", "scheduler=none", "monitor=val/acc")
RANDOM = ("data=random", "data.batch_size=64", "model.hidden_size=10,16,32,64,96,128")
CASES = {
    "notebook": Case(("experiment=notebook_simple", "~logger.print_loss"), 256, 20),
    "temporal_order": Case(ORDER, 14, 15),
    "japanese_vowels": Case((*VOWELS, "model.hidden_size=16,32,64,128", *DEPTH), 5, 60),
    "random": Case(RANDOM, 4, 5),
}
# The number of members, and the override that they share.
GROWTH = {
    "members": [(2**n, "model.hidden_size=10") for n in range(10)],
    "hidden": [(32, f"model.hidden_size={2**n}") for n in range(2, 9)],
    "steps": [(32, f"data.source.length={2**n}") for n in range(3, 9)],
}


@dataclass(frozen=True)
class Usage:
    """The CPU and wall seconds, the peak memory, and the results of runs."""

    cpu: float
    wall: float
    mib: float
    results: list[dict[str, Any]]


def run_process(way: str, overrides: list[str]) -> Usage:
    """Runs one process of a way to its end."""
    with tempfile.TemporaryDirectory() as folder, open(Path(folder, "output"), "w+") as output:
        began = time.perf_counter()
        process = subprocess.Popen(
            command(way, overrides, folder),
            cwd=folder,
            env=ONE_THREAD,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        # The usage includes the children that the process has waited for.
        _, status, used = os.wait4(process.pid, 0)
        wall, process.returncode = time.perf_counter() - began, os.waitstatus_to_exitcode(status)
        output.seek(0)
        text = output.read()
        if process.returncode != 0:
            sys.exit(f"{way} {overrides} ended with exit code {process.returncode}:\n{text}")
        # Processes that are not ours print their results in the last line.
        results = records(Path(folder)) if way in OURS else json.loads(text.splitlines()[-1])
    mib = used.ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)
    return Usage(used.ru_utime + used.ru_stime, wall, mib, results)


def command(way: str, overrides: list[str], folder: str) -> list[str]:
    """Returns the command of a way."""
    if way == "plain_start":
        return [sys.executable, "-c", PLAIN_START]
    if way not in OURS:
        return [sys.executable, str(Path(__file__).resolve()), "--way", way, *overrides]
    train = [sys.executable, "-m", "seqsweep", "train", "-m", "--yes", f"output_dir={folder}"]
    train.append("sweep.report=false")  # the other ways write no report
    return [*train, *OURS[way], *overrides]


def run_repeatedly(way: str, overrides: list[str], repeats: int) -> Usage:
    """Repeats a short process; returns the usage with the least CPU time."""
    usages = [run_process(way, overrides)]
    while len(usages) < repeats and usages[0].wall < SHORT:
        usages.append(run_process(way, overrides))
    return min(usages, key=lambda usage: usage.cpu)


def records(folder: Path) -> list[dict[str, float]]:
    """Returns the seed, test accuracy and last training loss of our runs."""
    results: list[dict[str, float]] = []
    for path in folder.glob("sweeps/*/*/record.json"):
        record = json.loads(path.read_text())
        header, *_, last = path.with_name("metrics.csv").read_text().splitlines()
        loss = float(last.split(",")[header.split(",").index("train/loss")])
        acc = record["metrics"].get("test/acc", math.nan)
        results.append({"seed": record["config"]["seed"], "acc": acc, "loss": loss})
    return results


def cost(way: str, case: Case, options: argparse.Namespace) -> Usage:
    """Returns the usage of a way without its start, and the mean results."""
    sample, start = case.sample(options.share), options.starts[way]
    seeds = range(case.seeds) if way == "pool" else sample
    usage, scale = run_repeatedly(way, case.grid(seeds), options.repeats), case.seeds / len(seeds)
    members = len(seeds) * case.architectures
    assert len(usage.results) == members, f"{way}: {len(usage.results)} of {members} members"
    if way in OURS:
        cpu, wall = usage.cpu - start.cpu, usage.wall - start.wall
    else:
        cpu, wall = (sum(run[key] for run in usage.results) for key in ("cpu", "wall"))
    compared = [run for run in usage.results if run["seed"] in sample]
    means = {key: fmean(run[key] for run in compared) for key in ("acc", "loss")}
    return Usage(cpu * scale, wall * scale, usage.mib, [means])


def compare(name: str, case: Case, options: argparse.Namespace) -> dict[str, Usage]:
    """Measures the ways on one case and prints a line for each."""
    seeds, architectures, first = case.seeds, case.architectures, options.ways[0]
    sampled = len(case.sample(options.share))
    print(f"\n{name}: {architectures * seeds} members, {architectures} architectures", end="")
    print(f" x {seeds} seeds, {case.epochs} epochs", end="")
    print(f"; all but pool scaled up from {sampled} seeds" if sampled < seeds else "")
    print(f"  {'CPU, s':10}{'start':>6}{'runs':>9} ratio{'whole':>9} ratio  wall, s", end="")
    print(f"{'runs':>7} ratio{'whole':>9} ratio{'MiB':>7}{'test acc':>10}{'train loss':>12}")
    costs: dict[str, Usage] = {}
    for way in options.ways:
        costs[way] = cost(way, case, options)
        print(f"  {way:10}{options.starts[way].cpu:6.2f}", end="")
        for key, width in (("cpu", 9), ("wall", 16)):
            one, base = getattr(costs[way], key), getattr(costs[first], key)
            whole = one + getattr(options.starts[way], key)
            base_whole = base + getattr(options.starts[first], key)
            print(f"{one:{width}.2f}{one / base:6.2f}{whole:9.2f}{whole / base_whole:6.2f}", end="")
        [means] = costs[way].results
        print(f"{costs[way].mib:7.0f}{means['acc']:10.4f}{means['loss']:12.6f}", flush=True)
    [speeds] = run_process("floor", case.grid([0])).results
    flops = speeds["flops"] * seeds
    for what in ("core", "torch.mm"):
        if speeds[what] is None:
            continue  # it cannot be measured without a compiler
        seconds = flops / speeds[what]
        print(
            f"  floor: {flops / 1e9:.3f} Gflop of matmuls at {speeds[what] / 1e9:.0f} Gflop/s",
            end="",
        )
        print(
            f" ({what}): {seconds:.3f} s; {first} takes {costs[first].cpu / seconds:.1f} times that"
        )
    return costs


def grow(what: str, options: argparse.Namespace) -> dict[str, list[tuple[float, float]]]:
    """Prints and returns the CPU time of a member as a size grows."""
    curves: dict[str, list[tuple[float, float]]] = {way: [] for way in options.ways}
    epochs = options.epochs or 5
    print(f"\nCPU ms per member without the start: temporal order, {epochs} epochs")
    print(f"  {what:>8}{'in all':>8}" + "".join(f"{way:>10}" for way in options.ways))
    for members, override in GROWTH[what]:
        if members > (options.seeds or members):
            continue
        size = members if what == "members" else int(override.partition("=")[2])
        for way in options.ways:
            # Separate runs cost the same, so the mean of eight is enough.
            seeds = members if way == "pool" else min(8, members)
            case = Case(("experiment=temporal_order", override), seeds, epochs)
            curves[way].append((size, cost(way, case, options).cpu / seeds))
        row = "".join(f"{curves[way][-1][1] * 1000:10.1f}" for way in options.ways)
        print(f"  {size:8}{members:8}{row}", flush=True)
    return curves


def run_here(way: str, overrides: list[str]) -> list[dict[str, float]]:
    """Trains the members one after another in this process; returns costs and results."""
    import single_run
    import torch

    from seqsweep.training.build_run import build_data, build_module

    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    train = single_run.plain if way == "plain" else single_run.template
    # Some modules are imported at the first use, which must not count for a run.
    train(plan_members([*START, "seed=0"])[0])
    grid, results = plan_members(overrides), list[dict[str, float]]()
    data = build_data(grid[0].config)
    for member in grid:
        module = build_module(member.config, data.splits)
        single_run.build_data = lambda config: data
        single_run.build_module = lambda config, data, module=module: module
        began = time.process_time(), time.perf_counter()
        loss = train(member).loss
        cpu, wall = time.process_time() - began[0], time.perf_counter() - began[1]
        acc, test = math.nan, data.splits.test
        if test is not None:
            x, lengths, labels = map(torch.from_numpy, (test.x, test.lengths, test.labels))
            with torch.no_grad():
                acc = (module.network.eval()(x, lengths).argmax(1) == labels).double().mean().item()
        seed = member.config["seed"]
        results.append({"cpu": cpu, "wall": wall, "seed": seed, "acc": acc, "loss": loss})
    return results


def plan_members(overrides: list[str]) -> list[Any]:
    """Returns the planned runs of a grid, as `seqsweep train -m` expands it."""
    from made_runs import compose_configs

    from seqsweep.training.planned_run import plan

    texts = [text.partition("=") for text in overrides]
    choices = [[key + sign + value for value in values.split(",")] for key, sign, values in texts]
    return [plan(config) for config in compose_configs(*map(list, itertools.product(*choices)))]


def count_flops(overrides: list[str]) -> list[dict[str, Any]]:
    """Returns the flops of a grid's training, and two speeds of this core."""
    import torch
    from core_peak import core_speed, torch_speed

    from seqsweep.training.build_run import build_data, build_module

    torch.set_num_threads(1)
    flops = 0
    for member in plan_members(overrides):
        data = build_data(member.config)
        train, epochs = data.splits.train, member.config["trainer"]["max_epochs"]
        for module in build_module(member.config, data.splits).network.modules():
            # A layer uses its D x G x H x (I + H) weights for each step, the head uses its weights
            # for each sequence. There are three products: forward, and backward for the weights and
            # for the inputs.
            uses = int(train.lengths.sum()) if isinstance(module, torch.nn.RNNBase) else len(train)
            weights = sum(w.numel() for w in module.parameters(recurse=False) if w.dim() == 2)
            flops += 3 * 2 * weights * uses * epochs
    return [{"flops": flops, "core": core_speed(), "torch.mm": torch_speed(512) * 1e9}]


def plot(folder: Path, costs: dict[str, dict[str, Usage]], curves: dict[str, Any]) -> None:
    """Draws bars of each case's CPU time, and curves of the growing sizes."""
    pyplot = importlib.import_module("matplotlib.pyplot")
    pyplot.switch_backend("agg")
    folder.mkdir(parents=True, exist_ok=True)
    for name in (*costs, *curves):
        figure, axes = pyplot.subplots(figsize=(6, 4), layout="constrained")
        if name in costs:
            axes.bar(list(costs[name]), [one.cpu for one in costs[name].values()])
            axes.set(title=name, ylabel="CPU s without the start", yscale="log")
        else:
            for way, points in curves[name].items():
                axes.plot(*zip(*points, strict=True), "o-", label=way)
            axes.set(xlabel=name, ylabel="CPU s per member", xscale="log", yscale="log")
            axes.legend()
        figure.savefig(folder / f"sweep_{name}.svg")
    print(f"\nplots in {folder}")


def read_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--cases", nargs="+", choices=list(CASES), default=list(CASES))
    parser.add_argument("--ways", nargs="+", choices=WAYS, help="the ratios are to the first")
    parser.add_argument(
        "--share", type=float, default=0.1, help="the part of the seeds to train; not of pool"
    )
    parser.add_argument("--seeds", type=int, help="the largest number for each architecture")
    parser.add_argument("--epochs", type=int, help="replaces the epochs of the cases")
    parser.add_argument("--repeats", type=int, default=3, help="turns of a short process")
    parser.add_argument(
        "--grow", nargs="*", choices=list(GROWTH), help="the sizes to grow, instead of the cases"
    )
    parser.add_argument("--plot", type=Path, metavar="FOLDER", help="writes plots")
    parser.add_argument("--way", choices=("plain", "template", "floor"), help=argparse.SUPPRESS)
    parser.add_argument("overrides", nargs="*", help=argparse.SUPPRESS)
    return parser.parse_args()


def main() -> None:
    options = read_arguments()
    # A child is this program with a way.
    if options.way is not None:
        way, overrides = options.way, options.overrides
        print(json.dumps(count_flops(overrides) if way == "floor" else run_here(way, overrides)))
        return
    growing = options.grow is not None
    options.ways = options.ways or (["pool", "plain"] if growing else WAYS)
    options.starts = {
        way: run_repeatedly(
            "plain_start" if way == "plain" else way, [*START, "seed=0"], options.repeats
        )
        for way in options.ways
    }
    costs: dict[str, dict[str, Usage]] = {}
    curves: dict[str, Any] = {}
    if growing:
        options.share = 1.0
        curves = {what: grow(what, options) for what in options.grow or GROWTH}
    for name in [] if growing else options.cases:
        case = CASES[name]
        seeds, epochs = options.seeds or case.seeds, options.epochs or case.epochs
        case = replace(case, seeds=min(seeds, case.seeds), epochs=epochs)
        costs[name] = compare(name, case, options)
    if options.plot is not None:
        plot(options.plot, costs, curves)


if __name__ == "__main__":
    main()
