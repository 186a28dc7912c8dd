"""Reads learning curves, averages them over replicates and thins them."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from seqsweep.runs.metrics_csv import read_columns

CURVES = ("train/loss", "val/loss", "train/acc", "val/acc")
"""The metrics whose curves a report draws."""

MOST_POINTS = 200
"""More points than this cannot be distinguished in a plot and make its file large."""

Column = Mapping[int, float]
"""The value of a metric at each epoch that has one."""


@dataclass(frozen=True)
class Band:
    """One metric over the epochs: the mean, smallest and largest value of the runs.

    Args:
        seeds: The number of runs that have a value at each epoch.
    """

    epochs: list[int]
    mean: list[float]
    low: list[float]
    high: list[float]
    seeds: list[int]

    @property
    def whole(self) -> int:
        """The number of points up to the last one that most runs have."""
        return len(self.seeds) - self.seeds[::-1].index(max(self.seeds))


def read_metrics(folder: Path) -> dict[str, dict[int, float]]:
    """The finite values of a run's metrics.csv, by column and epoch."""
    columns = read_columns(folder / "metrics.csv")
    # A diverged run has NaN in its last epochs.
    epochs = list(map(int, columns.pop("epoch", [])))
    finite = {
        name: {epoch: v for epoch, v in zip(epochs, values, strict=True) if math.isfinite(v)}
        for name, values in columns.items()
    }
    return {name: column for name, column in finite.items() if column}


def bands(folders: Iterable[Path], names: Sequence[str]) -> dict[str, Band]:
    """The band of each named column, over the replicates of a config.

    If runs stop at different epochs, later points are computed from the remaining runs.
    """
    runs = [read_metrics(folder) for folder in folders]
    columns = {name: [run[name] for run in runs if run.get(name)] for name in names}
    return {name: band(group) for name, group in columns.items() if group}


def band(columns: Sequence[Column]) -> Band:
    """The mean, smallest and largest value at up to MOST_POINTS epochs.

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
    """Returns at most `most` epochs: the first, the last, and evenly spaced ones between.

    >>> thinned(range(9), 3)
    [0, 4, 8]
    """
    if len(epochs) <= most:
        return list(epochs)
    # A fraction of an epoch, so that the last index is the last epoch.
    step = (len(epochs) - 1) / (most - 1)
    return [epochs[round(index * step)] for index in range(most)]
