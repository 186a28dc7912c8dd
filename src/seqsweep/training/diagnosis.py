"""What a finished run's folder tells beside its numbers: diagnostics.json, for pictures.

K members, D directions, N = K*D lanes, T steps, R rows, L layers, C classes.
"""

import functools
import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from seqsweep.config.schema import Config
from seqsweep.data.sequences import Sequences, Splits
from seqsweep.models.module import SequenceClassifier
from seqsweep.runs.files import write_text
from seqsweep.stacked.batches import StackBatch, StackData
from seqsweep.stacked.diagnosis import (
    Trajectories,
    by_class,
    gradients_through_time,
    trajectories,
)
from seqsweep.stacked.layout import StackShape
from seqsweep.stacked.loss import StackedLoss
from seqsweep.stacked.network import StackedNetwork
from seqsweep.training.engine import network_of

log = logging.getLogger(__name__)

NAME = "diagnostics.json"
MOST_CLASSES = 50
"""Of which a record holds the confusion."""

_SEQUENCES = 64
_NUMBERS = 2**21
_CLASSES_DRAWN, _EACH_DRAWN, _POINTS = 10, 2, 40


def confusion_of(splits: Splits, counts: Mapping[Any, Any]) -> dict[str, Any]:
    """What a record says of the predictions at the best epoch.

    Args:
        counts: a tensor or an array (C, C) for each split that was looked at, rows the true class.
    """
    if splits.num_classes > MOST_CLASSES:
        return {}
    plain = {split: table.tolist() for split, table in counts.items()}
    return {"classes": list(splits.train.class_names), "confusion": plain} if plain else {}


