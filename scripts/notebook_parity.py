"""Compares the three trainings of the teaching notebook with ours.

    python scripts/notebook_parity.py

The notebook: github.com/dasom222g/learn-LLM, 01_1_RNN_basic.ipynb.
B batch, T time steps, F features, H hidden, D directions, C classes.
"""

import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn, optim

from seqsweep import compose
from seqsweep.runs.metrics_csv import read_rows
from seqsweep.training.build_run import build_data, build_module
from seqsweep.training.planned_run import plan
from seqsweep.training.train import train

INPUT_SIZE, HIDDEN_SIZE = 5, 10
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


BLOCKS: dict[str, Callable[[], nn.Module]] = {
    "simple": lambda: SimpleRNN(INPUT_SIZE, HIDDEN_SIZE, num_classes=2),
    "multilayer": lambda: MultiLayerRNN(INPUT_SIZE, HIDDEN_SIZE, num_layers=4, num_classes=2),
    "bidirectional": lambda: BiDirectionalRNN(INPUT_SIZE, HIDDEN_SIZE, num_layers=2, num_classes=2),
}
"""The models of the notebook's three trainings, with new weights."""


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
    model = BLOCKS[variant]()
    model.load_state_dict(weights)
    return Parity(logged_losses(outcome.folder.path), notebook_losses(model, batch.x, batch.labels))


def logged_losses(run: Path) -> list[float]:
    """Returns the train/loss of each epoch from a run's metrics.csv."""
    return [row["train/loss"] for row in read_rows(run / "metrics.csv")]


def largest_difference(a: Sequence[float], b: Sequence[float]) -> float:
    """Returns the largest difference between two losses of one epoch."""
    return max(abs(x - y) for x, y in zip(a, b, strict=True))


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


def _row(losses: Sequence[float], width: int, digits: int) -> str:
    return "".join(f"{losses[epoch - 1]:{width}.{digits}f}" for epoch in PRINTED_EPOCHS)


def main() -> int:
    torch.set_num_threads(1)
    return 0 if print_parity() else 1


if __name__ == "__main__":
    sys.exit(main())
