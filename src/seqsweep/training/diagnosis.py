"""The diagnosis of a finished run: its confusion, and diagnostics.json for pictures.

K members, D directions, N = K*D lanes, T steps, R rows, H hidden, L layers, C classes.
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
from seqsweep.stacked.batches import StackBatch, StackData
from seqsweep.stacked.layout import StackShape
from seqsweep.stacked.loss import StackedLoss
from seqsweep.stacked.network import StackedNetwork
from seqsweep.stacked.trajectories import by_class, gradients_through_time, last_states, principal
from seqsweep.training.engine import network_of
from seqsweep.training.stack_shape import stack_shape
from seqsweep.training.trajectory_paths import Paths

log = logging.getLogger(__name__)

NAME = "diagnostics.json"
MOST_CLASSES = 50
"""The largest number of classes for which a record holds the confusion."""

_SEQUENCES = 64
"""The most sequences that a diagnosis looks at."""

_NUMBERS = 2**21
"""The most numbers in the states of the networks that are diagnosed at once."""


def splits_tested(config: Config, splits: Splits) -> list[str]:
    """Returns the splits on which a run's best weights are evaluated.

    These are the test split and, where the record holds the confusion, the validation split.
    """
    has_confusion = config["diagnostics"] and splits.num_classes <= MOST_CLASSES
    return [
        name for name in (("val", "test") if has_confusion else ("test",)) if name in splits.parts
    ]


def confusion_of(splits: Splits, counts: Mapping[Any, Any]) -> dict[str, Any]:
    """Returns the part of a record about the predictions at the best epoch.

    Args:
        counts: a tensor or an array (C, C) for each evaluated split, rows the true class.
    """
    if splits.num_classes > MOST_CLASSES:
        return {}
    plain = {split: table.tolist() for split, table in counts.items()}
    return {"classes": list(splits.train.class_names), "confusion": plain} if plain else {}


class Chosen:
    """The sequences of a diagnosis, the same for all members.

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
    split = _split(splits)
    return _chosen(getattr(splits, split), _sequences(units, splits))


def diagnosis_of(
    splits: Splits, chosen: Chosen, norms: npt.NDArray[Any], states: npt.NDArray[Any]
) -> dict[str, Any] | None:
    """Returns the content of diagnostics.json of one network.

    It is None if the states are not finite, or if torch cannot find their main directions. A run
    is complete without a diagnosis.

    Args:
        norms: (L, D, T) of the gradients, see `stacked.trajectories.gradients_through_time`.
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


def members_at_once(shape: StackShape, splits: Splits) -> int:
    """Returns how many members to diagnose together, to fit the cache."""
    units = _units(shape)
    return max(1, _NUMBERS // (_sequences(units, splits) * _states(units, splits)))


def diagnose(
    network: StackedNetwork, loss: StackedLoss, splits: Splits
) -> list[dict[str, Any] | None]:
    """Returns the content of diagnostics.json for each member of a network.

    It is None for a member without a diagnosis (see `diagnosis_of`), and for all members if torch
    cannot compute it, for example if it runs out of memory.
    """
    chosen = choose(splits, _units(network.shape))
    batch = _batch(
        chosen,
        network.members,
        network.shape.bidirectional,
        network.compute_dtype,
        network.device,
    )
    try:
        norms = gradients_through_time(network, loss, batch).cpu()  # (L, N, T)
        states = last_states(network)
    except RuntimeError as error:
        log.warning("no diagnosis: %s", error)
        return [None] * network.members
    by_member = norms.unflatten(1, (network.members, -1)).numpy()  # (L, K, D, T)
    return [
        diagnosis_of(splits, chosen, by_member[:, index], state)
        for index, state in enumerate(states)
    ]


def _split(splits: Splits) -> str:
    return next(name for name in ("val", "test", "train") if getattr(splits, name) is not None)


def _units(shape: StackShape) -> int:
    return shape.num_layers * shape.directions * shape.hidden


def _sequences(units: int, splits: Splits) -> int:
    """Returns the number of chosen sequences, lower if their states are large."""
    return min(_SEQUENCES, max(2, _NUMBERS // _states(units, splits)))


def _states(units: int, splits: Splits) -> int:
    """Returns how many numbers the states of one member for one sequence have."""
    return units * getattr(splits, _split(splits)).max_length


def diagnose_run(
    config: Config, module: SequenceClassifier, splits: Splits
) -> dict[str, Any] | None:
    """Returns the content of diagnostics.json for a run that autograd has trained.

    It is None for a network of the user's own.
    """
    kind = network_of(config["model"])
    if kind is None:
        return None
    # The stacked network computes the states, so that autograd and the stacked engine share code.
    shape = stack_shape(kind, kind.hidden_size, splits.input_size, splits.num_classes)
    network = StackedNetwork(shape, [kind.hidden_size], [0.0])
    weights = [parameter.detach().cpu().flatten() for parameter in module.network.parameters()]
    network.load(0, torch.cat(weights))
    by_label = None if module.class_weights is None else module.class_weights.cpu()
    loss = StackedLoss([by_label], [module.label_smoothing], splits.num_classes)
    (content,) = diagnose(network, loss, splits)
    return content


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


@functools.lru_cache(maxsize=16)
def _batch(
    chosen: Chosen, members: int, bidirectional: bool, dtype: torch.dtype, device: torch.device
) -> StackBatch:
    """Returns the chosen sequences as a batch of each member."""
    sequences = chosen.sequences
    data = StackData(
        torch.from_numpy(sequences.x),
        torch.from_numpy(sequences.lengths),
        torch.from_numpy(sequences.labels),
        bidirectional,
        dtype,
        device,
    )
    rows = torch.arange(len(sequences)).expand(members, 1, -1)
    ordered, steps = data.order(rows)
    ends = None if data.equal else (data.lengths[ordered[:, 0]] - 1).to(device)
    return data.batch(ordered[:, 0].to(device), steps[0], ends)


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
