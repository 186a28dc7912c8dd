"""The fixtures of the stacks' tests: the same networks as one stack, and each alone in PyTorch."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.optim import SGD, Optimizer

from seqsweep.models.classifier import RNNClassifier
from seqsweep.stacked.batches import StackBatch, StackData
from seqsweep.stacked.grouping import padded
from seqsweep.stacked.layout import StackShape
from seqsweep.stacked.loss import StackedLoss
from seqsweep.stacked.network import StackedNetwork
from seqsweep.stacked.optimizers import flat_optimizer_for, hyperparameters
from seqsweep.stacked.step import StepResult, train_step


@dataclass(frozen=True)
class Member:
    """The properties of one network of a stack."""

    hidden: int = 5
    dropout: float = 0.0
    max_norm: float | None = None
    label_smoothing: float = 0.0
    class_weights: Sequence[float] | None = None
    options: Mapping[str, Any] = field(default_factory=lambda: {"lr": 0.05})
    """The hyperparameters of its optimizer."""
    seed: int = 0
    """The seed of its initial weights."""


@dataclass(frozen=True)
class Sequences:
    """Sequences x (S, T, F), zero beyond the lengths (S,), with labels (S,)."""

    x: Tensor
    lengths: Tensor
    labels: Tensor


def sequences(
    lengths: Sequence[int], features: int = 3, classes: int = 4, seed: int = 0
) -> Sequences:
    generator = torch.Generator().manual_seed(seed)
    count, steps = len(lengths), max(lengths)
    x = torch.randn(count, steps, features, dtype=torch.float64, generator=generator)
    ends = torch.tensor(lengths)
    x = x.masked_fill((torch.arange(steps) >= ends[:, None])[:, :, None], 0)
    return Sequences(x, ends, torch.randint(classes, (count,), generator=generator))


class Pair:
    """The same networks twice: as one stack, and separately under autograd and `torch.optim`.

    Args:
        members: the arguments of `Member` for each member.
        width: the width of the stack; by default the least that holds all members.
        shared: cell, nonlinearity, num_layers, bidirectional, pooling.
    """

    def __init__(
        self,
        members: Sequence[Mapping[str, Any]],
        data: Sequences,
        optimizer: type[Optimizer] = SGD,
        dtype: torch.dtype = torch.float64,
        compute_dtype: torch.dtype | None = None,
        width: int | None = None,
        classes: int = 4,
        **shared: Any,
    ) -> None:
        self.members = [Member(**arguments) for arguments in members]
        self.data = Sequences(data.x.to(dtype), data.lengths, data.labels)
        hidden = [member.hidden for member in self.members]
        features = data.x.shape[2]
        self.networks: list[RNNClassifier] = []
        for member in self.members:
            torch.manual_seed(member.seed)
            network = RNNClassifier(
                features, member.hidden, classes, dropout=member.dropout, **shared
            )
            self.networks.append(network.to(dtype))
        make: Any = optimizer
        self.optimizers: list[Optimizer] = [
            make(network.parameters(), **member.options)
            for network, member in zip(self.networks, self.members, strict=True)
        ]
        self.stack = StackedNetwork(
            StackShape(features, width or padded(max(hidden)), classes, **shared),
            hidden,
            [member.dropout for member in self.members],
            dtype,
            compute_dtype=compute_dtype,
        )
        for k, network in enumerate(self.networks):
            self.stack.load(k, vector_of(network))
        self.stack_data = StackData(
            self.data.x,
            data.lengths,
            data.labels,
            self.stack.shape.bidirectional,
            self.stack.compute_dtype,
            self.stack.device,
        )
        weights = [member.class_weights for member in self.members]
        self.class_weights = [None if w is None else torch.tensor(w, dtype=dtype) for w in weights]
        self.loss = StackedLoss(
            self.class_weights,
            [member.label_smoothing for member in self.members],
            classes,
            dtype,
        )
        flat = flat_optimizer_for(self.optimizers[0])
        assert flat is not None
        self.optimizer = flat(
            self.stack.rows(self.stack.flat),
            self.stack.rows(self.stack.gradient),
            [hyperparameters(each) for each in self.optimizers],
        )

    def rows(self, size: int, seed: int) -> Tensor:
        """Draws the sequences of each member's batch with replacement, (K, size)."""
        generator = torch.Generator().manual_seed(seed)
        count = len(self.data.lengths)
        return torch.randint(count, (len(self.members), size), generator=generator)

    def ordered(self, rows: Tensor) -> tuple[Tensor, StackBatch]:
        """Returns the rows in the order of the stack, and their batch."""
        orders, steps = self.stack_data.order(rows[:, None])
        ordered = orders[:, 0]
        ends = None if self.stack_data.equal else self.data.lengths[ordered] - 1
        return ordered, self.stack_data.batch(ordered, steps[0], ends)

    def batch(self, rows: Tensor) -> StackBatch:
        return self.ordered(rows)[1]

    def step(self, rows: Tensor, generators: Sequence[torch.Generator] = ()) -> StepResult:
        """Trains the stack for one step."""
        norms = [member.max_norm for member in self.members]
        limits = torch.tensor(
            [float("inf") if norm is None else norm for norm in norms], dtype=self.stack.flat.dtype
        )
        max_norm = None if set(norms) == {None} else limits
        return train_step(
            self.stack, self.loss, self.optimizer, self.batch(rows), max_norm, generators
        )

    def logits_apart(self, k: int, rows: Tensor) -> Tensor:
        """Returns the logits of member k for `rows` (B,), padded to the longest of them."""
        lengths = self.data.lengths[rows]
        return self.networks[k](self.data.x[rows][:, : int(lengths.max())], lengths)

    def loss_apart(self, k: int, rows: Tensor) -> Tensor:
        return functional.cross_entropy(
            self.logits_apart(k, rows),
            self.data.labels[rows],
            weight=self.class_weights[k],
            label_smoothing=self.members[k].label_smoothing,
        )

    def gradient_apart(self, k: int, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Returns the loss, and its gradient by autograd as one vector."""
        self.optimizers[k].zero_grad()
        loss = self.loss_apart(k, rows)
        loss.backward()
        grads = [p.grad.flatten() for p in self.networks[k].parameters() if p.grad is not None]
        return loss.detach(), torch.cat(grads)

    def step_apart(self, k: int, rows: Tensor) -> Tensor:
        """Trains member k alone for one step; returns the loss before it."""
        loss, _ = self.gradient_apart(k, rows)
        max_norm = self.members[k].max_norm
        if max_norm is not None:
            nn.utils.clip_grad_norm_(self.networks[k].parameters(), max_norm)
        self.optimizers[k].step()
        return loss

    def padding(self, flat: Tensor) -> Tensor:
        """Returns the numbers of a flat buffer that belong to no weight of any member."""
        parts: list[Tensor] = []
        for row, member in zip(self.stack.rows(flat), self.members, strict=True):
            is_padding = torch.ones_like(row, dtype=torch.bool)
            is_padding[self.stack.layout.positions(member.hidden)] = False
            parts.append(row[is_padding])
        return torch.cat(parts)


def vector_of(network: nn.Module) -> Tensor:
    """Returns all parameters as one vector."""
    return nn.utils.parameters_to_vector(network.parameters()).detach()


def seeded(*seeds: int) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(seed) for seed in seeds]


@pytest.fixture(scope="session")
def make_pair() -> type[Pair]:
    return Pair


@pytest.fixture(scope="session")
def make_sequences() -> Callable[..., Sequences]:
    return sequences


@pytest.fixture(scope="session")
def weights_of() -> Callable[[nn.Module], Tensor]:
    return vector_of


@pytest.fixture(scope="session")
def generators() -> Callable[..., list[torch.Generator]]:
    return seeded


@pytest.fixture
def members() -> list[dict[str, Any]]:
    """Returns three members that differ in everything that members may differ in."""
    return [
        {"hidden": 5, "dropout": 0.3, "label_smoothing": 0.1, "max_norm": 0.2, "seed": 0},
        {"hidden": 16, "class_weights": (0.5, 1.0, 2.0, 1.5), "seed": 1},
        {"hidden": 9, "dropout": 0.5, "max_norm": 1.0, "seed": 2},
    ]


@pytest.fixture(
    params=[
        {"cell": "rnn"},
        {"cell": "rnn", "nonlinearity": "relu"},
        {"cell": "gru"},
        {"cell": "lstm"},
    ],
    ids=["tanh", "relu", "gru", "lstm"],
)
def kind(request: pytest.FixtureRequest) -> dict[str, Any]:
    """Returns every cell, as arguments of a network."""
    return request.param
