"""Compares the three trainings of the teaching notebook with ours.

    python scripts/notebook_parity.py                # compares the losses of each epoch
    python scripts/notebook_parity.py --seeds 500    # also: the printed losses among many seeds

The notebook: github.com/dasom222g/learn-LLM, 01_1_RNN_basic.ipynb.
B batch, T time steps, F features, H hidden, D directions, C classes.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn, optim

from seqsweep import compose
from seqsweep.arguments import whole_number
from seqsweep.runs.metrics_csv import read_rows
from seqsweep.training.build_run import build_data, build_module
from seqsweep.training.planned_run import plan
from seqsweep.training.train import train

INPUT_SIZE, HIDDEN_SIZE, SEQUENCE_LENGTH, BATCH_SIZE = 5, 10, 6, 3
LABELS = (0, 1, 0)
EPOCHS = 20
PRINTED_EPOCHS = (5, 10, 15, 20)
BOUND = 5e-7
"""The largest difference of a loss that counts as equal.

The largest difference over 40 seeds of each training was 1.7e-7; float32 has a spacing of 1.2e-7
at 1. Our engines compute the same sums in another order.
"""


class SimpleRNN(nn.Module):
    """The notebook's model: x (B, T, F) -> logits (B, C)."""

    def __init__(self, input_size: int, hidden_size: int, num_classes: int) -> None:
        super().__init__()
        self.rnn = nn.RNN(input_size, hidden_size, batch_first=True)
        self.fc = nn.Linear(hidden_size, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        _, hidden = self.rnn(x)
        return self.fc(hidden[0])


class MultiLayerRNN(nn.Module):
    """The notebook's model: x (B, T, F) -> logits (B, C)."""

    def __init__(
        self, input_size: int, hidden_size: int, num_layers: int, num_classes: int
    ) -> None:
        super().__init__()
        self.rnn = nn.RNN(input_size, hidden_size, num_layers, batch_first=True)
        self.fc = nn.Linear(hidden_size, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        out, _ = self.rnn(x)
        return self.fc(out[:, -1, :])


class BiDirectionalRNN(nn.Module):
    """The notebook's model: x (B, T, F) -> logits (B, C)."""

    def __init__(
        self, input_size: int, hidden_size: int, num_layers: int, num_classes: int
    ) -> None:
        super().__init__()
        self.rnn = nn.RNN(input_size, hidden_size, num_layers, batch_first=True, bidirectional=True)
        self.fc = nn.Linear(hidden_size * 2, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        _, hidden = self.rnn(x)
        out_combined = torch.cat((hidden[-2, :, :], hidden[-1, :, :]), dim=1)  # (B, 2H)
        return self.fc(out_combined)


class Block(NamedTuple):
    """One training of the notebook: its model with new weights, and its printed losses."""

    make: Callable[[], nn.Module]
    printed: tuple[float, float, float, float]


BLOCKS = {
    "simple": Block(
        lambda: SimpleRNN(INPUT_SIZE, HIDDEN_SIZE, num_classes=2),
        (0.4133, 0.1958, 0.0717, 0.0265),
    ),
    "multilayer": Block(
        lambda: MultiLayerRNN(INPUT_SIZE, HIDDEN_SIZE, num_layers=4, num_classes=2),
        (0.5117, 0.1344, 0.0332, 0.0134),
    ),
    "bidirectional": Block(
        lambda: BiDirectionalRNN(INPUT_SIZE, HIDDEN_SIZE, num_layers=2, num_classes=2),
        (2.2887, 1.8511, 1.6225, 1.4792),
    ),
}


def notebook_losses(model: nn.Module, inputs: Tensor, labels: Tensor) -> list[float]:
    """Trains as the notebook does; returns the loss of each epoch before its step."""
    criterion = nn.CrossEntropyLoss()
    optimizer = optim.Adam(model.parameters(), lr=0.01)
    losses: list[float] = []
    for _ in range(EPOCHS):
        outputs = model(inputs)
        loss = criterion(outputs, labels)

        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

        losses.append(loss.item())
    return losses


class Parity(NamedTuple):
    """The losses of one training, one for each epoch: ours and the notebook's."""

    ours: list[float]
    notebook: list[float]


def parity(variant: str, folder: Path, seed: int = 0) -> Parity:
    """Trains `experiment=notebook_<variant>` and the notebook's block from the same weights.

    Weights and data are ours, drawn from `seed`. Our run is that of `seqsweep train`.
    """
    overrides = ["trainer=cpu", "logger=csv", "logger.print_loss=null"]
    overrides += [f"experiment=notebook_{variant}", f"seed={seed}", f"data.source.seed={seed}"]
    planned = plan(compose(overrides))
    data = build_data(planned.config)
    (batch,) = data.train_dataloader()
    weights = build_module(planned.config, data.splits).network.state_dict()
    outcome = train(planned, folder)
    model = BLOCKS[variant].make()
    model.load_state_dict(weights)
    return Parity(logged_losses(outcome.folder.path), notebook_losses(model, batch.x, batch.labels))


def logged_losses(run: Path) -> list[float]:
    """Returns the train/loss of each epoch from a run's metrics.csv."""
    return [row["train/loss"] for row in read_rows(run / "metrics.csv")]


def largest_difference(a: Sequence[float], b: Sequence[float]) -> float:
    """Returns the largest difference between two losses of one epoch."""
    return max(abs(x - y) for x, y in zip(a, b, strict=True))


def seed_losses(block: Block, seeds: int) -> Tensor:
    """Trains a block from new weights and inputs for each seed; returns (seeds, EPOCHS)."""
    curves: list[list[float]] = []
    for seed in range(seeds):
        torch.manual_seed(seed)
        model = block.make()
        inputs = torch.randn(BATCH_SIZE, SEQUENCE_LENGTH, INPUT_SIZE)
        curves.append(notebook_losses(model, inputs, torch.tensor(LABELS)))
    return torch.tensor(curves, dtype=torch.float64)


def print_parity() -> bool:
    """Prints the three trainings side by side; returns whether they agree."""
    print(f"{'epoch':>26}" + "".join(f"{epoch:>12}" for epoch in PRINTED_EPOCHS))
    largest = 0.0
    for variant in BLOCKS:
        with tempfile.TemporaryDirectory() as folder:
            losses = parity(variant, Path(folder))
        difference = largest_difference(losses.ours, losses.notebook)
        largest = max(largest, difference)
        print(f"{variant:16}{'notebook':>10}{_row(losses.notebook, 12, 8)}")
        print(f"{'seqsweep':>26}{_row(losses.ours, 12, 8)}")
        print(f"{'':18}largest difference of {EPOCHS} epochs {difference:.1e}")
    print(f"{'equal' if largest <= BOUND else 'NOT EQUAL'} to within {BOUND:.0e}")
    return largest <= BOUND


def print_seeds(name: str, block: Block, seeds: int) -> None:
    """Prints the spread of the losses over seeds, and the notebook's losses."""
    losses = seed_losses(block, seeds)
    printed = torch.tensor(block.printed, dtype=torch.float64)
    compared = losses[:, [epoch - 1 for epoch in PRINTED_EPOCHS]]  # (seeds, 4)
    distances = (compared - printed).abs().amax(dim=1)  # (seeds,)
    nearest = int(distances.argmin())
    print(f"\n{name}, {seeds} seeds")
    print(f"{'epoch':>12}{1:>9}" + "".join(f"{epoch:>9}" for epoch in PRINTED_EPOCHS))
    for label, q in (("min", 0.0), ("5 %", 0.05), ("50 %", 0.5), ("95 %", 0.95), ("max", 1.0)):
        _print_seed_row(label, losses.quantile(q, dim=0).tolist())
    _print_seed_row(f"seed {nearest}", losses[nearest].tolist())
    print(f"{'printed':>12}{'':9}" + "".join(f"{loss:9.4f}" for loss in block.printed))
    print(f"    the nearest is seed {nearest}, at most {distances[nearest]:.4f} away")


def _print_seed_row(label: str, losses: Sequence[float]) -> None:
    print(f"{label:>12}{losses[0]:9.4f}{_row(losses, 9, 4)}")


def _row(losses: Sequence[float], width: int, digits: int) -> str:
    return "".join(f"{losses[epoch - 1]:{width}.{digits}f}" for epoch in PRINTED_EPOCHS)


def main() -> int:
    parser = argparse.ArgumentParser(description="Compares the notebook's trainings with ours.")
    words = "also train the notebook's blocks from N seeds and compare its printed losses"
    parser.add_argument("--seeds", type=whole_number(0), default=0, metavar="N", help=words)
    seeds = parser.parse_args().seeds
    torch.set_num_threads(1)
    equal = print_parity()
    if seeds > 0:
        start = time.perf_counter()
        for name, block in BLOCKS.items():
            print_seeds(name, block, seeds)
        print(f"\n{seeds} seeds: {time.perf_counter() - start:.0f} s")
    return 0 if equal else 1


if __name__ == "__main__":
    sys.exit(main())
