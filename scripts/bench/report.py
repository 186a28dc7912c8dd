"""How long the report of a large sweep takes.

    python scripts/bench/report.py [--runs 500]

Writes the folders of a sweep as if it had been trained, fifty configs over seeds with curves of
thirty epochs, and prints how long their report takes and how large it is.
"""

import argparse
import math
import random
import resource
import tempfile
import time
from pathlib import Path
from typing import Any

from seqsweep.results.report import write_report
from seqsweep.runs.record import RunFolder

CONFIGS = 50
EPOCHS = 30
CLASSES = 9
UNSWEPT = {f"trainer.option_{place}": place for place in range(60)}
"""As many keys as a config has that all runs share."""

HEADER = "epoch,step,lr,train/loss,train/acc,train/f1,train/grad_norm,val/loss,val/acc,val/f1"


def configs(count: int) -> list[dict[str, Any]]:
    """A grid of cells, layers, directions and hidden sizes, cut to `count`."""
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
    """A complete run: larger networks are better, up to noise."""
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
    metrics = {"train/loss": loss, "val/loss": loss, "val/acc": best, "val/f1": best,
               "test/loss": loss, "test/acc": best - 0.01, "test/f1": best - 0.02}  # fmt: skip
    run.finish(
        {"run_id": name, "metrics": metrics, "best_epoch": EPOCHS - 1, "epochs": EPOCHS,
         "params": 40 * config["model.hidden_size"] ** 2, "num_train": 270, "config": config,
         "train_seconds": 0.01 * config["model.hidden_size"] + draw.random(),
         "classes": [str(c) for c in range(CLASSES)], "confusion": {"test": matrix}},
        synced=True,
    )  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description="Times the report of a synthetic sweep.")
    parser.add_argument("--runs", type=int, default=500)
    options = parser.parse_args()
    seeds = math.ceil(options.runs / CONFIGS)
    draw = random.Random(0)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        grid = [
            UNSWEPT | config | {"seed": seed}
            for config in configs(CONFIGS)
            for seed in range(seeds)
        ]
        for config in grid[: options.runs]:
            write_run(folder, config, draw)
        for word in ("first", "again"):
            began = time.perf_counter()
            paths = write_report(folder)
            seconds = time.perf_counter() - began
            sizes = ", ".join(f"{p.name} {p.stat().st_size / 1e6:.2f} MB" for p in paths)
            print(f"{options.runs} runs, {word}: {seconds:.2f} s; {sizes}")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"largest memory of the process: {peak:.0f} MB")


if __name__ == "__main__":
    main()
