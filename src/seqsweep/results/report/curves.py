"""Learning curves out of metrics.csv: read, averaged over seeds, thinned for drawing."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from seqsweep.runs.metrics_csv import read_columns

MOST_POINTS = 200
"""More points than this cannot be told apart in a plot, and would only make its file large."""

Column = Mapping[int, float]
"""The value of each epoch that has one."""


@dataclass(frozen=True)
class Band:
    """One metric over the epochs: mean, smallest and largest of the seeds that have a value.

    Args:
        seeds: how many these are at each epoch.
    """

    epochs: list[int]
    mean: list[float]
    low: list[float]
    high: list[float]
    seeds: list[int]

    @property
    def whole(self) -> int:
        """The number of points from the start that all seeds have: after them some have ended."""
        most = max(self.seeds)
        return next((i for i, n in enumerate(self.seeds) if n < most), len(self.seeds))


def read_metrics(folder: Path) -> dict[str, dict[int, float]]:
    """The columns of a run's metrics.csv, by epoch; see `read_rows` for what is left out."""
    columns = read_columns(folder / "metrics.csv")
    epochs = list(map(int, columns.pop("epoch", [])))
    found = {
        name: {epoch: v for epoch, v in zip(epochs, values, strict=True) if math.isfinite(v)}
        for name, values in columns.items()
    }
    return {name: column for name, column in found.items() if column}


def bands(folders: Iterable[Path], names: Sequence[str]) -> dict[str, Band]:
    """The named columns of runs that differ in their seed alone, each as one band.

    Where runs stop at different epochs, the later points are of those that are left.
    """
    runs = [read_metrics(folder) for folder in folders]
    found = {name: [run[name] for run in runs if run.get(name)] for name in names}
    return {name: band(columns) for name, columns in found.items() if columns}


def band(columns: Sequence[Column]) -> Band:
    """Mean, smallest and largest at each epoch, at no more than MOST_POINTS epochs.

    >>> band([{0: 1.0, 1: 0.5}, {0: 3.0}])
    Band(epochs=[0, 1], mean=[2.0, 0.5], low=[1.0, 0.5], high=[3.0, 0.5], seeds=[2, 1])
    """
    epochs = thinned(sorted({epoch for column in columns for epoch in column}))
    values = [[column[epoch] for column in columns if epoch in column] for epoch in epochs]
    return Band(
        epochs,
        [math.fsum(sample) / len(sample) for sample in values],
        [min(sample) for sample in values],
        [max(sample) for sample in values],
        [len(sample) for sample in values],
    )


def thinned(epochs: Sequence[int], most: int = MOST_POINTS) -> list[int]:
    """The first, the last, and evenly between them, no more than `most`.

    >>> thinned(range(9), 3)
    [0, 4, 8]
    """
    if len(epochs) <= most:
        return list(epochs)
    step = (len(epochs) - 1) / (most - 1)
    return [epochs[round(place * step)] for place in range(most)]
