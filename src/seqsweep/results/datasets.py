"""Compares the sequences of runs: only scores of equal sets are compared."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from seqsweep.runs.ledger import Entry, differing_keys, value_key

_PREFIX = 8
_NOT_OF_SPLITS = (
    "data.batch_size",
    "data.eval_batch_size",
    "data.num_workers",
    "data.seed",
    "data.shuffle",
    "data.standardize",
    "data.missing",
)
"""Keys of the data section that do not decide which sequences a split has."""


class Sets(NamedTuple):
    """The sequences of a run's training and evaluation, each as a text that only equal sets share.

    Args:
        is_known: whether the splits have fingerprints; else the config stands for them.
    """

    data: str
    val: str
    test: str
    is_known: bool


def sets_of(entry: Entry) -> Sets:
    """The fingerprints of a run's splits.

    A record without them is of a data module that is not ours: the config stands for its splits.
    """
    record = entry.record or {}
    splits = record.get("splits")
    if isinstance(splits, dict):
        prints = [(splits.get(name) or {}).get("fingerprint") for name in ("val", "test")]
        val, test = map(value_key, prints)
        return Sets(data_key(entry), val, test, is_known=True)
    has_data = record.get("data_fingerprint") is not None
    shaping = {
        key: value
        for key, value in sorted(entry.config.items())
        if key.startswith("data.")
        and key not in _NOT_OF_SPLITS
        # The fingerprint stands for the source.
        and not (has_data and key.startswith("data.source."))
    }
    # How much of the training part is held out for validation leaves the test split as it is.
    of_test = {key: value for key, value in shaping.items() if key != "data.val_fraction"}
    data = data_key(entry)
    val, test = value_key([data, shaping]), value_key([data, of_test])
    return Sets(data, val, test, is_known=False)


def why_apart(first: Sets, other: Sets) -> str:
    """`other test set`: why scores of the two are not compared; empty where they are.

    Validation has chosen the configs, so its sets must be equal as well.
    """
    names = {"validation": first.val == other.val, "test": first.test == other.test}
    differing = [name for name, is_equal in names.items() if not is_equal]
    if not differing:
        return ""
    if first.data != other.data:
        return "other data"
    if first.is_known != other.is_known:
        return "unknown whether its validation and test sets are the same"
    return f"other {' and '.join(differing)} {'set' if len(differing) == 1 else 'sets'}"


def data_key(entry: Entry) -> str:
    """A text that runs trained on the same data share."""
    return value_key((entry.record or {}).get("data_fingerprint"))


def data_names(entries: Sequence[Entry]) -> dict[str, str]:
    """A short name for each `data_key`; none if the keys of the data already name the sets."""
    if len({data_key(entry) for entry in entries}) <= 1:
        return {}
    differing = differing_keys([entry.config for entry in entries])
    keys = [key for key in differing if key.startswith("data.")]
    found: dict[tuple[str, ...], set[str]] = {}
    for entry in entries:
        point = tuple(value_key(entry.config.get(key)) for key in keys)
        found.setdefault(point, set()).add(data_key(entry))
    if all(len(prints) == 1 for prints in found.values()):
        return {}
    texts = {text: text.strip('"') for text in set().union(*found.values())}
    length = _PREFIX
    while len({text[:length] for text in texts.values()}) < len(texts):
        length += 1
    return {key: "unknown" if key == "null" else text[:length] for key, text in texts.items()}


def tested_sequences(record: dict[str, Any], score: str) -> int:
    """The number of sequences behind a run's score; 0 if its record does not say so."""
    split = score.partition("/")[0]
    known = (record.get("splits") or {}).get(split) or {}
    if isinstance(size := known.get("sequences"), int):
        return size
    counts = (record.get("confusion") or {}).get(split)
    return sum(map(sum, counts)) if counts else 0
