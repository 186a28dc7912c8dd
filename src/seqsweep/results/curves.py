"""Reads learning curves, and computes their means over the replicates of a config."""

import itertools
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from seqsweep.results.rows import Row
from seqsweep.runs.ledger import Entry
from seqsweep.runs.metrics import as_metric, knows_metrics, own_metrics
from seqsweep.runs.metrics_csv import read_columns

MOST_POINTS = 200
"""The most points of a curve. More points look the same and make the file large."""

MOST_CURVES = 8
"""The most curves in a plot, because readers can distinguish only eight colours."""


@dataclass(frozen=True)
class Kind:
    """A kind of metric, whose curves are drawn in one figure.

    Args:
        key: The name of the figure; a user's own metric may have any characters.
        names: The names of the metrics by their split.
    """

    key: str
    words: str
    names: Mapping[str, str]


def curve_kinds(entries: Sequence[Entry], rows: Sequence[Row]) -> list[Kind]:
    """Returns the kinds to draw: loss, accuracy, and those of users' modules."""
    own = [entry for entry in entries if not knows_metrics(entry.config)]
    kinds = [
        Kind(kind, words, {split: f"{split}/{kind}" for split in ("train", "val")})
        for kind, words in (("loss", "loss"), ("acc", "accuracy"))
        if len(own) < len(entries)
    ]
    names = own_metrics(name for row in rows for name in row.metrics)
    if own and not names:  # no record says yet what was logged
        columns = {name for entry in own for name in read_metrics(entry.folder.path)}
        names = list(map(as_metric, sorted(columns - {"step"})))
    drawn: dict[str, dict[str, str]] = {}
    for name in names:
        if name.split_name != "test":
            drawn.setdefault(name.kind, {}).setdefault(name.split_name, name)
    return kinds + [Kind(f"{n}", kind, of) for n, (kind, of) in enumerate(drawn.items())]


@dataclass(frozen=True)
class Band:
    """The mean, smallest and largest value of a metric at each epoch.

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
        """The number of points before the first run has ended."""
        return len(self.seeds) - self.seeds[::-1].index(max(self.seeds))


@dataclass(frozen=True)
class Curve:
    """The metrics of a config or an unfinished run over the epochs."""

    label: str
    bands: dict[str, Band]
    best_epoch: float | None


def find_curves(
    kinds: Sequence[Kind],
    rows: Sequence[Row],
    entries: Sequence[Entry],
    label: Callable[[Entry], str],
) -> list[Curve]:
    """Returns the curves of the best configs, or else of incomplete runs.

    Among incomplete runs, runs in training come first. Runs without numbers are left out.
    """
    names = [name for kind in kinds for name in kind.names.values()]
    result: list[Curve] = []
    for row in rows[:MOST_CURVES]:
        best = row.metrics.get("best_epoch")
        columns = bands([entry.folder.path for entry in row.entries], names)
        result.append(Curve(row.words, columns, best.mean if best else None))
    if any(curve.bands for curve in result):
        return [curve for curve in result if curve.bands]
    unfinished = sorted(entries, key=lambda entry: entry.state != "running")
    curves = (Curve(label(entry), bands([entry.folder.path], names), None) for entry in unfinished)
    return list(itertools.islice((curve for curve in curves if curve.bands), MOST_CURVES))


def read_metrics(folder: Path) -> dict[str, dict[int, float]]:
    """Returns the finite values of a run's metrics.csv, by column and epoch."""
    columns = read_columns(folder / "metrics.csv")
    # A diverged run has NaN in its last epochs, so only finite values are kept.
    epochs = list(map(int, columns.pop("epoch", [])))
    finite = {
        name: {epoch: v for epoch, v in zip(epochs, values, strict=True) if math.isfinite(v)}
        for name, values in columns.items()
    }
    return {name: column for name, column in finite.items() if column}


def bands(folders: Iterable[Path], names: Sequence[str]) -> dict[str, Band]:
    """Returns the band of each named column, over a config's replicates.

    If runs stop at different epochs, later points are computed from the remaining runs.
    """
    runs = [read_metrics(folder) for folder in folders]
    columns = {name: [run[name] for run in runs if run.get(name)] for name in names}
    return {name: band(group) for name, group in columns.items() if group}


def band(columns: Sequence[Mapping[int, float]]) -> Band:
    """Returns the mean, smallest and largest value at up to MOST_POINTS epochs.

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
    """Returns the first, the last and evenly spaced epochs between.

    >>> thinned(range(9), 3)
    [0, 4, 8]
    """
    if len(epochs) <= most:
        return list(epochs)
    # The step may be a fraction, so that the last index is exactly the last epoch.
    step = (len(epochs) - 1) / (most - 1)
    return [epochs[round(index * step)] for index in range(most)]
