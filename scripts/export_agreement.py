"""Prints how exactly ONNX files compute what networks do, by cell and pooling.

    python scripts/export_agreement.py [--each]

Networks of 1 to 3 layers in one and in both directions, with weights as after a training, are
written and read again, and compared on batches of 1 to 64 sequences of mixed lengths of 1 to 200
steps, with missing values. A row has the worst of its networks. `difference` is the largest one of
logits and probabilities, relative to the largest output if that is above 1; `bytes` are those of
the largest file; `written in` is the mean time of a file, without the comparison.
"""

import argparse
import itertools
import statistics
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from seqsweep.data.fitted import Scaling
from seqsweep.extras.export import onnx_file
from seqsweep.extras.export.check import difference, network_outputs, raw_sequences
from seqsweep.models.classifier import RNNClassifier
from seqsweep.using.load import LoadedRun

CHANNELS, HIDDEN, CLASSES = 12, 32, 9
SHAPES = ((1, 1), (1, 29), (7, 1), (4, 6), (2, 200), (33, 8), (64, 29))
CELLS = (("rnn", "tanh"), ("rnn", "relu"), ("gru", "tanh"), ("lstm", "tanh"))
POOLINGS = ("last", "mean", "max")


class Written(NamedTuple):
    """One exported file: its largest difference, its bytes and the seconds to write it."""

    difference: float
    size: int
    seconds: float


def main() -> None:
    """Prints the table in Markdown."""
    parser = argparse.ArgumentParser(description="Compares exported files with their networks.")
    parser.add_argument("--each", action="store_true", help="a row for each network")
    options = parser.parse_args()
    torch.set_num_threads(1)
    # What a first file imports and sets up does not count.
    onnx_file.write(made_run(cell="rnn"))
    print("| cell | pooling | layers | directions | difference | bytes | written in |")
    print("|---|---|---|---|---|---|---|")
    for (cell, nonlinearity), pooling in itertools.product(CELLS, POOLINGS):
        name = cell if cell != "rnn" else f"rnn, {nonlinearity}"
        made = dict(networks(cell, nonlinearity, pooling))
        if options.each:
            for (layers, directions), one in made.items():
                print_row([one], name, pooling, layers, directions)
        else:
            print_row(list(made.values()), name, pooling, "1-3", "1, 2")


def networks(
    cell: str, nonlinearity: str, pooling: str
) -> Iterator[tuple[tuple[int, int], Written]]:
    """Writes and reads each network of a cell and pooling, by layers and directions."""
    for layers, directions in itertools.product((1, 2, 3), (1, 2)):
        run = made_run(
            cell=cell,
            nonlinearity=nonlinearity,
            num_layers=layers,
            bidirectional=directions == 2,
            pooling=pooling,
        )
        yield (layers, directions), written(run)


def written(run: LoadedRun) -> Written:
    """Writes a file, reads it and compares it."""
    start = time.perf_counter()
    content = onnx_file.write(run)
    seconds = time.perf_counter() - start
    answer = onnx_file.read(content)
    rng = np.random.default_rng(0)
    differences = list[float]()
    for batch, steps in SHAPES:
        x, lengths = raw_sequences(run, batch, steps, rng)
        differences += map(difference, answer(x, lengths), network_outputs(run, x, lengths))
    return Written(float(np.max(differences)), len(content), seconds)


def made_run(**options: Any) -> LoadedRun:
    """Returns a run with a network of larger weights than torch's first ones."""
    torch.manual_seed(0)
    network = RNNClassifier(CHANNELS, HIDDEN, CLASSES, **options)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter *= 1.5
    mean, deviation = np.linspace(-100, 100, CHANNELS), np.linspace(1, 50, CHANNELS)
    return LoadedRun(
        checkpoint=Path("checkpoints", "best.ckpt"),
        config={},
        network=network.eval(),
        class_names=tuple(map(str, range(CLASSES))),
        channel_names=tuple(map(str, range(CHANNELS))),
        scaling=Scaling("forward", "float32", mean.astype(np.float32), mean, deviation),
        epoch=0,
    )


def print_row(files: list[Written], *names: object) -> None:
    """Prints the worst of some files."""
    worst, size = max(one.difference for one in files), max(one.size for one in files)
    milliseconds = 1e3 * statistics.mean(one.seconds for one in files)
    cells = [*map(str, names), f"{worst:.1e}", f"{size:,}", f"{milliseconds:,.0f} ms"]
    print("|", " | ".join(cells), "|", flush=True)


if __name__ == "__main__":
    main()