def members_at_once(shape: StackShape, splits: Splits) -> int:
    """How many members `diagnose` may be given together: their states stay in the cache's size."""
    return max(1, _NUMBERS // (_sequences(shape, splits) * _states(shape, splits)))


def diagnose(
    network: StackedNetwork, loss: StackedLoss, splits: Splits
) -> list[dict[str, Any] | None]:
    """The content of diagnostics.json for each member, with the weights that `network` holds.

    On some validation sequences of all classes, else on test, else on training ones. None for a
    member whose states are not finite, and for all where torch cannot do it, for want of memory
    for instance: a run is done without it.
    """
    split = _split(splits)
    batch, paths = _prepared(
        getattr(splits, split),
        _sequences(network.shape, splits),
        network.members,
        network.shape.bidirectional,
        network.compute_dtype,
        network.device,
    )
    try:
        norms = gradients_through_time(network, loss, batch).cpu()  # (L, N, T)
        found = trajectories(network)
    except RuntimeError as error:
        log.warning("no diagnosis: %s", error)
        return [None] * network.members
    norms = norms.unflatten(1, (network.members, -1))
    head = {"split": split, "sequences": batch.steps.batch}
    return [
        None
        if each is None
        else head | {"gradient": _curves(norms[:, index]), "trajectories": paths.of(each)}
        for index, each in enumerate(found)
    ]


def _split(splits: Splits) -> str:
    return next(name for name in ("val", "test", "train") if getattr(splits, name) is not None)


def _sequences(shape: StackShape, splits: Splits) -> int:
    """As many as are of use, fewer where they are long and the network is large."""
    return min(_SEQUENCES, max(2, _NUMBERS // _states(shape, splits)))


def _states(shape: StackShape, splits: Splits) -> int:
    """Numbers in the states of one member for one sequence."""
    longest = getattr(splits, _split(splits)).max_length
    return shape.num_layers * shape.directions * longest * shape.hidden


def diagnose_run(
    config: Config, module: SequenceClassifier, splits: Splits
) -> dict[str, Any] | None:
    """The same of a run that autograd has trained; None for a network that is not ours."""
    kind = network_of(config["model"])
    if kind is None:
        return None
    shape = StackShape(
        splits.input_size,
        kind.hidden_size,
        splits.num_classes,
        kind.cell,  # pyright: ignore[reportArgumentType]  the config has been checked
        kind.nonlinearity,  # pyright: ignore[reportArgumentType]
        kind.num_layers,
        kind.bidirectional,
        kind.pooling,  # pyright: ignore[reportArgumentType]
    )
    network = StackedNetwork(shape, [kind.hidden_size], [0.0])
    weights = [parameter.detach().cpu().flatten() for parameter in module.network.parameters()]
    network.load(0, torch.cat(weights))
    by_label = None if module.class_weights is None else module.class_weights.cpu()
    loss = StackedLoss([by_label], [module.label_smoothing], splits.num_classes)
    (content,) = diagnose(network, loss, splits)
    return content


def write_diagnosis(folder: Path, content: dict[str, Any]) -> None:
    """Before the record, so that a run that is done has it; not synced, since it only shows.

    Raises:
        OSError: it cannot be written.
    """
    write_text(folder / NAME, json.dumps(content) + "\n", sync=False)


@functools.lru_cache(maxsize=16)
def _prepared(
    sequences: Sequences,
    count: int,
    members: int,
    bidirectional: bool,
    dtype: torch.dtype,
    device: torch.device,
) -> tuple[StackBatch, "_Paths"]:
    """Sequences of all classes, the same for all members, by falling length, with their paths."""
    labels = torch.from_numpy(sequences.labels)
    chosen = sequences.select(by_class(labels, count))
    data = StackData(
        torch.from_numpy(chosen.x),
        torch.from_numpy(chosen.lengths),
        torch.from_numpy(chosen.labels),
        bidirectional,
        dtype,
        device,
    )
    rows = torch.arange(len(chosen)).expand(members, 1, -1)
    ordered, steps = data.order(rows)
    ends = None if data.equal else (data.lengths[ordered[:, 0]] - 1).to(device)
    batch = data.batch(ordered[:, 0].to(device), steps[0], ends)
    return batch, _Paths(batch)


def _curves(norms: Tensor) -> dict[str, list[float | None]]:
    """(L, D, T) by layer and direction."""
    return {
        f"layer {layer + 1}" + (" reverse" if direction else ""): [_short(x) for x in line]
        for layer, lines in enumerate(norms.tolist())
        for direction, line in enumerate(lines)
    }


class _Paths:
    """Which rows of a batch make the paths of each class; the same for all members.

    A class's mean path, over the sequences that are still there at a step, is as long as the median
    of them; a path of many steps is drawn by fewer points.
    """

    def __init__(self, batch: StackBatch) -> None:
        labels, places = batch.labels[0].cpu(), batch.places
        columns, times = places.columns.cpu(), places.times.cpu()
        steps = len(batch.steps)
        self.cells = labels[columns] * steps + times  # (R,)
        self.size = (int(labels.max()) + 1) * steps
        self.counts = torch.bincount(self.cells, minlength=self.size)
        lengths = torch.bincount(columns)
        self.means: dict[str, Tensor] = {}
        self.rows: dict[str, list[Tensor]] = {}
        for label in sorted(set(labels.tolist()))[:_CLASSES_DRAWN]:
            mine = (labels == label).nonzero().flatten()
            median = int(lengths[mine].median())
            self.means[str(label)] = label * steps + _thinned(torch.arange(median))
            drawn = mine[:_EACH_DRAWN].tolist()
            self.rows[str(label)] = [_thinned((columns == c).nonzero().flatten()) for c in drawn]

    def of(self, found: Trajectories) -> dict[str, Any]:
        points = found.points.cpu()
        sums = points.new_zeros(self.size, 2).index_add_(0, self.cells, points)
        means = _plain(sums / self.counts.clamp(min=1)[:, None])
        each = _plain(points)
        classes = {
            label: {
                "mean": [means[place] for place in cells.tolist()],
                "sequences": [[each[row] for row in rows.tolist()] for rows in self.rows[label]],
            }
            for label, cells in self.means.items()
        }
        return {"explained": [_short(share) for share in found.explained], "classes": classes}


def _thinned(places: Tensor) -> Tensor:
    if len(places) <= _POINTS:
        return places
    return places[torch.linspace(0, len(places) - 1, _POINTS).round().long()]


def _plain(points: Tensor) -> list[list[float]]:
    return torch.round(points, decimals=4).tolist()


def _short(value: float) -> float | None:
    """Four digits are enough for a picture; what is not finite, JSON does not know."""
    return float(f"{value:.4g}") if abs(value) < float("inf") else None
