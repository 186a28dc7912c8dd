"""Describes a data set in numbers, and writes the notes that its user should read.

N sequences, S steps of all sequences together.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from seqsweep.data.sequences import Sequences, Splits
from seqsweep.suggest import listed

_FEW = 3
"""The mean number of sequences in a class below which labels look like numbers to predict."""

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
    """Describes a channel by its values (S,) in all splits."""
    columns = [part.x[:, :, f][part.valid].astype(np.float64) for part in splits.parts.values()]
    everything, train = np.concatenate(columns), columns[0]
    values, train = everything[~np.isnan(everything)], train[~np.isnan(train)]
    missing = len(everything) - len(values)
    if not len(values):
        return ChannelInfo(name, None, None, None, None, missing, [0] * BINS, False)
    least, most = float(values.min()), float(values.max())
    bars = ((values - least) / (most - least or 1.0) * BINS).astype(np.int64).clip(0, BINS - 1)
    return ChannelInfo(
        name,
        least,
        most,
        float(values.mean()),
        float(values.std()),
        missing,
        np.bincount(bars, minlength=BINS).tolist(),
        len(train) > 0 and bool(train.min() == train.max()),
    )


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


def notes(splits: Splits, contents: Mapping[str, Mapping[str, Any]]) -> tuple[str, ...]:
    """Returns the notes on prepared splits, those of their source included.

    Args:
        contents: the result of `contents` for these splits.
    """
    return (
        # The notes of the source come first: what it did not read may explain the others.
        *splits.notes,
        *_repeated(contents),
        *_alike(splits.class_names),
        *_unmeasured(splits),
        *_regression(splits),
    )


def _repeated(contents: Mapping[str, Mapping[str, Any]]) -> list[str]:
    return [
        f"{split['also_in_train']} of {split['sequences']} {name} sequences are also in train"
        for name, split in contents.items()
        if split.get("also_in_train")
    ]


def _alike(class_names: tuple[str, ...]) -> list[str]:
    """Notes class names that read like one class, or like a missing value."""
    groups: dict[str | float, list[str]] = {}
    for name in class_names:
        # Labels are never merged by themselves: "1" and "1.0" may be different classes.
        groups.setdefault(_meaning(name), []).append(name)
    lines = [
        f"labels {' and '.join(map(repr, names))} are classes of their own; are they the same?"
        for names in groups.values()
        if len(names) > 1
    ]
    absent = [name for name in class_names if name.strip().lower() in _ABSENT]
    return lines + [f"label {name!r} is a class; does it mean a missing label?" for name in absent]


_ABSENT = ("none", "null", "n/a", "na", "<na>", "nan")


def _meaning(name: str) -> str | float:
    text = name.strip().casefold()
    try:
        return float(text)
    except ValueError:
        return text


def _unmeasured(splits: Splits) -> list[str]:
    """Notes classes without a sequence in validation or test, by the splits that lack them."""
    counts = {
        name: np.bincount(part.labels, minlength=splits.num_classes)
        for name, part in splits.parts.items()
    }
    of_train = counts.pop("train")
    lacking: dict[tuple[str, ...], list[str]] = {}
    for c, class_name in enumerate(splits.class_names):
        if names := tuple(name for name, numbers in counts.items() if numbers[c] == 0):
            lacking.setdefault(names, []).append(f"{class_name!r} ({of_train[c]} in train)")
    lines: list[str] = []
    for names, classes in lacking.items():
        word = "class" if len(classes) == 1 else "classes"
        metric = "metric" if len(names) == len(counts) else f"{names[0]} metric"
        where = " or ".join(names)
        lines.append(
            f"{word} {listed(classes)}: no sequence in {where}, so no {metric} counts them"
        )
    return lines


def _regression(splits: Splits) -> list[str]:
    total = sum(len(part) for part in splits.parts.values())
    # Ten classes or more, because small data sets may have few sequences in each class.
    if splits.num_classes * _FEW <= total or splits.num_classes < 10:
        return []
    return [
        f"{splits.num_classes} classes for {total} sequences; are the labels numbers to predict"
        " (regression)?"
    ]
