"""The fixtures of the native engine's tests: one case, trained by the library and in float64."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from seqsweep.models.cell_layers import parameter_groups
from seqsweep.models.classifier import RNNClassifier
from seqsweep.native import build
from seqsweep.native.step import Data, Network, Shape, Work
from seqsweep.training.engines.native.shared import hyperparameters

OPTIMIZERS: Mapping[str, Any] = {
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "sgd": torch.optim.SGD,
    "rmsprop": torch.optim.RMSprop,
}


@dataclass
class Case:
    """One network on some sequences, ready to be trained by the library and by PyTorch."""

    shape: Shape
    lengths: Sequence[int]
    optimizer: str = "sgd"
    options: Mapping[str, Any] = field(default_factory=lambda: {"lr": 0.05})
    class_weights: Sequence[float] | None = None
    label_smoothing: float = 0.0
    max_norm: float | None = None
    batch_size: int = 5
    seed: int = 0
    cell_options: dict[str, Any] = field(default_factory=dict[str, Any])

    def __post_init__(self) -> None:
        generator = torch.Generator().manual_seed(self.seed)
        count, steps = len(self.lengths), max(self.lengths)
        self.ends = torch.tensor(self.lengths)
        x = torch.randn(count, steps, self.shape.input_size, generator=generator)
        self.x = x * (torch.arange(steps) < self.ends[:, None])[:, :, None]
        self.labels = torch.randint(self.shape.num_classes, (count,), generator=generator)
        self.data = Data(
            self.x.numpy(), self.ends.numpy(), self.labels.numpy(), self.shape.num_classes
        )
        self.weights = None if self.class_weights is None else torch.tensor(self.class_weights)

    def classifier(self) -> RNNClassifier:
        """Returns the network in float64, with the initial weights."""
        torch.manual_seed(self.seed)
        arguments: Any = self.shape._asdict()
        del arguments["program"]
        return RNNClassifier(**arguments, cell_options=self.cell_options).double()

    def initial_weights(self) -> Tensor:
        return nn.utils.parameters_to_vector(self.classifier().parameters()).detach().float()

    def network(self, **arguments: Any) -> Network:
        """Returns the network of the library, with the initial weights."""
        defaults: dict[str, Any] = {
            "class_weights": self.weights,
            "label_smoothing": self.label_smoothing,
            "max_norm": self.max_norm,
        }
        return Network(self.shape, self.optimizer, self.initial_weights(), **defaults | arguments)

    def torch_optimizer(self, network: nn.Module) -> torch.optim.Optimizer:
        return OPTIMIZERS[self.optimizer](parameter_groups(network), **self.options)

    def order(self, epoch: int = 0) -> Tensor:
        generator = torch.Generator().manual_seed(100 + epoch)
        return torch.randperm(len(self.lengths), generator=generator)

    def work(self, network: Network, epoch: int = 0, validates: bool = False) -> Work:
        values = hyperparameters(self.torch_optimizer(self.classifier()).param_groups[0])
        return Work(network, self.order(epoch), self.batch_size, values, 1000, validates)

    def loss(self, network: nn.Module, rows: Tensor) -> Tensor:
        """Returns the training loss of some sequences in float64."""
        lengths = self.ends[rows]
        x = self.x[rows][:, : int(lengths.max())].to(next(network.parameters()))
        return functional.cross_entropy(
            network(x, lengths),
            self.labels[rows],
            weight=None if self.weights is None else self.weights.to(x),
            label_smoothing=self.label_smoothing,
        )


@pytest.fixture(scope="session")
def make_case() -> type[Case]:
    return Case


@pytest.fixture
def no_compiler(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Hides all compilers: PATH is the test's folder; returns where ziglang would have to be."""
    monkeypatch.delenv("CXX", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(build, "zig", lambda: (sys.executable, str(tmp_path / "ziglang"), "cc"))
    return tmp_path / "ziglang"
