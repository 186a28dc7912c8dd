"""Measures the memory that a large csv file needs, and `evaluate` with thousands of classes.

Each command runs as a process. Its peak memory, less that of the same command on a small file, is
divided by the size of the file.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

_TRAIN = ("trainer.max_epochs=1", "model.hidden_size=4", "data.batch_size=16", "logger=none")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megabytes", type=int, default=100, help="of each csv file (100)")
    parser.add_argument("--classes", type=int, default=5000, help="of evaluate (5000)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        for form in ("wide", "long"):
            write_csv(Path("small.csv"), form, 10**5)
            write_csv(Path("large.csv"), form, options.megabytes * 10**6)
            size = Path("large.csv").stat().st_size
            for words in (("data", "info"), ("train", "data=csv", *_TRAIN)):
                is_train = words[0] == "train"
                used = [
                    run(*words, f"data.source.path={name}" if is_train else name)[1]
                    for name in ("small.csv", "large.csv")
                ]
                share = (used[1] - used[0]) / size
                print(f"{form} csv, {' '.join(words[:2])}: {share:.1f} times its size")
        evaluate_classes(options.classes)


def write_csv(path: Path, form: str, size: int) -> None:
    """Writes sequences of four classes: rows of 200 numbers, or 100 steps of 3 channels."""
    names = ",".join(f"p{n}" for n in range(200)) + ",label"
    with path.open("w") as file:
        file.write(f"{names}\n" if form == "wide" else "id,step,label,x,y,z\n")
        for line in _lines(form):
            file.write(line)
            if file.tell() >= size:
                return


def _lines(form: str) -> Iterator[str]:
    rng, number = np.random.default_rng(0), 0
    while True:
        number += 1
        if form == "wide":
            yield ",".join(map("{:.5f}".format, rng.normal(size=200))) + f",{number % 4}\n"
            continue
        steps = enumerate(rng.normal(size=(100, 3)).tolist())
        rows = (f"r{number},{t},{number % 4},{a:.5f},{b:.5f},{c:.5f}\n" for t, (a, b, c) in steps)
        yield "".join(rows)


def evaluate_classes(classes: int) -> None:
    """Trains on five short sequences of each class, and evaluates on as many others."""
    rng, labels = np.random.default_rng(0), np.arange(5 * classes) % classes
    parts = {f"X_{name}": rng.normal(size=(len(labels), 4, 1)) for name in ("train", "test")}
    arrays: dict[str, Any] = {**parts, "y_train": labels, "y_test": labels}
    np.savez("classes.npz", **arrays)
    run("train", "data=npz", "data.source.path=classes.npz", "name=classes", *_TRAIN)
    found = next(Path("outputs/runs/classes").glob("*/record.json")).parent
    seconds, peak = run("evaluate", str(found), "classes.npz", "--resamples", "100")
    print(f"evaluate, {classes:,} classes: {seconds:.1f} CPU s, {peak / 2**20:,.0f} MiB")


def run(*words: str) -> tuple[float, int]:
    """Runs a command; returns its CPU seconds and its peak memory in bytes."""
    command = [sys.executable, "-m", "seqsweep", *words]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{' '.join(words)} failed")
    return used.ru_utime + used.ru_stime, used.ru_maxrss * 1024


if __name__ == "__main__":
    main()
