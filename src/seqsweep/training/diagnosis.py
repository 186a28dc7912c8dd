"""Applies a trained network: its confusion matrices, diagnostics.json, and its logits.

S sequences, T steps, L layers, D directions, H hidden, P parameters, C classes, R rows: the steps
of all sequences as `PackedSequence` holds them.
"""

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from seqsweep.config.schema import Config
from seqsweep.data.checks import Array
from seqsweep.data.sequences import Sequences, Splits
from seqsweep.elementary import softmax
from seqsweep.native.library import library
from seqsweep.native.step import Data, Network, predict, trace
from seqsweep.runs.files import JsonObject
from seqsweep.runs.metrics import BY_RECORDING
from seqsweep.training.engine import network_of
from seqsweep.training.run_data import OwnData

MOST_CLASSES = 50
"""The largest number of classes for which a record holds confusion matrices."""

_SEQUENCES = 64
"""The most sequences that a diagnosis uses."""

_NUMBERS = 2**21
"""The most numbers in the states of a diagnosed network."""

_CLASSES_DRAWN, _EACH_DRAWN, _POINTS = 10, 2, 40
"""The most drawn classes, sequences of a class, and points of a path."""

Numbers = npt.NDArray[np.int64]
Points = npt.NDArray[np.float64]


def splits_tested(config: Config, splits: Splits | OwnData) -> list[str]:
    """Returns the splits on which a run's best weights are evaluated."""
    # The validation split is evaluated only for its confusion matrix.
    count = splits.num_classes
    has_confusion = config["diagnostics"] and count is not None and count <= MOST_CLASSES
    wanted = ("val", "test") if has_confusion else ("test",)
    return [name for name in wanted if name in splits.names]


def confusion_of(splits: Splits | OwnData, counts: Mapping[Any, Any]) -> JsonObject:
    """Returns the class names and confusion matrices for the record.

    Args:
        counts: a tensor or an array (C, C) for each evaluated split; the rows are true classes.
    """
    if (splits.num_classes or 0) > MOST_CLASSES:
        return {}
    plain = {split: table.tolist() for split, table in counts.items()}
    return {"classes": list(splits.class_names), "confusion": plain} if plain else {}


def recording_scores(splits: Splits, logits_of: Callable[[str], Array]) -> dict[str, float]:
    """Returns the accuracy of val and test by recording: of the majority of its windows.

    If two classes are equally frequent, their mean probability decides.

    Args:
        logits_of: returns the logits (M, C) of a split's windows.
    """
    scores: dict[str, float] = {}
    for name in ("val", "test"):
        part = splits.parts.get(name)
        if part is None or (found := part.by_recording()) is None:
            continue
        recordings, labels = found[1], part.labels[found[0]]
        probabilities = softmax(logits_of(name))
        votes = np.zeros((len(labels), splits.num_classes))
        np.add.at(votes, (recordings, probabilities.argmax(axis=1)), 1)
        shares = np.zeros_like(votes)
        np.add.at(shares, recordings, probabilities)
        votes += shares / (1 + np.bincount(recordings))[:, None]  # below 1: it only breaks ties
        scores[f"{name}/{BY_RECORDING}"] = float((votes.argmax(axis=1) == labels).mean())
    return scores


