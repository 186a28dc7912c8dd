"""Describes a data set in numbers, and writes notes: lines on likely mistakes in it.

N sequences, S steps of all sequences together, C classes.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from seqsweep.data.checks import Floats, Int64, Mask, channel_blocks, ranges
from seqsweep.data.sequences import Sequences, Splits, digests_of
from seqsweep.text import listed

_FEW = 3
"""Labels look like numbers to predict if classes have on average fewer sequences than this."""

_ABSENT = ("none", "null", "n/a", "na", "<na>", "nan")


@dataclass(frozen=True)
class SplitInfo:
    """The size of a split."""

    name: str
    sequences: int
    steps: int
    shortest: int
    median: float
    longest: int
    repeated: int  # sequences whose values equal those of an earlier sequence in the split
    also_in_train: int | None  # sequences whose values are also in train; None for train itself


@dataclass(frozen=True)
class ChannelInfo:
    """The statistics of a channel over all splits; None for a channel without values."""

    name: str
    min: float | None
    max: float | None
    mean: float | None
    std: float | None
    missing: int  # the number of missing values
    is_constant: bool  # in train


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
    """A data set in numbers."""

    splits: list[SplitInfo]
    channels: list[ChannelInfo]
    classes: list[ClassInfo]
    targets: list[ChannelInfo]
    contradictions: int  # sequences whose values also occur with another label
    fingerprint: str  # a hash of all values, lengths, labels, names and groups


def describe(splits: Splits) -> Info:
    """Describes the splits of a data set as they were read, before `prepare`."""
    counts, parts, named = _class_counts(splits), splits.parts.values(), splits.train.target_names
    # The targets of whole sequences are those of one step, which all sequences have.
    targets = [
        (of.targets.reshape(len(of), -1, len(named)), of.valid[:, : None if of.is_per_step else 1])
        for of in parts
        if of.targets is not None
    ]
    return Info(
        [
            SplitInfo(
                name,
                len(part),
                part.num_steps,
                int(part.lengths.min()),
                float(np.median(part.lengths)),
                int(part.lengths.max()),
                repeated=len(part) - len(np.unique(part.digests)),
                also_in_train=None if name == "train" else _common(part, splits.train),
            )
            for name, part in splits.parts.items()
        ],
        _channels(splits.train.channel_names, [(of.x, of.valid) for of in parts]),
        [
            ClassInfo(name, {split: int(numbers[c]) for split, numbers in counts.items()})
            for c, name in enumerate(splits.class_names)
        ],
        _channels(named, targets),
        _contradictions(splits),
        splits.fingerprint(),
    )


def _class_counts(splits: Splits) -> dict[str, Int64]:
    """Returns the number of sequences (C,) of each class, by split; of rows with own labels."""
    counts: dict[str, Int64] = {}
    for name, part in splits.parts.items():
        labels = part.labels if part.row_labels is None else part.row_labels[part.valid]
        counts[name] = np.bincount(labels[labels >= 0], minlength=splits.num_classes)
    return counts


def _common(part: Sequences, train: Sequences) -> int:
    """Returns the number of sequences whose values are also in train."""
    return int(np.isin(part.digests, train.digests).sum())


def _contradictions(splits: Splits) -> int:
    digests = np.concatenate([part.digests for part in splits.parts.values()])
    labels = np.concatenate([part.labels for part in splits.parts.values()])
    _, index = np.unique(digests, return_inverse=True)
    pairs = np.unique(np.stack([index, labels]), axis=1)
    # A digest that occurs in more than one pair has more than one label.
    number = np.bincount(pairs[0])
    return int((number[index] > 1).sum())


def _channels(names: Sequence[str], of_splits: list[tuple[Floats, Mask]]) -> list[ChannelInfo]:
    """Describes channels, or targets, by their values in all splits."""
    described = list[ChannelInfo]()
    for start, parts in channel_blocks(of_splits) if of_splits else ():
        values = np.concatenate(parts, axis=1, dtype=np.float64)
        missing = np.isnan(values).sum(axis=1)
        mean, std = values.mean(axis=1), values.std(axis=1)
        for f in np.flatnonzero(missing):
            if len(present := values[f][~np.isnan(values[f])]):
                mean[f], std[f] = present.mean(), present.std()
        (least, most), (first, last) = ranges(values), ranges(parts[0])
        numbers = np.stack([least, most, mean, std], axis=1).tolist()
        rows = zip(names[start:], numbers, missing.tolist(), (first == last).tolist(), strict=False)
        for name, row, number, is_constant in rows:
            low, high, center, spread = [None] * 4 if number == values.shape[1] else row
            described.append(ChannelInfo(name, low, high, center, spread, number, is_constant))
    return described


def contents(splits: Splits) -> dict[str, dict[str, Any]]:
    """Returns the size, fingerprint and overlap with train of each split.

    The fingerprint depends only on the raw sequences and their labels. Order, scaling and filled-in
    values do not change it. Windows also have the number of their groups or recordings, and, if
    each recording has one label, `by_recording`: the fingerprint of the recordings.

    >>> contents(splits)["test"]
    {'sequences': 54, 'fingerprint': '5f1c0d1e6cb2a3f4', 'also_in_train': 12}
    """
    described: dict[str, dict[str, Any]] = {}
    for name, part in splits.parts.items():
        described[name] = {"sequences": len(part), "fingerprint": _fingerprint(part)}
        if part.units is not None:
            unit = "recordings" if part.groups is None else "groups"
            described[name][unit] = len(np.unique(part.units))
        if found := part.by_recording():
            whole = part.select(found[0])
            described[name]["by_recording"] = _fingerprint(replace(whole, digests=whole.recordings))
        if name != "train":
            described[name]["also_in_train"] = _common(part, splits.train)
    return described


def _fingerprint(part: Sequences) -> str:
    # Names are hashed, because an index would depend on the other classes of the data set.
    names = [part.class_names[label] for label in part.labels if part.class_names]
    if part.targets is not None:
        names = digests_of(row.tobytes() for row in part.targets).tolist()
    # The pairs are sorted, so that the order of the sequences does not matter.
    pairs = sorted(zip(part.digests.tolist(), names, strict=True))
    return hashlib.sha256(json.dumps(pairs).encode()).hexdigest()[:16]


def notes(splits: Splits, contents: Mapping[str, Mapping[str, Any]]) -> tuple[str, ...]:
    """Returns the notes of the source, and notes on prepared splits and their `contents`."""
    repeated = [
        f"{split['also_in_train']} of {split['sequences']} {name} sequences are also in train"
        for name, split in contents.items()
        if split.get("also_in_train")
    ]
    # The notes of the source come first, because data that were not read may explain other notes.
    lines = [*splits.notes, *repeated, *_alike(splits.class_names), *_unmeasured(splits)]
    total = sum(len(part) for part in splits.parts.values())
    # Fewer than ten classes give no note: small data sets may have few sequences in a class.
    if splits.num_classes * _FEW > total and splits.num_classes >= 10:
        lines.append(
            f"{splits.num_classes} classes for {total} sequences; are the labels numbers to predict"
            " (regression)? data.source.target=COLUMN reads them"
        )
    return tuple(lines)


def _alike(class_names: tuple[str, ...]) -> list[str]:
    """Returns notes on class names that look alike, or like missing values."""
    groups: dict[str | float, list[str]] = {}
    for name in class_names:
        # Labels are never merged automatically: "1" and "1.0" may be different classes.
        text = name.strip().casefold()
        try:
            groups.setdefault(float(text), []).append(name)
        except ValueError:
            groups.setdefault(text, []).append(name)
    lines = [
        f"labels {' and '.join(map(repr, names))} are classes of their own; are they the same?"
        for names in groups.values()
        if len(names) > 1
    ]
    absent = [name for name in class_names if name.strip().lower() in _ABSENT]
    return lines + [f"label {name!r} is a class; does it mean a missing label?" for name in absent]


def _unmeasured(splits: Splits) -> list[str]:
    """Returns notes on classes without a sequence in validation or test."""
    counts = _class_counts(splits)
    of_train = counts.pop("train")
    lines: list[str] = []
    for name, numbers in counts.items():
        lacking = np.flatnonzero(numbers == 0)
        classes = [f"{splits.class_names[c]!r} ({of_train[c]} in train)" for c in lacking]
        if classes:
            word = "class" if len(classes) == 1 else "classes"
            without = f"no sequence in {name}, so no {name} metric counts them"
            lines.append(f"{word} {listed(classes)}: {without}")
    return lines
