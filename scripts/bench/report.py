"""Measures the CPU time of a sweep's report and of its TensorBoard view.

    python scripts/bench/report.py [--runs 24 120 1000]

The program writes the folders of sweeps as if they had been trained: configs with seeds, curves of
thirty epochs, diagnostics. Each figure is measured in a separate process, including Python's start
and all imports. `again` is the second time in the same process, without imports.
"""

import argparse
import json
import math
import random
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from made_runs import make_diagnosis
from timing import ONE_THREAD

from seqsweep.runs.run_folder import RunFolder

CONFIGS = 50
EPOCHS = 30
CLASSES = 9
UNSWEPT = {f"trainer.option_{index}": index for index in range(60)}
"""The keys that all runs share, as many as a config has."""

HEADER = "epoch,step,lr,train/loss,train/acc,train/f1,train/grad_norm,val/loss,val/acc,val/f1"


def configs(count: int) -> list[dict[str, Any]]:
    """Returns a grid of cells, layers, directions and hidden sizes, cut to `count` configs."""
    grid = [
        {"model.cell": cell, "model.num_layers": layers, "model.bidirectional": both,
         "model.hidden_size": size}
        for size in (8, 16, 32, 64, 128)
        for layers in (1, 2)
        for both in (False, True)
        for cell in ("rnn", "gru", "lstm")
    ]  # fmt: skip
    return grid[:count]


def write_run(folder: Path, config: dict[str, Any], draw: random.Random) -> None:
    """Writes a complete run. Larger networks are better, apart from noise."""
    best = 0.99 - 0.8 / config["model.hidden_size"] - draw.random() / 50
    name = f"{draw.getrandbits(64):016x}"
    run = RunFolder(folder / name)
    run.start(config, {"command": ["seqsweep", "train", "-m"]}, sync=False)
    rows, loss = [HEADER], 2.0
    for epoch in range(EPOCHS):
        acc = best * (1 - math.exp(-(epoch + 1) / 6)) + draw.gauss(0, 0.004)
        loss = 2 * math.exp(-epoch / 8) + draw.random() / 20
        values = (epoch, epoch * 6, 0.003, loss, acc, acc, 1.0, loss * 1.2, acc * 0.99, acc * 0.99)
        rows.append(",".join(map(str, values)))
    (run.path / "metrics.csv").write_text("\n".join(rows) + "\n")
    right = round(40 * best)
    matrix = [
        [right if i == j else draw.randrange(2) for j in range(CLASSES)] for i in range(CLASSES)
    ]
    (run.path / "diagnostics.json").write_text(json.dumps(make_diagnosis(CLASSES)))
    metrics = {"train/loss": loss, "val/loss": loss, "val/acc": best, "val/f1": best,
               "test/loss": loss, "test/acc": best - 0.01, "test/f1": best - 0.02}  # fmt: skip
    run.finish(
        {"run_id": name, "metrics": metrics, "best_epoch": EPOCHS - 1, "epochs": EPOCHS,
         "steps": 6 * EPOCHS,
         "params": 40 * config["model.hidden_size"] ** 2, "num_train": 270, "config": config,
         "train_seconds": 0.01 * config["model.hidden_size"] + draw.random(),
         "classes": [str(c) for c in range(CLASSES)], "confusion": {"val": matrix, "test": matrix}},
        synced=True,
    )  # fmt: skip


def write_sweep(folder: Path, runs: int) -> None:
    """Writes a sweep of at most fifty configs; small sweeps have three seeds."""
    draw = random.Random(0)
    seeds = max(3, math.ceil(runs / CONFIGS))
    chosen = configs(math.ceil(runs / seeds))
    grid = [UNSWEPT | config | {"seed": seed} for config in chosen for seed in range(seeds)]
    for config in grid[:runs]:
        write_run(folder, config, draw)


MEASURED = {
    "nothing": "",
    "report": """
from seqsweep.results.report.write import write_report as made""",
    "view": """
from seqsweep.results.tensorboard.view import renew
made = lambda folder: renew(folder, images=0)""",
    "pictures": """
from seqsweep.results.tensorboard.view import renew as made""",
}
"""The code that each measured process runs before it calls `made` twice."""


def measure(code: str, folder: Path) -> tuple[float, float]:
    """Returns the CPU seconds of a process with one call, and of another."""
    program = f"""
import sys, time
from pathlib import Path
{code}
if "made" in globals():
    made(Path(sys.argv[1]))
first = time.process_time()
if "made" in globals():
    made(Path(sys.argv[1]))
print(first, time.process_time() - first)
"""
    command = [sys.executable, "-c", program, str(folder)]
    output = subprocess.check_output(command, env=ONE_THREAD, text=True)
    first, again = map(float, output.split())
    return first, again


def main() -> None:
    parser = argparse.ArgumentParser(description="Measures the report of synthetic sweeps.")
    parser.add_argument("--runs", type=int, nargs="+", default=[24, 120, 1000])
    options = parser.parse_args()
    print(f"{'runs':>5} {'':<9} {'first':>6} {'again':>6}   CPU seconds")
    for runs in options.runs:
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary)
            write_sweep(folder, runs)
            for name, code in MEASURED.items():
                first, again = measure(code, folder)
                print(f"{runs:>5} {name:<9} {first:>6.2f} {again:>6.2f}")
            paths = [folder / f"report.{ending}" for ending in ("html", "csv", "json")]
            print("     ", ", ".join(f"{p.name} {p.stat().st_size / 1e6:.2f} MB" for p in paths))


if __name__ == "__main__":
    main()
