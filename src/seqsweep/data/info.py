"""Describes a data set: its sizes, lengths, channels, classes and duplicates.

N sequences, S steps of all sequences together, F features (channels), C classes.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from seqsweep.data.checks import Float64
from seqsweep.data.contents import digests_in
from seqsweep.data.sequences import Sequences, Splits

BINS = 16
"""The bars of each histogram."""


@dataclass(frozen=True)
class SplitInfo:
    """The size of a split, and a histogram of its lengths.

    Attributes:
        lengths: the histogram, from the shortest to the longest.
        repeated: the sequences whose values an earlier sequence of the split has.
        also_in_train: the sequences whose values train has; None for train itself.
    """

    name: str
    sequences: int
    steps: int
    shortest: int
    median: float
    longest: int
    lengths: list[int]
    repeated: int
    also_in_train: int | None


@dataclass(frozen=True)
class ChannelInfo:
    """The values of a channel in all splits, and a histogram of them.

    Attributes:
        values: the histogram, from the least value to the greatest.
        is_constant: whether all values in train are equal.
    """

    name: str
    min: float | None
    max: float | None
    mean: float | None
    std: float | None
    missing: int
    values: list[int]
    is_constant: bool


@dataclass(frozen=True)
class ClassInfo:
    """The number of sequences of a class in each split."""

    name: str
    sequences: dict[str, int]

    @property
    def total(self) -> int:
        return sum(self.sequences.values())


@dataclass(frozen=True)
class Info:
    """A data set in numbers.

    Attributes:
        contradictions: the sequences whose values occur with another label too.
        fingerprint: of all values, lengths, labels and names.
    """

    splits: list[SplitInfo]
    channels: list[ChannelInfo]
    classes: list[ClassInfo]
    contradictions: int
    fingerprint: str

    def plain(self) -> dict[str, Any]:
        """Returns the content as plain values, for JSON."""
        return asdict(self)


def describe(splits: Splits) -> Info:
    """Returns a description of splits as their source gives them, read some at a time."""
    parts = splits.parts
    return Info(
        [_split(name, part, splits.train) for name, part in parts.items()],
        _channels(splits),
        [
            ClassInfo(name, {split: int((p.labels == c).sum()) for split, p in parts.items()})
            for c, name in enumerate(splits.class_names)
        ],
        _contradictions(splits),
        splits.fingerprint(),
    )


def _split(name: str, part: Sequences, train: Sequences) -> SplitInfo:
    lengths, digests = part.lengths, digests_in(part)
    return SplitInfo(
        name=name,
        sequences=len(part),
        steps=int(lengths.sum()),
        shortest=int(lengths.min()),
        median=float(np.median(lengths)),
        longest=int(lengths.max()),
        lengths=np.histogram(lengths, BINS)[0].tolist(),
        repeated=len(digests) - len(np.unique(digests)),
        also_in_train=None if part is train else int(np.isin(digests, digests_in(train)).sum()),
    )


def _contradictions(splits: Splits) -> int:
    digests = np.concatenate([digests_in(part) for part in splits.parts.values()])
    labels = np.concatenate([part.labels for part in splits.parts.values()])
    _, index = np.unique(digests, return_inverse=True)
    pairs = np.unique(np.stack([index, labels]), axis=1)
    # A digest that occurs in more than one pair has more than one label.
    number = np.bincount(pairs[0])
    return int((number[index] > 1).sum())


def _values(splits: Splits, *names: str) -> Iterator[Float64]:
    """Yields the steps (s, F) of some splits in float64, some at a time."""
    for name in names:
        yield from splits.parts[name].blocks()


def _channels(splits: Splits) -> list[ChannelInfo]:
    names, total = tuple(splits.parts), sum(int(p.lengths.sum()) for p in splits.parts.values())
    least, most, mean, counts = _ranges(_values(splits, *names), splits.input_size)
    low, high, *_ = _ranges(_values(splits, "train"), splits.input_size)
    square, bars = np.zeros(splits.input_size), np.zeros((splits.input_size, BINS), dtype=np.int64)
    for values in _values(splits, *names):
        square += np.nansum((values - mean) ** 2, axis=0)
        bars += _bars(values, least, most)
    std = np.sqrt(square / np.maximum(counts, 1))
    return [
        ChannelInfo(
            name,
            *(float(of[f]) if counts[f] else None for of in (least, most, mean, std)),
            missing=total - int(counts[f]),
            values=bars[f].tolist(),
            is_constant=bool(low[f] == high[f]),
        )
        for f, name in enumerate(splits.train.channel_names)
    ]


def _ranges(parts: Iterator[Float64], channels: int) -> tuple[Float64, Float64, Float64, Float64]:
    """Returns least, greatest and mean value of each channel, and how many it has: (F,) each."""
    least, most = np.full(channels, np.inf), np.full(channels, -np.inf)
    total, counts = np.zeros(channels), np.zeros(channels)
    for values in parts:
        np.fmin(least, np.fmin.reduce(values, axis=0), out=least)
        np.fmax(most, np.fmax.reduce(values, axis=0), out=most)
        total += np.nansum(values, axis=0)
        counts += (~np.isnan(values)).sum(axis=0)
    return least, most, total / np.maximum(counts, 1), counts


def _bars(values: Float64, least: Float64, most: Float64) -> npt.NDArray[np.int64]:
    """Returns the histograms (F, BINS) of values (s, F) between `least` and `most`."""
    channels = values.shape[1]
    width = np.where(most > least, most - least, 1)
    position = np.nan_to_num((values - least) / width * BINS).astype(np.int64).clip(0, BINS - 1)
    flat = (position + np.arange(channels) * BINS)[~np.isnan(values)]
    return np.bincount(flat, minlength=channels * BINS).reshape(channels, BINS)
