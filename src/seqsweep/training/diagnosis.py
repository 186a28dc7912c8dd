"""The diagnosis of a finished run: its confusion, and diagnostics.json for pictures.

D directions, T steps, L layers, P parameters, C classes.
"""

import functools
import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from seqsweep.config.schema import Config
from seqsweep.data.sequences import Sequences, Splits
from seqsweep.models.module import SequenceClassifier
from seqsweep.native.library import library
from seqsweep.native.step import Data, Network, Shape, trace
from seqsweep.runs.files import write_text
from seqsweep.training.engine import network_of
from seqsweep.training.run_data import OwnData
from seqsweep.training.trajectory_paths import Paths, by_class, principal

log = logging.getLogger(__name__)

NAME = "diagnostics.json"
MOST_CLASSES = 50
"""The largest number of classes for which a record holds the confusion."""

_SEQUENCES = 64
"""The most sequences that a diagnosis looks at."""

_NUMBERS = 2**21
"""The most numbers in the states of the network that is diagnosed."""


def splits_tested(config: Config, splits: Splits | OwnData) -> list[str]:
    """Returns the splits on which a run's best weights are evaluated.

    These are the test split and, where the record holds the confusion, the validation split.
    """
    has_confusion = config["diagnostics"] and splits.num_classes <= MOST_CLASSES
    return [
        name for name in (("val", "test") if has_confusion else ("test",)) if name in splits.names
    ]


def confusion_of(splits: Splits | OwnData, counts: Mapping[Any, Any]) -> dict[str, Any]:
    """Returns the part of a record about the predictions at the best epoch.

    Args:
        counts: a tensor or an array (C, C) for each evaluated split, rows the true class.
    """
    if splits.num_classes > MOST_CLASSES:
        return {}
    plain = {split: table.tolist() for split, table in counts.items()}
    return {"classes": list(splits.class_names), "confusion": plain} if plain else {}


def diagnose(splits: Splits, network: Network, weights: Tensor) -> dict[str, Any] | None:
    """Returns the content of diagnostics.json of a network with these weights (P,).

    Its sequences are of all classes, from validation, else from test, else from training. It is
    None if the states are not finite, or if torch cannot find their main directions. A run is
    complete without a diagnosis.
    """
    split = next(name for name in ("val", "test", "train") if getattr(splits, name) is not None)
    sequences, shape = getattr(splits, split), network.shape
    # A large network gets fewer sequences if they are long.
    numbers = shape.num_layers * shape.directions * shape.hidden_size * sequences.max_length
    data, paths = _chosen(sequences, min(_SEQUENCES, max(2, _NUMBERS // numbers)))
    traced = trace(network, data, weights)
    try:
        projected = principal(traced.states)
    except RuntimeError as error:
        log.warning("no diagnosis: %s", error)
        return None
    if projected is None:
        return None
    return {
        "split": split,
        "sequences": data.count,
        "gradient": _curves(traced.gradients),
        "trajectories": {
            "explained": [_short(share) for share in projected.explained],
            "classes": paths.of(projected.points),
        },
    }


def diagnose_run(
    config: Config, module: SequenceClassifier, splits: Splits
) -> dict[str, Any] | None:
    """Returns the content of diagnostics.json for a run that autograd has trained.

    It is None for a network that the native library cannot trace, or without this library.
    """
    kind = network_of(config["model"])
    if kind is None or library() is None:
        return None
    shape = Shape(splits.input_size, num_classes=splits.num_classes, **kind._asdict())
    parameters = module.network.parameters()
    weights = torch.cat([p.detach().cpu().float().flatten() for p in parameters])
    by_class = None if module.class_weights is None else module.class_weights.cpu()
    network = Network(shape, "sgd", weights, by_class, module.label_smoothing)
    return diagnose(splits, network, weights)


def write_diagnosis(folder: Path, content: dict[str, Any]) -> None:
    """Writes diagnostics.json, before the record, so that every complete run has it.

    The file is not synced: it serves pictures only.

    Raises:
        OSError: it cannot be written.
    """
    write_text(folder / NAME, json.dumps(content) + "\n", sync=False)


@functools.lru_cache(maxsize=16)
def _chosen(sequences: Sequences, count: int) -> tuple[Data, Paths]:
    """Returns the sequences to trace and the paths to draw of a split."""
    chosen = sequences.select(by_class(torch.from_numpy(sequences.labels), count))
    # By falling length their rows are those of a `PackedSequence`. Sequences of equal length keep
    # their order, so the choice is the same on every machine.
    chosen = chosen.select(np.argsort(-chosen.lengths, kind="stable"))
    # A step that no chosen sequence has would have no gradient.
    x = chosen.x[:, : int(chosen.lengths[0])]
    data = Data(x, chosen.lengths, chosen.labels, chosen.num_classes)
    return data, Paths(chosen.lengths, chosen.labels)


def _curves(norms: npt.NDArray[Any]) -> dict[str, list[float | None]]:
    """Returns norms (L, D, T) as a curve for each layer and direction."""
    return {
        f"layer {layer + 1}" + (" reverse" if direction else ""): [_short(x) for x in line]
        for layer, lines in enumerate(norms.tolist())
        for direction, line in enumerate(lines)
    }


def _short(value: float) -> float | None:
    """Rounds a number to four digits; None if it is not finite."""
    return float(f"{value:.4g}") if abs(value) < float("inf") else None
