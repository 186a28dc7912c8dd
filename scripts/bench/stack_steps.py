"""One training step of K stacked networks against K steps of a plain loop, one after another.

    python scripts/bench/stack_steps.py [--cells rnn gru lstm] [--members 1 8 24 96]

Pure PyTorch on both sides, one thread, CPU time: forward, backward, clipping at 1.0, Adam, on
sequences of 8 features. The plain loop is `RNNClassifier` (one `nn.RNN`, `GRU` or `LSTM`) with
`torch.optim.Adam` and `clip_grad_norm_`. Prints how many times as fast the stack is.
"""

import argparse
import time
from collections.abc import Callable

import torch
from torch import nn

from seqsweep.models.classifier import Cell, RNNClassifier
from seqsweep.stacked.batches import StackData, Steps
from seqsweep.stacked.grouping import padded
from seqsweep.stacked.layout import StackShape
from seqsweep.stacked.loss import StackedLoss
from seqsweep.stacked.network import StackedNetwork
from seqsweep.stacked.optimizers import Adam, hyperparameters
from seqsweep.stacked.stack import train_step

SHAPES = (
    (6, 3, 10), (6, 32, 32), (32, 32, 10), (32, 32, 32), (32, 64, 64), (32, 64, 128), (128, 32, 32)
)  # fmt: skip
FEATURES, CLASSES, SEQUENCES = 8, 4, 128


def seconds(action: Callable[[], object], count: int) -> float:
    """CPU time of one call, the least of three turns."""
    action()
    best = float("inf")
    for _ in range(3):
        start = time.process_time()
        for _ in range(count):
            action()
        best = min(best, (time.process_time() - start) / count)
    return best


def compare(cell: Cell, steps: int, batch: int, hidden: int, members: list[int]) -> list[float]:
    """The ratio for each number of members."""
    x = torch.randn(SEQUENCES, steps, FEATURES)
    labels = torch.randint(0, CLASSES, (SEQUENCES,))
    network = RNNClassifier(FEATURES, hidden, CLASSES, cell)
    adam = torch.optim.Adam(network.parameters(), lr=1e-3)

    def plain() -> None:
        rows = torch.randperm(SEQUENCES)[:batch]
        loss = nn.functional.cross_entropy(network(x[rows]), labels[rows])
        adam.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        adam.step()

    alone = seconds(plain, 40)
    return [
        alone * k / stacked(cell, x, labels, batch, hidden, hyperparameters(adam), k)
        for k in members
    ]


def stacked(
    cell: Cell,
    x: torch.Tensor,
    labels: torch.Tensor,
    batch: int,
    hidden: int,
    options: dict[str, float],
    members: int,
) -> float:
    """Seconds of one step of the stack."""
    steps = x.shape[1]
    network = StackedNetwork(
        StackShape(FEATURES, padded(hidden), CLASSES, cell), [hidden] * members, [0.0] * members
    )
    for member in range(members):
        fresh = RNNClassifier(FEATURES, hidden, CLASSES, cell)
        network.load(member, nn.utils.parameters_to_vector(fresh.parameters()).detach())
    loss = StackedLoss([None] * members, [0.0] * members, CLASSES)
    adam = Adam(network.rows(network.flat), network.rows(network.gradient), [options] * members)
    lengths = torch.full((SEQUENCES,), steps)
    data = StackData(x, lengths, labels, False, torch.float32, network.device)
    clip = torch.ones(members)

    def step() -> None:
        rows = torch.randint(0, SEQUENCES, (members, batch))
        train_step(network, loss, adam, data.batch(rows, Steps([batch] * steps)), clip)

    return seconds(step, max(3, 40 // members))


def main() -> None:
    parser = argparse.ArgumentParser(description="Steps of a stack against a plain loop's.")
    parser.add_argument("--cells", nargs="+", default=["rnn"], choices=["rnn", "gru", "lstm"])
    parser.add_argument("--members", nargs="+", type=int, default=[1, 8, 24, 96])
    options = parser.parse_args()
    torch.set_num_threads(1)
    for cell in options.cells:
        print(f"\n{cell}: steps, batch, hidden" + "".join(f"{k:8}" for k in options.members))
        for shape in SHAPES:
            ratios = compare(cell, *shape, options.members)
            print(f"{shape!s:>27}" + "".join(f"{ratio:7.1f}x" for ratio in ratios), flush=True)


if __name__ == "__main__":
    main()
