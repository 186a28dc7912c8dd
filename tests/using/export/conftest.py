"""Runs with networks of any shape and scaling, without training: their weights are random."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from seqsweep.data.fitted import Scaling
from seqsweep.data.precision import Units
from seqsweep.data.vocabulary import Vocabulary
from seqsweep.models.classifier import RNNClassifier
from seqsweep.using.load import LoadedRun

CHANNELS = 3
CLASSES = 4

MEAN = np.array([5.0, -200.0, 0.01])
DEVIATION = np.array([2.0, 70.0, 1e-3])
FILL = np.array([5.5, -190.0, 0.0], dtype=np.float32)

SCALINGS = {
    "none": None,
    "as given": Scaling("error"),
    "zero, as given": Scaling("zero", fill=np.zeros(3, dtype=np.float32)),
    "forward, as given": Scaling("forward", fill=np.array([0.5, 1, -1], dtype=np.float32)),
    "standard": Scaling("error", mean=MEAN, deviation=DEVIATION),
    "mean": Scaling("mean", fill=FILL, mean=MEAN, deviation=DEVIATION),
    "forward": Scaling("forward", fill=FILL, mean=MEAN, deviation=DEVIATION),
    "units": Scaling(
        "mean",
        Units(np.array([1.7e9, 0.0, 0.0]), np.array([64.0, 1.0, 2.0**-160])),
        np.array([0.1, -190.0, 0.0], dtype=np.float32),
        np.array([0.25, -200.0, 0.01]),
        np.array([0.5, 70.0, 1e-3]),
    ),
    "units, as given": Scaling(
        "forward",
        Units(np.array([0.1, 0.0, 0.0]), np.array([2.0, 1.0, 1.0])),
        np.array([0.1, 1.0, 0.0], dtype=np.float32),
    ),
}
"""Every kind of scaling that a run may have."""


def run_of(
    network: nn.Module, scaling: Scaling | None = SCALINGS["mean"], **more: Any
) -> LoadedRun:
    """A run with this network; its checkpoint would lie in the folder of a run."""
    known: dict[str, Any] = {
        "checkpoint": Path("runs", "0123456789abcdef", "checkpoints", "best.ckpt"),
        "config": {"data": {"_target_": "mine.Data"}, "model": {"hidden_size": 5}},
        "network": network.eval(),
        "class_names": ("up", "down", "left", "größer"),
        "channel_names": ("a", "b", "c"),
        "scaling": scaling,
        "epoch": 3,
    }
    return LoadedRun(**known | more)


def network_of(**options: Any) -> RNNClassifier:
    """A network whose weights are larger than the first ones of torch, as after a training."""
    torch.manual_seed(0)
    sizes: dict[str, Any] = {"input_size": CHANNELS, "hidden_size": 5, "num_classes": CLASSES}
    network = RNNClassifier(**sizes | options)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter *= 1.5
    return network


@pytest.fixture
def made_run() -> Callable[..., LoadedRun]:
    """`made_run("forward", cell="gru")`: a run with this scaling and network of ours."""

    def make(scaling: str = "mean", network: nn.Module | None = None, **options: Any) -> LoadedRun:
        return run_of(network or network_of(**options), SCALINGS[scaling])

    return make


@pytest.fixture(params=["with a vocabulary", "without"])
def symbols_run(request: pytest.FixtureRequest) -> LoadedRun:
    """A run whose network reads the indices of five symbols, or of texts' characters."""
    options = {"input_size": 1, "embedding_dim": 4, "num_embeddings": 5, "bidirectional": True}
    network = network_of(cell="gru", num_layers=2, pooling="attention", **options)
    vocabulary = Vocabulary().of(["abc"]) if request.param == "with a vocabulary" else None
    return run_of(network, Scaling("error"), channel_names=("symbol",), vocabulary=vocabulary)


@pytest.fixture(params=list(SCALINGS))
def scaling(request: pytest.FixtureRequest) -> str:
    """The name of each kind of scaling."""
    return request.param
