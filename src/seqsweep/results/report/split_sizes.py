"""The sequences of each split of a report's runs, and how many of them are trained on too."""

from collections.abc import Mapping, Sequence
from typing import Any

from seqsweep.results.formatting import count, split_words
from seqsweep.runs.ledger import Entry

Splits = Mapping[str, Mapping[str, Any]]
"""The values of a split in record.json: `sequences`, `fingerprint`, `also_in_train`."""


def splits_of(entry: Entry | None) -> Splits:
    """The splits of a run; empty where its record does not know them."""
    found = ((entry and entry.record) or {}).get("splits")
    if not isinstance(found, dict):
        return {}
    parts = {name: part for name, part in found.items() if isinstance(part, dict)}
    return {name: part for name, part in parts.items() if isinstance(part.get("sequences"), int)}


def size_words(splits: Splits) -> str:
    """Returns the number of sequences of each split in words.

    >>> size_words({"train": {"sequences": 1216}, "test": {"sequences": 370}})
    '1,216 training and 370 test sequences'
    """
    parts = [f"{part['sequences']:,} {split_words(name)}" for name, part in splits.items()]
    *most, last = parts or [""]
    return f"{', '.join(most)} and {last} sequences" if most else last and f"{last} sequences"


def overlap_words(entries: Sequence[Entry]) -> list[str]:
    """Returns a sentence for each split that shares sequences with training."""
    found: dict[str, None] = {}
    for entry in entries:
        for name, part in splits_of(entry).items():
            shared = part.get("also_in_train") or 0
            if shared:
                words = split_words(name)
                verb = "is" if shared == 1 else "are"
                of = count(part["sequences"], f"{words} sequence")
                found[
                    f"{shared:,} of {of} {verb} also in train: the {words} accuracy flatters."
                ] = None
    return list(found)
