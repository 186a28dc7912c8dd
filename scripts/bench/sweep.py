"""Measures the cost of a sweep of small networks in three ways.

    python scripts/bench/sweep.py [--cases notebook random] [--ways pool plain] [--share 0.1]
        [--seeds 8] [--epochs 2] [--repeats 3]

Three ways train the same grid of configs, each in separate processes, with the same data, splits,
initial weights, Adam, clipping and epochs, a validation after each epoch and a test at the end:

- `pool`: `seqsweep train -m` with its defaults, on all cores, with all files that it writes;
- `plain`: the PyTorch loop of single_run.py on one thread, one run after another;
- `template`: Lightning's defaults as in single_run.py, on one thread, one run after another.

The clocks of the last two start when data and networks are ready. Among equally accurate epochs,
ours test the one with the lower loss and plain the first one. The template tests the last epoch.

CPU is the user and system time of a process and its children. `start` is the cost of one member and
one epoch of the notebook, nearly all of it imports, and is not part of the other figures. All ways
except pool train a regular sample of the seeds of each architecture (`--share`), and their costs
are scaled up. `--seeds` and `--epochs` make the grids smaller. A process of less than half a minute
is repeated `--repeats` times, and the least CPU time counts. The ratios are to the first way. MiB
is the peak memory of the largest process. The floor is the time of the matmuls of all training
steps, forward and backward, at the core's peak of fused multiply-adds.
"""

import argparse
import itertools
import json
import math
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean
from typing import Any

from frame import SEQSWEEP, Table, Usage, call_command, read_options, run

from seqsweep.runs.metrics_csv import read_rows

# Only the children import modules that need torch, because a new process starts with the peak
# memory of its parent.

SHORT = 30.0  # seconds
WAYS = ("pool", "plain", "template")
START = ["trainer=cpu", "experiment=notebook_simple", "~logger.print_loss", "trainer.max_epochs=1"]


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


@dataclass(frozen=True)
class Cost:
    """The seconds of a way without its start, its memory and mean results."""

    cpu: float
    mib: float
    acc: float
    loss: float


Results = list[dict[str, float]]
"""The seed, the test accuracy and the last training loss of each run."""


def train_grid(way: str, overrides: list[str]) -> tuple[Usage, Results]:
    """Trains a grid in a process of its own."""
    if way != "pool":
        usage = run(call_command(train_here, way, overrides))
        return usage, usage.value
    # The other ways write no report.
    fixed = ["train", "-m", "--yes", "sweep.report=false"]
    with tempfile.TemporaryDirectory() as folder:
        usage = run([*SEQSWEEP, *fixed, f"output_dir={folder}", *overrides], Path(folder))
        return usage, records(Path(folder))


def repeated(measure: Callable[[], tuple[Usage, Results]], repeats: int) -> tuple[Usage, Results]:
    """Repeats a short process; returns the usage with the least CPU time, and the results."""
    turns = [measure()]
    while len(turns) < repeats and turns[0][0].wall < SHORT:
        turns.append(measure())
    return min(turns, key=lambda turn: turn[0].cpu)


def records(folder: Path) -> Results:
    """Returns the results of our runs."""
    results: Results = []
    for path in folder.glob("sweeps/*/*/record.json"):
        record = json.loads(path.read_text())
        loss = read_rows(path.with_name("metrics.csv"))[-1]["train/loss"]
        acc = record["metrics"].get("test/acc", math.nan)
        results.append({"seed": record["config"]["seed"], "acc": acc, "loss": loss})
    return results


def cost_of(way: str, case: Case, start: Usage, options: argparse.Namespace) -> Cost:
    """Returns the cost of a way, scaled up to all seeds."""
    sample = case.sample(options.share)
    seeds = range(case.seeds) if way == "pool" else sample
    usage, results = repeated(lambda: train_grid(way, case.grid(seeds)), options.repeats)
    members, scale = len(seeds) * case.architectures, case.seeds / len(seeds)
    assert len(results) == members, f"{way}: {len(results)} of {members} members"
    cpu = usage.cpu - start.cpu if way == "pool" else sum(result["cpu"] for result in results)
    compared = [result for result in results if result["seed"] in sample]
    acc, loss = (fmean(result[key] for result in compared) for key in ("acc", "loss"))
    return Cost(cpu * scale, usage.mib, acc, loss)


