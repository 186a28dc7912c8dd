"""Describes a data set: sizes, lengths, channels, classes, duplicates and fingerprints.

N sequences, S steps of all sequences together, F features (channels), C classes.
"""

import hashlib
import json
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from seqsweep.data.checks import Float64, blocks
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


def describe(splits: Splits) -> Info:
    """Returns a description of splits as their source gives them."""
    parts = splits.parts
    return Info(
        [_split(name, part, splits.train) for name, part in parts.items()],
        [_channel(splits, f, name) for f, name in enumerate(splits.train.channel_names)],
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


def _channel(splits: Splits, f: int, name: str) -> ChannelInfo:
    """Describes a channel by its values in all splits, and in train."""
    everything = list(splits.parts.values())
    ends = np.array([(v.min(), v.max()) for v in _values(everything, f)])  # (blocks, 2)
    number = sum(len(values) for values in _values(everything, f))
    missing = sum(part.num_steps for part in everything) - number
    if not number:
        return ChannelInfo(name, None, None, None, None, missing, [0] * BINS, False)
    least, most = float(ends[:, 0].min()), float(ends[:, 1].max())
    mean = math.fsum(float(values.sum()) for values in _values(everything, f)) / number
    squares, bars = 0.0, np.zeros(BINS, np.int64)
    for values in _values(everything, f):
        squares += float(np.square(values - mean).sum())
        position = ((values - least) / (most - least or 1.0) * BINS).astype(np.int64)
        bars += np.bincount(position.clip(0, BINS - 1), minlength=BINS)
    of_train = {value for v in _values([splits.train], f) for value in (v.min(), v.max())}
    deviation = math.sqrt(squares / number)
    return ChannelInfo(
        name, least, most, mean, deviation, missing, bars.tolist(), len(of_train) == 1
    )


def _values(parts: Iterable[Sequences], f: int) -> Iterator[Float64]:
    """Yields the present values of a channel, those of some sequences at a time."""
    for part in parts:
        for rows in blocks(part.x):
            valid = np.arange(part.max_length) < part.lengths[rows, None]
            values = part.x[rows, :, f][valid].astype(np.float64)
            if len(present := values[~np.isnan(values)]):
                yield present


def contents(splits: Splits) -> dict[str, dict[str, Any]]:
    """Returns the size and fingerprint of each split, and its overlap with train.

    The fingerprint depends on the set of labelled sequences alone, not on their order, nor on how
    they were scaled and filled in. A sequence counts as also in train if train holds the same
    values, whatever its label there.

    >>> contents(splits)["test"]
    {'sequences': 54, 'fingerprint': '5f1c0d1e6cb2a3f4', 'also_in_train': 12}
    """
    described: dict[str, dict[str, Any]] = {}
    for name, part in splits.parts.items():
        described[name] = {"sequences": len(part), "fingerprint": _fingerprint(part)}
        if name != "train":
            common = np.isin(digests_in(part), digests_in(splits.train))
            described[name]["also_in_train"] = int(common.sum())
    return described


def _fingerprint(part: Sequences) -> str:
    # Names stand for the indices, because an index depends on the other classes of the data set.
    names = [part.class_names[label] for label in part.labels]
    # The pairs are sorted, so that the order of the sequences does not matter.
    pairs = sorted(zip(digests_in(part).tolist(), names, strict=True))
    return hashlib.sha256(json.dumps(pairs).encode()).hexdigest()[:16]


def digests_in(part: Sequences) -> npt.NDArray[np.uint64]:
    """Returns the hash of each sequence, (N,)."""
    assert part.digests is not None, "the constructor of Sequences computes them"
    return part.digests
