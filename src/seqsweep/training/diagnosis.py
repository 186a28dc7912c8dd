"""The diagnosis of a finished run: its confusion, and diagnostics.json for pictures.

D directions, T steps, R rows, H hidden, L layers, C classes.
"""

import dataclasses
import functools
import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from seqsweep.config.schema import Config
from seqsweep.data.sequences import Sequences, Splits
from seqsweep.models.module import SequenceClassifier
from seqsweep.runs.files import write_text
from seqsweep.training.engine import network_of
from seqsweep.training.run_data import OwnData
from seqsweep.training.trace import trace_module
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


class Chosen:
    """The sequences of a diagnosis, the same for all runs of one data set.

    Args:
        sequences: sorted by falling length, so that their rows are those of a `PackedSequence`.

    Attributes:
        paths: the rows that are drawn.
    """

    def __init__(self, sequences: Sequences) -> None:
        self.sequences = sequences
        self.paths = Paths(sequences.lengths, sequences.labels)


def choose(splits: Splits, units: int) -> Chosen:
    """Chooses sequences of all classes from validation, else from test, else from training.

    Args:
        units: the units of a network, over its layers and directions. A large network gets fewer
            sequences if they are long.
    """
    sequences = getattr(splits, _split(splits))
    count = min(_SEQUENCES, max(2, _NUMBERS // (units * sequences.max_length)))
    return _chosen(sequences, count)


def diagnosis_of(
    splits: Splits, chosen: Chosen, norms: npt.NDArray[Any], states: npt.NDArray[Any]
) -> dict[str, Any] | None:
    """Returns the content of diagnostics.json of one network.

    It is None if the states are not finite, or if torch cannot find their main directions. A run
    is complete without a diagnosis.

    Args:
        norms: (L, D, T) of the gradients, see `native.step.Trace`.
        states: (R, D*H) of the last layer.
    """
    try:
        projected = principal(states)
    except RuntimeError as error:
        log.warning("no diagnosis: %s", error)
        return None
    if projected is None:
        return None
    return {
        "split": _split(splits),
        "sequences": len(chosen.sequences),
        "gradient": _curves(norms),
        "trajectories": {
            "explained": [_short(share) for share in projected.explained],
            "classes": chosen.paths.of(projected.points),
        },
    }


def _split(splits: Splits) -> str:
    return next(name for name in ("val", "test", "train") if getattr(splits, name) is not None)


def diagnose_run(
    config: Config, module: SequenceClassifier, splits: Splits
) -> dict[str, Any] | None:
    """Returns the content of diagnostics.json for a run that autograd has trained.

    It is None for a network of the user's own.
    """
    kind = network_of(config["model"])
    if kind is None:
        return None
    directions = 2 if kind.bidirectional else 1
    chosen = choose(splits, kind.num_layers * directions * kind.hidden_size)
    try:
        norms, states = trace_module(module, chosen.sequences)
    except RuntimeError as error:  # for example out of memory
        log.warning("no diagnosis: %s", error)
        return None
    return diagnosis_of(splits, chosen, norms, states)


def write_diagnosis(folder: Path, content: dict[str, Any]) -> None:
    """Writes diagnostics.json, before the record, so that every complete run has it.

    The file is not synced: it serves pictures only.

    Raises:
        OSError: it cannot be written.
    """
    write_text(folder / NAME, json.dumps(content) + "\n", sync=False)


@functools.lru_cache(maxsize=16)
def _chosen(sequences: Sequences, count: int) -> Chosen:
    chosen = sequences.select(by_class(torch.from_numpy(sequences.labels), count))
    # Sequences of equal length keep their order, so the choice is the same on every machine.
    chosen = chosen.select(np.argsort(-chosen.lengths, kind="stable"))
    # A step that no chosen sequence has would have no gradient.
    longest = int(chosen.lengths[0])
    return Chosen(dataclasses.replace(chosen, x=chosen.x[:, :longest]))


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