def compare(name: str, case: Case, starts: dict[str, Usage], options: argparse.Namespace) -> None:
    """Measures the ways on one case and prints a line for each."""
    seeds, architectures = case.seeds, case.architectures
    sampled = len(case.sample(options.share))
    print(f"\n{name}: {architectures * seeds} members, {architectures} architectures", end="")
    print(f" x {seeds} seeds, {case.epochs} epochs", end="")
    print(f"; all but pool scaled up from {sampled} seeds" if sampled < seeds else "")
    # A missing C compiler ends the program here, before anything is measured.
    speeds = run(call_command(count_flops, case.grid([0]))).value
    flops = speeds["flops"] * seeds
    heads = ("start", "CPU, s", "ratio", "MiB", "test acc", "train loss")
    table, base = Table("", *heads, first=10), None
    for way in options.ways:
        cost = cost_of(way, case, starts[way], options)
        base = base or cost
        means = (f"{cost.acc:.4f}", f"{cost.loss:.6f}")
        table.row(way, starts[way].cpu, cost.cpu, cost.cpu / base.cpu, cost.mib, *means)
    assert base is not None
    if speeds["core"] is not None:
        seconds = flops / speeds["core"]
        print(f"  floor: {flops / 1e9:.3f} Gflop at {speeds['core'] / 1e9:.0f} Gflop/s", end="")
        print(f": {seconds:.3f} s; {options.ways[0]} takes {base.cpu / seconds:.1f} times")


def train_here(way: str, overrides: list[str]) -> Results:
    """Trains the members one after another in this process; returns costs and results."""
    import single_run

    from seqsweep.training.build_run import build_data, build_module

    single_run.be_quiet()
    train = single_run.plain if way == "plain" else single_run.template

    def train_one(member: Any, data: Any) -> dict[str, float]:
        network = build_module(member.config, data.splits).network
        began = time.process_time()
        loss = train(member, data.splits, network).loss
        cpu = time.process_time() - began
        test = data.splits.test
        acc = math.nan if test is None else single_run.accuracy(network, test)
        return {"cpu": cpu, "seed": member.config["seed"], "acc": acc, "loss": loss}

    # Some modules are imported at the first use, which must not count for a run.
    (first,) = plan_grid([*START, "seed=0"])
    train_one(first, build_data(first.config))
    grid = plan_grid(overrides)
    data = build_data(grid[0].config)
    return [train_one(member, data) for member in grid]


def plan_grid(overrides: list[str]) -> list[Any]:
    """Returns the planned runs of a grid, as `seqsweep train -m` expands it."""
    from seqsweep import compose
    from seqsweep.training.planned_run import plan

    texts = [text.partition("=") for text in overrides]
    choices = [[key + sign + value for value in values.split(",")] for key, sign, values in texts]
    # A case with `sweep=architecture` brings a grid of its own, whose keys are all given here.
    alone = "hydra.sweeper.params=null"
    return [plan(compose(each, alone)) for each in itertools.product(*choices)]


def count_flops(overrides: list[str]) -> dict[str, Any]:
    """Returns the flops of a grid's training, and the speed of this core."""
    import torch
    from core_peak import core_speed

    from seqsweep.training.build_run import build_data, build_module

    torch.set_num_threads(1)
    flops = 0
    for member in plan_grid(overrides):
        data = build_data(member.config)
        train, epochs = data.splits.train, member.config["trainer"]["max_epochs"]
        for module in build_module(member.config, data.splits).network.modules():
            # A layer uses its D x G x H x (I + H) weights for each step, the head uses its weights
            # for each sequence. There are three products: forward, and backward for the weights and
            # for the inputs.
            uses = int(train.lengths.sum()) if isinstance(module, torch.nn.RNNBase) else len(train)
            weights = sum(w.numel() for w in module.parameters(recurse=False) if w.dim() == 2)
            flops += 3 * 2 * weights * uses * epochs
    return {"flops": flops, "core": core_speed()}


def main() -> None:
    sizes = {"share": 0.1, "seeds": 0, "epochs": 0, "repeats": 3}
    options = read_options(__doc__, cases=tuple(CASES), ways=WAYS, **sizes)
    starts = {
        way: repeated(lambda way=way: train_grid(way, [*START, "seed=0"]), options.repeats)[0]
        for way in options.ways
    }
    for name in options.cases:
        case = CASES[name]
        seeds = min(options.seeds or case.seeds, case.seeds)
        compare(
            name, replace(case, seeds=seeds, epochs=options.epochs or case.epochs), starts, options
        )


if __name__ == "__main__":
    main()
