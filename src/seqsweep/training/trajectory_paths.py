"""The paths in diagnostics.json: how the states of a network move along sequences.

S sequences, T steps, D directions, H hidden, R rows: the steps of all sequences as `PackedSequence`
holds them.
"""

import itertools
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

_CLASSES_DRAWN, _EACH_DRAWN, _POINTS = 10, 2, 40

Numbers = npt.NDArray[np.int64]
Points = npt.NDArray[np.float64]


class Paths:
    """The rows that make the paths of each class.

    A class's mean path averages, at each step, the sequences that have this step. It is as long as
    their median length. A path of many steps is drawn with fewer points.

    Args:
        lengths, labels: (S,) of the sequences, sorted by falling length.
    """

    def __init__(self, lengths: Numbers, labels: Numbers) -> None:
        steps = int(lengths[0])
        times, columns = np.nonzero(np.arange(steps)[:, None] < lengths)  # (R,) each
        self._cells = labels[columns] * steps + times
        self._size = (int(labels.max()) + 1) * steps
        self._counts = np.bincount(self._cells, minlength=self._size).clip(min=1)
        paths: dict[str, list[Numbers]] = {}  # positions among the means, then among the rows
        for label in np.unique(labels)[:_CLASSES_DRAWN].tolist():
            indices = np.flatnonzero(labels == label)
            # The lengths fall, so this is the lower one of two medians.
            median = int(lengths[indices[len(indices) // 2]])
            drawn = [
                self._size + np.flatnonzero(columns == index) for index in indices[:_EACH_DRAWN]
            ]
            mean = label * steps + np.arange(median)
            paths[str(label)] = [_thin(path) for path in (mean, *drawn)]
        self._lengths = {label: [len(path) for path in each] for label, each in paths.items()}
        self._positions = np.concatenate([path for each in paths.values() for path in each])

    def of(self, points: Points) -> dict[str, dict[str, Any]]:
        """Returns each class's mean path and some sequences', from points (R, 2)."""
        sums = [np.bincount(self._cells, column, self._size) for column in points.T]
        means = np.stack(sums, 1) / self._counts[:, None]
        drawn = np.concatenate([means, points])[self._positions]
        # Four digits are enough for a picture.
        left = iter(np.round(drawn, 4).tolist())
        classes: dict[str, dict[str, Any]] = {}
        for label, lengths in self._lengths.items():
            mean, *sequences = [list(itertools.islice(left, length)) for length in lengths]
            classes[label] = {"mean": mean, "sequences": sequences}
        return classes


class Trajectories(NamedTuple):
    """The states of a network's last layer, projected on their first two principal components.

    Attributes:
        points: (R, 2).
        explained: the share of the states' variance along each of the two components.
    """

    points: Points
    explained: list[float]


def principal(states: npt.NDArray[Any]) -> Trajectories | None:
    """Projects states (R, D*H) on two principal components; None if they are not finite.

    The sign of a component is chosen so that its largest weight is positive.
    """
    if not np.isfinite(states).all():
        return None
    centred = states.astype(np.float64)
    centred -= centred.mean(0)
    # torch keeps to the number of threads that it was given; numpy does not.
    rows = torch.from_numpy(centred)
    ascending, vectors = (result.numpy() for result in torch.linalg.eigh(rows.T @ rows))
    values, vectors = ascending[:-3:-1].clip(min=0), vectors[:, :-3:-1]
    largest = np.take_along_axis(vectors, np.abs(vectors).argmax(0, keepdims=True), 0)
    points = (rows @ torch.from_numpy(vectors * np.sign(largest))).numpy()
    if len(values) == 1:
        # A network of a single unit has only one component: the second is zero.
        points, values = np.pad(points, ((0, 0), (0, 1))), np.pad(values, (0, 1))
    total = ascending.clip(min=0).sum()
    return Trajectories(points, (values / total if total > 0 else values).tolist())


def by_class(labels: Tensor, at_most: int) -> Sequence[int]:
    """Chooses `at_most` sequences from labels (S,), of all classes in turn; returns indices."""
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