def diagnose(splits: Splits, network: Network, weights: Tensor) -> JsonObject | None:
    """Returns the content of diagnostics.json for a network with weights (P,).

    The sequences come from val, else from test, else from train, and from each class in turn. The
    result is None if the states are not finite; the run is complete without a diagnosis.
    """
    split = next(name for name in ("val", "test", "train") if getattr(splits, name) is not None)
    sequences, shape = getattr(splits, split), network.shape
    # A large network gets fewer sequences if they are long.
    numbers = shape.num_layers * shape.directions * shape.hidden_size * sequences.max_length
    data, paths = _chosen(sequences, min(_SEQUENCES, max(2, _NUMBERS // numbers)))
    traced = trace(network, data, weights)
    projected = principal(traced.states)
    if projected is None:
        return None
    points, explained = projected
    return {
        "split": split,
        "sequences": data.count,
        "gradient": _curves(traced.gradients),
        "trajectories": {"explained": [*map(_short, explained)], "classes": paths.of(points)},
    }


def diagnose_run(
    config: Config,
    network: nn.Module,
    splits: Splits,
    class_weights: Tensor | None,
    label_smoothing: float,
) -> JsonObject | None:
    """Returns the content of diagnostics.json for a run that autograd has trained.

    The result is None without the native library, or for a network that it cannot trace.
    """
    sizes = splits.input_size, splits.num_classes
    weights = None if class_weights is None else class_weights.cpu()
    copy = _in_native(config["model"], network, *sizes, weights, label_smoothing)
    return None if copy is None else diagnose(splits, copy, copy.weights)


def native_logits(
    model: Config, network: nn.Module, x: Tensor, lengths: Tensor, num_classes: int
) -> npt.NDArray[np.float64] | None:
    """Returns the logits (S, C) of the native library; None where torch must compute them.

    Args:
        model: the section of the config from which the network was built.
    """
    is_plain = all(p.is_cpu and p.dtype == torch.float32 for p in network.parameters())
    is_usable = is_plain and not network.training
    copy = _in_native(model, network, x.shape[2], num_classes) if is_usable else None
    if copy is None:
        return None
    labels = np.zeros(len(x), dtype=np.int64)  # they have no effect
    data = Data(x.numpy(), lengths.numpy(), labels, num_classes)
    return predict(copy, data).astype(np.float64)


def _in_native(
    model: Config, network: nn.Module, input_size: int, num_classes: int, *loss: Any
) -> Network | None:
    """Returns a copy of a network in the native library, or None."""
    kind = network_of(model)
    if kind is None or library() is None:
        return None
    shape = kind._replace(input_size=input_size, num_classes=num_classes)
    weights = torch.cat([p.detach().cpu().float().flatten() for p in network.parameters()])
    return Network(shape, "sgd", weights, *loss)


class Paths:
    """The rows that form the paths of each class (a path: the states of a sequence).

    At each step, the mean path of a class averages the sequences that have this step. The mean path
    has the median length of the class's sequences. A long path is drawn with fewer points.

    Args:
        lengths, labels: (S,) each, of sequences sorted by falling length.
    """

    def __init__(self, lengths: Numbers, labels: Numbers) -> None:
        steps = int(lengths[0])
        times, columns = np.nonzero(np.arange(steps)[:, None] < lengths)  # (R,) each
        self._cells = labels[columns] * steps + times
        self._size = (int(labels.max()) + 1) * steps
        self._counts = np.bincount(self._cells, minlength=self._size).clip(min=1)
        self._paths: dict[str, list[Numbers]] = {}  # indices into [*means, *rows]
        for label in np.unique(labels)[:_CLASSES_DRAWN].tolist():
            indices = np.flatnonzero(labels == label)
            # The lengths fall, so this is the lower of two medians.
            median = int(lengths[indices[len(indices) // 2]])
            paths = [label * steps + np.arange(median)]  # the mean path, then sequences
            for index in indices[:_EACH_DRAWN]:
                paths.append(self._size + np.flatnonzero(columns == index))
            self._paths[str(label)] = [_thin(path) for path in paths]

    def of(self, points: Points) -> dict[str, JsonObject]:
        """Returns each class's mean path and example paths, from points (R, 2)."""
        sums = [np.bincount(self._cells, column, self._size) for column in points.T]
        means = np.stack(sums, 1) / self._counts[:, None]
        # Four digits are enough for a picture.
        drawn = np.round(np.concatenate([means, points]), 4)
        classes: dict[str, JsonObject] = {}
        for label, positions in self._paths.items():
            mean, *sequences = [drawn[path].tolist() for path in positions]
            classes[label] = {"mean": mean, "sequences": sequences}
        return classes


@functools.lru_cache(maxsize=16)
def _chosen(sequences: Sequences, count: int) -> tuple[Data, Paths]:
    """Returns a split's sequences to trace and paths to draw."""
    chosen = sequences.select(by_class(torch.from_numpy(sequences.labels), count))
    # Sorted by falling length, the rows have the order of a `PackedSequence`. Sequences of equal
    # length keep their order, so the choice is the same on every machine.
    chosen = chosen.select(np.argsort(-chosen.lengths, kind="stable"))
    # A step that no chosen sequence has would have no gradient.
    x = chosen.x[:, : int(chosen.lengths[0])]
    data = Data(x, chosen.lengths, chosen.labels, chosen.num_classes)
    return data, Paths(chosen.lengths, chosen.labels)


def _curves(norms: npt.NDArray[Any]) -> dict[str, list[float | None]]:
    """Returns norms (L, D, T) as curves by layer and direction."""
    return {
        f"layer {layer + 1}" + (" reverse" if direction else ""): [_short(x) for x in line]
        for layer, lines in enumerate(norms.tolist())
        for direction, line in enumerate(lines)
    }


def _short(value: float) -> float | None:
    """Rounds a number to four digits; None if it is not finite."""
    return float(f"{value:.4g}") if abs(value) < float("inf") else None


def principal(states: npt.NDArray[Any]) -> tuple[Points, list[float]] | None:
    """Projects states (R, D*H) on their first two principal components.

    The sign of a component is chosen so that its weight of largest magnitude is positive.

    Returns:
        The points (R, 2), and the share of the states' variance along each component; None for
        states that are not finite.
    """
    if not np.isfinite(states).all():
        return None
    centred = states.astype(np.float64)
    centred -= centred.mean(0)
    # torch respects the number of threads that was set; numpy does not.
    rows = torch.from_numpy(centred)
    ascending, vectors = (result.numpy() for result in torch.linalg.eigh(rows.T @ rows))
    values, vectors = ascending[:-3:-1].clip(min=0), vectors[:, :-3:-1]
    largest = np.take_along_axis(vectors, np.abs(vectors).argmax(0, keepdims=True), 0)
    points = (rows @ torch.from_numpy(vectors * np.sign(largest))).numpy()
    if len(values) == 1:
        # A network of a single unit has only one component: the second is zero.
        points, values = np.pad(points, ((0, 0), (0, 1))), np.pad(values, (0, 1))
    total = ascending.clip(min=0).sum()
    return points, (values / total if total > 0 else values).tolist()


def by_class(labels: Tensor, at_most: int) -> Sequence[int]:
    """Returns the sorted indices of some sequences, taken from each class in turn."""
    order = torch.sort(labels, stable=True)
    starts = torch.searchsorted(order.values, order.values)  # the first of the same class
    within = torch.arange(len(labels)) - starts
    chosen = torch.sort(within, stable=True).indices[:at_most]
    return sorted(order.indices[chosen].tolist())


def _thin(path: Numbers) -> Numbers:
    """Returns at most `_POINTS` of a path's points, evenly spread."""
    if len(path) <= _POINTS:
        return path
    return path[np.rint(np.linspace(0, len(path) - 1, _POINTS)).astype(np.int64)]
