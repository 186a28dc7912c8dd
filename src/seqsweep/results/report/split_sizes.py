"""Describes the sizes of splits and their overlaps with training."""

from collections.abc import Mapping, Sequence
from typing import Any

from seqsweep.results.formatting import count, split_words
from seqsweep.runs.ledger import Entry

Splits = Mapping[str, Mapping[str, Any]]
"""The values of a split in record.json: `sequences`, `fingerprint`, `also_in_train`."""


def splits_of(entries: Sequence[Entry]) -> Splits:
    """The splits of the first run; empty if its record lacks them."""
    record = entries[0].record if entries else None
    splits = (record or {}).get("splits")
    if not isinstance(splits, dict):
        return {}
    return {
        name: part
        for name, part in splits.items()
        if isinstance(part, dict) and isinstance(part.get("sequences"), int)
    }


def size_words(splits: Splits) -> str:
    """The number of sequences in each split, in words.

    >>> size_words({"train": {"sequences": 1216}, "test": {"sequences": 370}})
    '1,216 training and 370 test sequences'
    """
    parts = [f"{part['sequences']:,} {split_words(name)}" for name, part in splits.items()]
    *most, last = parts or [""]
    return f"{', '.join(most)} and {last} sequences" if most else last and f"{last} sequences"


def overlap_words(entries: Sequence[Entry]) -> list[str]:
    """A sentence for each split that shares sequences with training."""
    sentences: dict[str, None] = {}  # runs on the same data give the same sentence
    for entry in entries:
        for name, part in splits_of([entry]).items():
            if shared := part.get("also_in_train"):
                split, verb = split_words(name), "is" if shared == 1 else "are"
                total = count(part["sequences"], f"{split} sequence")
                head = f"{shared:,} of {total} {verb} also in train"
                sentences[f"{head}, so the {split} accuracy is optimistic."] = None
    return list(sentences)
