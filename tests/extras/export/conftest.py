"""Runs with networks of any shape and scaling, without training: their weights are random."""

import itertools
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from typed_commands import command

from seqsweep.data.scaling import Scaling
from seqsweep.data.transforms import Shaping
from seqsweep.data.vocabulary import Vocabulary
from seqsweep.models.classifier import RNNClassifier
from seqsweep.using.load import LoadedRun

__all__ = ["command"]

NAMES = ("a", "b", "c")

MEAN = np.array([5.0, -200.0, 0.01])
DEVIATION = np.array([2.0, 70.0, 1e-3])
FILL = np.array([5.5, -190.0, 0.0], dtype=np.float32)

SCALINGS: dict[str, Any] = {
    "none": None,
    "as given": Scaling("error", "float32"),
    "zero, as given": Scaling("zero", "float32", np.zeros(3, dtype=np.float32)),
    "forward, as given": Scaling("forward", "float64", np.array([0.1, 1, -1])),
    "standard": Scaling("error", "float32", None, MEAN, DEVIATION),
    "mean": Scaling("mean", "float32", FILL, MEAN, DEVIATION),
    "forward": Scaling("forward", "float64", FILL.astype(np.float64), MEAN, DEVIATION),
    "time stamps": Scaling(
        "mean",
        "float64",
        np.array([1.7e9 + 6.4, -190.0, 0.0]),
        np.array([1.7e9 + 16, -200.0, 1e-50]),
        np.array([32.0, 70.0, 1e-51]),
    ),
}
"""Every kind of scaling that a run may have, without a transform."""

SHAPINGS = {
    "crop": Shaping(NAMES, first=2, last=9),
    "crop the start": Shaping(NAMES, first=3),
    "downsample": Shaping(NAMES, downsample=3),
    "frame": Shaping(NAMES, frame=4),
    "masks": Shaping(NAMES, masked=(0, 2)),
    "all": Shaping(NAMES, first=1, last=30, downsample=2, masked=(1,), frame=3),
}
"""Every step of a transform, and all together."""


def shaped(scaling: Scaling, shaping: Shaping) -> Scaling:
    """A scaling with a transform, whose channels are scaled as those that they are from."""
    if scaling.mean is None or scaling.deviation is None:
        return replace(scaling, shaping=shaping)
    masks = len(shaping.masked)
    mean = np.tile(np.append(scaling.mean, np.zeros(masks)), shaping.frame)
    deviation = np.tile(np.append(scaling.deviation, np.ones(masks)), shaping.frame)
    return replace(scaling, shaping=shaping, mean=mean, deviation=deviation)


PAIRS = itertools.product(("standard", "forward", "time stamps"), SHAPINGS)
SCALINGS.update({f"{a}, {b}": shaped(SCALINGS[a], SHAPINGS[b]) for a, b in PAIRS})


def run_of(network: nn.Module, scaling: Scaling | None, **more: Any) -> LoadedRun:
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
    if scaling is not None and scaling.shaping is not None:
        known["channel_names"] = scaling.shaping.names
    return LoadedRun(**known | more)


def network_of(**options: Any) -> RNNClassifier:
    """A network whose weights are larger than the first ones of torch, as after a training."""
    torch.manual_seed(0)
    sizes: dict[str, Any] = {"input_size": 3, "hidden_size": 5, "num_classes": 4}
    network = RNNClassifier(**sizes | options)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter *= 1.5
    return network


@pytest.fixture
def made_run() -> Callable[..., LoadedRun]:
    """`made_run("forward", cell="gru")`: a run with this scaling and network of ours."""

    def make(scaling: str = "mean", network: nn.Module | None = None, **options: Any) -> LoadedRun:
        chosen = SCALINGS[scaling]
        if chosen is not None and chosen.shaping is not None:
            options["input_size"] = len(chosen.shaping.names)
        return run_of(network or network_of(**options), chosen)

    return make


@pytest.fixture(params=["with a vocabulary", "without"])
def symbols_run(request: pytest.FixtureRequest) -> LoadedRun:
    """A run whose network reads the indices of five symbols, or of texts' characters."""
    options = {"input_size": 1, "embedding_dim": 4, "num_embeddings": 5, "bidirectional": True}
    network = network_of(cell="gru", num_layers=2, pooling="attention", **options)
    vocabulary = Vocabulary().of(["abc"]) if request.param == "with a vocabulary" else None
    return run_of(
        network, Scaling("error", "float32"), channel_names=("symbol",), vocabulary=vocabulary
    )


@pytest.fixture(params=list(SCALINGS))
def scaling(request: pytest.FixtureRequest) -> str:
    return request.param
