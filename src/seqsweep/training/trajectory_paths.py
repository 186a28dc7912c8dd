"""The paths that diagnostics.json draws: how the states of a network move along sequences.

S sequences, T steps, R rows: the steps of all sequences as `PackedSequence` holds them.
"""

import itertools
from typing import Any

import numpy as np
import numpy.typing as npt

_CLASSES_DRAWN, _EACH_DRAWN, _POINTS = 10, 2, 40

Numbers = npt.NDArray[np.int64]
Points = npt.NDArray[np.float64]


class Paths:
    """Which rows make the paths of each class; the same for all networks.

    A class's mean path, over the sequences that are still there at a step, is as long as the median
    of them; a path of many steps is drawn by fewer points.

    Args:
        lengths, labels: (S,) of the sequences, by falling length.
    """

    def __init__(self, lengths: Numbers, labels: Numbers) -> None:
        steps = int(lengths[0])
        times, columns = np.nonzero(np.arange(steps)[:, None] < lengths)  # (R,) each
        self._cells = labels[columns] * steps + times
        self._size = (int(labels.max()) + 1) * steps
        self._counts = np.bincount(self._cells, minlength=self._size).clip(min=1)
        paths: dict[str, list[Numbers]] = {}  # positions among the means, then among the rows
        for label in np.unique(labels)[:_CLASSES_DRAWN].tolist():
            own = np.flatnonzero(labels == label)
            median = int(lengths[own[len(own) // 2]])  # the lower one of two, since they fall
            drawn = [self._size + np.flatnonzero(columns == each) for each in own[:_EACH_DRAWN]]
            mean = label * steps + np.arange(median)
            paths[str(label)] = [_thinned(path) for path in (mean, *drawn)]
        self._lengths = {label: [len(path) for path in each] for label, each in paths.items()}
        self._places = np.concatenate([path for each in paths.values() for path in each])

    def of(self, points: Points) -> dict[str, dict[str, Any]]:
        """Returns for each class its mean path and those of some sequences, from points (R, 2)."""
        sums = [np.bincount(self._cells, column, self._size) for column in points.T]
        means = np.stack(sums, 1) / self._counts[:, None]
        drawn = np.concatenate([means, points])[self._places]
        # Four digits are enough for a picture.
        left = iter(np.round(drawn, 4).tolist())
        classes: dict[str, dict[str, Any]] = {}
        for label, lengths in self._lengths.items():
            mean, *sequences = [list(itertools.islice(left, length)) for length in lengths]
            classes[label] = {"mean": mean, "sequences": sequences}
        return classes


def _thinned(path: Numbers) -> Numbers:
    if len(path) <= _POINTS:
        return path
    return path[np.rint(np.linspace(0, len(path) - 1, _POINTS)).astype(np.int64)]
