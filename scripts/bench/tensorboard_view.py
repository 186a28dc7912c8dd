"""Measures the time until TensorBoard shows a large sweep, on its HParams page too.

    python scripts/bench/tensorboard_view.py [--runs 500] [--epochs 30]

The program writes the folder of a sweep as if its runs had been trained. It makes the view, renews
it without changes, and starts TensorBoard with the fast loader. The last figure is the time from
the start of the data server until HParams answers with all runs; the one before is Python's start.

This file is not called tensorboard.py, because that name would hide the package from the programs
beside it.
"""

import argparse
import json
import math
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any

from made_runs import compose_configs, make_diagnosis
from timing import wall_seconds

from seqsweep.results.tensorboard.view import renew
from seqsweep.runs.documents import to_text, write_sealed
from seqsweep.runs.events import EventFile
from seqsweep.runs.files import write_json
from seqsweep.runs.identity import SEMANTICS, flatten

STEPS = 30
CLASSES = 10
SEEDS = 5


def write_sweep(folder: Path, runs: int, epochs: int) -> None:
    """Writes complete runs of many hidden sizes and both directions with five seeds."""
    (config,) = compose_configs(["data=digits"])
    for number in range(runs):
        config["seed"] = number % SEEDS
        config["model"]["bidirectional"] = number // SEEDS % 2 == 1
        config["model"]["hidden_size"] = 8 + number // SEEDS // 2
        write_run(folder / f"{number:016x}", config, epochs, number)


def write_run(run: Path, config: dict[str, Any], epochs: int, number: int) -> None:
    run.mkdir(parents=True)
    rows: list[tuple[int, float, dict[str, float]]] = []
    for epoch in range(epochs):
        accuracy = 1 - math.exp(-(epoch + 1) / 8) - number % 17 / 100
        values = {"train/loss": 1 - accuracy, "val/loss": 1.1 - accuracy, "val/acc": accuracy,
                  "train/acc": accuracy, "lr": 0.003, "epoch": float(epoch)}  # fmt: skip
        rows.append((STEPS * (epoch + 1), 1.7e9 + epoch, values))
    EventFile(run).write(rows)
    best = rows[-1][2]
    confusion = [
        [30 if row == column else 1 for column in range(CLASSES)] for row in range(CLASSES)
    ]
    (run / "config.yaml").write_text(to_text(config))
    write_json(run / "provenance.json", {"started": "2026-01-02T03:04:05+0000"}, sync=False)
    write_json(run / "diagnostics.json", make_diagnosis(CLASSES), sync=False)
    record = {
        "semantics": SEMANTICS, "status": "complete", "run_id": run.name,
        "config": dict(flatten(config)),
        "metrics": best | {"test/acc": 0.9, "test/f1": 0.9}, "best_epoch": epochs - 1,
        "epochs": epochs, "steps": STEPS * epochs, "params": 1000 + number,
        "train_seconds": 1.0, "samples_per_s": 1000.0,
        "classes": [str(index) for index in range(CLASSES)], "confusion": {"val": confusion},
    }  # fmt: skip
    write_sealed(run / "record.json", record, sync=False)


def seconds_to_hparams(folder: Path, runs: int) -> tuple[float, float]:
    """Returns the seconds until the server answers, then until HParams has all runs."""
    began = time.perf_counter()
    server = "seqsweep.results.tensorboard.serve"
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", server, str(folder), "127.0.0.1", "0"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        assert process.stdout is not None
        address = process.stdout.readline().strip()
        up = time.perf_counter()
        while count_sessions(address) < runs:
            time.sleep(0.05)
        return up - began, time.perf_counter() - up
    finally:
        process.kill()
        process.communicate()


def count_sessions(address: str) -> int:
    """Returns the number of runs that the HParams page would show."""
    question = {
        "startIndex": 0, "sliceSize": 10_000, "aggregationType": "AGGREGATION_AVG",
        "allowedStatuses": ["STATUS_UNKNOWN", "STATUS_SUCCESS", "STATUS_FAILURE"],
        "colParams": [{"metric": {"tag": "summary/best_val_acc"}, "order": "ORDER_DESC"}],
    }  # fmt: skip
    request = urllib.request.Request(
        f"{address}experiment/defaultExperimentId/data/plugin/hparams/session_groups",
        json.dumps(question).encode(),
        {"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request) as answer:
        groups = json.load(answer).get("sessionGroups", [])
    return sum(len(group["sessions"]) for group in groups if group["metricValues"])


def main() -> None:
    parser = argparse.ArgumentParser(description="Times TensorBoard's view of a large sweep.")
    parser.add_argument("--runs", type=int, default=500)
    parser.add_argument("--epochs", type=int, default=30)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "sweep"
        write_sweep(folder, options.runs, options.epochs)
        first = wall_seconds(lambda: renew(folder, images=0))
        images = wall_seconds(lambda: renew(folder, images=8))
        again = wall_seconds(lambda: renew(folder, images=8))
        start, data = seconds_to_hparams(folder, options.runs)
    print(f"{options.runs} runs of {options.epochs} epochs")
    print(f"view made               {first:5.2f} s")
    print(f"pictures of the best 8  {images:5.2f} s")
    print(f"view renewed, no change {again:5.2f} s")
    print(f"TensorBoard's start     {start:5.2f} s")
    print(f"then HParams has all    {data:5.2f} s")


if __name__ == "__main__":
    main()
