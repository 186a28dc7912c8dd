"""Writes notes on the data that the user should read before trusting a result."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from seqsweep.data.sequences import Splits
from seqsweep.suggest import listed

_FEW = 3
"""The mean number of sequences in a class below which labels look like numbers to predict."""


def notes(splits: Splits, contents: Mapping[str, Mapping[str, Any]]) -> tuple[str, ...]:
    """Returns the notes on prepared splits, those of their source included.

    Args:
        contents: the result of `seqsweep.data.info.contents` for these splits.
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
