"""Compares one step of K networks by the native engine with a plain loop.

    python scripts/bench/steps.py [--cells rnn gru lstm] [--members 1 8 24 96]
        [--layers 2 --bidirectional]

A step is forward, backward, clipping at 1.0 and Adam, on sequences of 8 features. CPU time on one
thread is counted. The plain loop trains `RNNClassifier` (an `nn.RNN`, `GRU` or `LSTM`) with
`torch.optim.Adam` and `clip_grad_norm_`, one network after another. So does the native engine,
with a call for each epoch. The program prints how many times as fast as the plain loop the native
engine is, and its multiple of the floor: the time of the step's products at the core's peak of
fused multiply-adds (see core_peak.py).
"""

from typing import NamedTuple

import torch
from core_peak import core_speed
from problems import CLASSES, FEATURES, SEQUENCES, SHAPES, make_parser
from timing import cpu_seconds
from torch import nn

from seqsweep.models.classifier import Cell, RNNClassifier
from seqsweep.native.step import Data, Network, Shape, Work, run
from seqsweep.native.structs import flops
from seqsweep.training.engines.native.shared import hyperparameters


class Problem(NamedTuple):
    """One architecture, and the sizes of the data that it is trained on."""

    cell: Cell
    steps: int
    batch: int
    hidden: int
    layers: int = 1
    bidirectional: bool = False

    def network(self) -> RNNClassifier:
        return RNNClassifier(
            FEATURES,
            self.hidden,
            CLASSES,
            self.cell,
            num_layers=self.layers,
            bidirectional=self.bidirectional,
        )

    def sequences(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Draws random x (S, T, F) and labels (S,)."""
        labels = torch.randint(0, CLASSES, (SEQUENCES,))
        return torch.randn(SEQUENCES, self.steps, FEATURES), labels


def time_plain(problem: Problem) -> float:
    """Returns the seconds of one step of one network in a plain loop."""
    x, labels = problem.sequences()
    network = problem.network()
    adam = torch.optim.Adam(network.parameters(), lr=1e-3)

    def step() -> None:
        rows = torch.randperm(SEQUENCES)[: problem.batch]
        loss = nn.functional.cross_entropy(network(x[rows]), labels[rows])
        adam.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        adam.step()

    return cpu_seconds(step, 40)


def time_native(problem: Problem, members: int) -> float:
    """Returns the seconds of one step of all members, from whole epochs."""
    cell, steps, batch, hidden, layers, both = problem
    x, labels = problem.sequences()
    lengths = torch.full((SEQUENCES,), steps)
    data = Data(x.numpy(), lengths.numpy(), labels.numpy(), CLASSES)
    shape = Shape(FEATURES, hidden, CLASSES, cell, num_layers=layers, bidirectional=both)
    networks = [Network(shape, "adam", weights_of(problem), max_norm=1.0) for _ in range(members)]
    options = adam_options(problem)

    def epoch() -> None:
        works = [
            Work(network, torch.randperm(SEQUENCES), batch, options, 0, False)
            for network in networks
        ]
        run(works, data, None)

    return cpu_seconds(epoch, max(3, 40 // members)) / -(-SEQUENCES // batch)


def weights_of(problem: Problem) -> torch.Tensor:
    """Draws the weights of a new network, as one vector."""
    return nn.utils.parameters_to_vector(problem.network().parameters()).detach()


def adam_options(problem: Problem) -> dict[str, float]:
    return hyperparameters(torch.optim.Adam(problem.network().parameters(), lr=1e-3))


def floor_seconds(problem: Problem, peak: float) -> float:
    """Returns the seconds of one step's products at `peak` operations a second."""
    _, steps, batch, hidden, layers, both = problem
    shape = Shape(FEATURES, hidden, CLASSES, problem.cell, num_layers=layers, bidirectional=both)
    return flops(shape, steps * batch) / peak


def compare(problem: Problem, members: int, alone: float, peak: float | None) -> str:
    """Returns a cell: the ratio to the loop, and the multiple of the floor."""
    by_native = time_native(problem, members)
    text = f"{alone * members / by_native:.1f}x"
    if peak is None:
        return text
    return f"{text} {by_native / members / floor_seconds(problem, peak):.1f}f"


def main() -> None:
    options = make_parser("Compares steps of the native engine with a plain loop's.").parse_args()
    torch.set_num_threads(1)
    peak = core_speed()
    print("peak:", "unknown" if peak is None else f"{peak / 1e9:.0f} Gflop/s")
    print("each cell: native over the plain loop, and its multiple of the floor (f)")
    for cell in options.cells:
        print(f"\n{cell}: steps, batch, hidden" + "".join(f"{k:>14}" for k in options.members))
        for shape in SHAPES:
            problem = Problem(cell, *shape, options.layers, options.bidirectional)
            alone = time_plain(problem)
            cells = [compare(problem, k, alone, peak) for k in options.members]
            print(f"{shape!s:>27}" + "".join(f"{text:>14}" for text in cells), flush=True)


if __name__ == "__main__":
    main()
