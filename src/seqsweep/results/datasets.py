"""Compares the sequences of runs, since only scores on equal sets are comparable."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

from seqsweep.results.formatting import split_words
from seqsweep.results.grouping import group_by
from seqsweep.runs.identity import CODE, REPLICATE_KEYS
from seqsweep.runs.ledger import Entry, differing_keys, value_key

Key = TypeVar("Key", bound=tuple[int, ...])
"""A replicate of a config."""

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
"""The keys of the data section that do not affect which sequences a split has."""


class Sets(NamedTuple):
    """The training and evaluation sequences of a run, as comparable texts.

    Args:
        is_known: Whether the splits have fingerprints; if not, the config takes their place.
    """

    data: str
    val: str
    test: str
    is_known: bool


def sets_of(entry: Entry) -> Sets:
    """The fingerprints of a run's splits.

    A run with the user's own data module has no fingerprints, so its config takes their place.
    """
    record = entry.record or {}
    data = recordings_key(entry)
    splits = record.get("splits")
    if isinstance(splits, dict):
        val, test = ((splits.get(name) or {}).get("fingerprint") for name in ("val", "test"))
        return Sets(data, value_key(val), value_key(test), is_known=True)
    shaping = {key: value for key, value in sorted(entry.config.items()) if _shapes_splits(key)}
    if record.get("data_fingerprint") is not None:  # it represents the source
        shaping = {k: v for k, v in shaping.items() if not k.startswith("data.source.")}
    # The part of the training data held out for validation does not change the test split.
    of_test = {key: value for key, value in shaping.items() if key != "data.val_fraction"}
    return Sets(data, value_key([data, shaping]), value_key([data, of_test]), is_known=False)


def _shapes_splits(key: str) -> bool:
    return (key.startswith("data.") or key == CODE) and key not in _NOT_OF_SPLITS


def is_of_data(key: str) -> bool:
    """Returns whether a key may choose data, not only split or prepare them."""
    of_split = ("data.val_fraction", "data.test_fraction", "data.folds", *REPLICATE_KEYS)
    return _shapes_splits(key) and key not in of_split


def why_apart(first: Sets, other: Sets) -> str:
    """The reason why scores of two runs are not comparable: `other test set`.

    It is empty if they are comparable. The validation sets must be equal too, because
    validation has chosen the configs.
    """
    differing = [name for name in ("val", "test") if getattr(first, name) != getattr(other, name)]
    if not differing:
        return ""
    if first.data != other.data:
        return "other data"
    if first.is_known != other.is_known:
        return "unknown whether its validation and test sets are the same"
    names = " and ".join(map(split_words, differing))
    return f"other {names} {'set' if len(differing) == 1 else 'sets'}"


def reasons_apart(
    first: Mapping[Key, Sets], other: Mapping[Key, Sets], resampled: bool = False
) -> dict[Key, str]:
    """The reason against comparing two configs, for each replicate that they share.

    A reason is empty if the two have the same sequences. If they share no replicate, the result has
    a single reason, found with the first run of each config.

    Args:
        resampled: Whether the replicates of one config have several splits of the data.
    """
    shared = sorted(first.keys() & other.keys())
    if shared:
        return {key: why_apart(first[key], other[key]) for key in shared}
    key, any_of_first = next(iter(other)), next(iter(first.values()))
    reason = why_apart(any_of_first, other[key])
    is_same_data = any_of_first.data == other[key].data
    return {key: "no shared replicate" if resampled and reason and is_same_data else reason}


def recordings_key(entry: Entry) -> str:
    """A text that is equal for all ways to read the same recordings."""
    return value_key((entry.record or {}).get("recordings"))


def data_key(entry: Entry) -> str:
    """A text that is equal for runs trained on the same numbers."""
    return value_key((entry.record or {}).get("data_fingerprint"))


def data_names(entries: Sequence[Entry]) -> dict[str, str]:
    """A short name for each `data_key`.

    Empty if the keys of the data already distinguish the data sets.
    """
    if len({data_key(entry) for entry in entries}) <= 1:
        return {}
    keys = differing_keys([entry.config for entry in entries])
    # Tables do not show the keys of replicates.
    keys = [key for key in keys if key.startswith("data.") and key not in REPLICATE_KEYS]
    # One data set for each setting of the keys of the data needs no other name.
    settings = group_by(entries, lambda entry: value_key([entry.config.get(key) for key in keys]))
    if all(len(set(map(data_key, group))) == 1 for group in settings.values()):
        return {}
    texts = {data_key(entry): data_key(entry).strip('"') for entry in entries}
    # As many characters of the fingerprints as distinguish them.
    length = _PREFIX
    while len({text[:length] for text in texts.values()}) < len(texts):
        length += 1
    return {key: "unknown" if key == "null" else text[:length] for key, text in texts.items()}


def tested_sequences(record: dict[str, Any], score: str) -> int:
    """The number of sequences behind a run's score; 0 if unknown."""
    split = score.partition("/")[0]
    known = (record.get("splits") or {}).get(split) or {}
    if isinstance(size := known.get("sequences"), int):
        return size
    counts = (record.get("confusion") or {}).get(split)
    return sum(map(sum, counts)) if counts else 0
