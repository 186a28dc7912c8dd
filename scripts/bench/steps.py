"""Compares one step of K networks by the native engine with a plain loop.

    python scripts/bench/steps.py [--cells rnn gru lstm] [--members 1 8 24 96]

A step is forward, backward, clipping at 1.0 and Adam, on sequences of 8 features. CPU time on one
thread is counted; the order of the sequences is drawn before. The plain loop trains `RNNClassifier`
(an `nn.RNN`, `GRU` or `LSTM`) with `torch.optim.Adam` and `clip_grad_norm_`, one network after
another. So does the native engine, with a call for each epoch. The program prints how many times as
fast as the plain loop the native engine is, and its multiple of the floor: the time of the step's
products at the core's peak of fused multiply-adds (see core_peak.py).
"""

import itertools
from collections.abc import Callable
from typing import NamedTuple, TypeVar

import torch
from core_peak import core_speed
from frame import Table, cpu_seconds, read_options
from problems import CELLS, CLASSES, FEATURES, MEMBERS, SEQUENCES, SHAPES
from torch import nn

from seqsweep.models.classifier import CellName, RNNClassifier
from seqsweep.native.step import Data, Network, Shape, Work, run
from seqsweep.native.structs import flops
from seqsweep.training.engines.native.shared import hyperparameters

T = TypeVar("T")


class Problem(NamedTuple):
    """One architecture, and the sizes of the data that it is trained on."""

    cell: CellName
    steps: int
    batch: int
    hidden: int

    def make(self, kind: Callable[..., T]) -> T:
        """Makes a network, or its shape, with the sizes of this problem."""
        return kind(FEATURES, self.hidden, CLASSES, self.cell)

    def sequences(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Draws random x (S, T, F) and labels (S,)."""
        labels = torch.randint(0, CLASSES, (SEQUENCES,))
        return torch.randn(SEQUENCES, self.steps, FEATURES), labels


def time_plain(problem: Problem, kind: type[RNNClassifier] = RNNClassifier) -> float:
    """Returns the seconds of one step of one network in a plain loop."""
    x, labels = problem.sequences()
    network = problem.make(kind)
    adam = torch.optim.Adam(network.parameters(), lr=1e-3)
    batches = itertools.cycle(torch.randperm(SEQUENCES).split(problem.batch))

    def step() -> None:
        rows = next(batches)
        loss = nn.functional.cross_entropy(network(x[rows]), labels[rows])
        adam.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        adam.step()

    return cpu_seconds(step, 40)


def time_native(problem: Problem, members: int) -> float:
    """Returns the seconds of one step of all members, from whole epochs."""
    x, labels = problem.sequences()
    lengths = torch.full((SEQUENCES,), problem.steps)
    data = Data(x.numpy(), lengths.numpy(), labels.numpy(), CLASSES)
    shape, first = problem.make(Shape), problem.make(RNNClassifier).parameters()
    weights = nn.utils.parameters_to_vector(first).detach()
    options = hyperparameters(torch.optim.Adam([weights], lr=1e-3).param_groups[0])
    networks = [Network(shape, "adam", weights.clone(), max_norm=1.0) for _ in range(members)]
    # Epochs of 1,536 sequences, so that Python's part of an epoch counts as little as usual.
    order = torch.randperm(SEQUENCES).repeat(8)
    works = [Work(network, order, problem.batch, options, 0, False) for network in networks]

    def epoch() -> None:
        run(works, data, None)

    return cpu_seconds(epoch, max(1, 5 // members)) / -(-len(order) // problem.batch)


def compare(problem: Problem, members: int, alone: float, peak: float | None) -> str:
    """Returns a cell: the ratio to the loop, and the multiple of the floor."""
    by_native = time_native(problem, members)
    text = f"{alone * members / by_native:.1f}x"
    if peak is None:
        return text
    floor = flops(problem.make(Shape), problem.steps * problem.batch) / peak
    return f"{text} {by_native / members / floor:.1f}f"


def main() -> None:
    options = read_options(__doc__, cells=CELLS, members=MEMBERS)
    torch.set_num_threads(1)
    peak = core_speed()
    print("peak:", "unknown" if peak is None else f"{peak / 1e9:.0f} Gflop/s")
    print("each cell: native over the plain loop, and its multiple of the floor (f)")
    for cell in options.cells:
        heads = [f"{members:>14}" for members in options.members]
        table = Table(f"{cell}: steps, batch, hidden", *heads, first=28)
        for shape in SHAPES:
            problem = Problem(cell, *shape)
            alone = time_plain(problem)
            table.row(shape, *(compare(problem, k, alone, peak) for k in options.members))


if __name__ == "__main__":
    main()
