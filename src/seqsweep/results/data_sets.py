"""Says which runs have the same data set, splits and sequences.

Runs have the same data set if their sources hold the same recordings. The splits and the way to
read the source do not matter: runs on two folds of one source have the same data set. An unfinished
run has no record that identifies its recordings. Such a run has the data set of the finished runs
whose configs have the same source. Scores are comparable only on equal sequences.
"""

import functools
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Any, NamedTuple, TypeVar

from seqsweep.results.formatting import key_names, run_label, split_words, value_text
from seqsweep.runs.identity import CODE, REPLICATE_KEYS, WITHOUT_INFLUENCE, FlatConfig, is_below
from seqsweep.runs.ledger import Entry, differing_keys, value_key
from seqsweep.runs.metrics import BY_RECORDING, Metric
from seqsweep.runs.record import NO_RECORD, Record

Key = TypeVar("Key", bound=tuple[int, ...])
Item = TypeVar("Item")
Name = TypeVar("Name", bound=Hashable)
"""The types of a replicate (`Key`), of a grouped item, and of a group's common value (`Name`)."""

_SOURCE = "data.source"
_WAYS_TO_READ = {
    "seqsweep.data.text.text": ("tokens", "lower", "max_length", "min_count", "max_symbols"),
    "seqsweep.data.tables.table": ("frame", "reshape"),
}
"""The arguments of a source that affect how its recordings are read, not which recordings."""

_TRAIN = "_TRAIN"
"""The end of a training file's name in an archive, as in `GunPoint_TRAIN.ts`."""

_PREFIX = 8
"""The fewest characters of a fingerprint that tables show."""

_OF_SPLITS = ("data.val_fraction", "data.test_fraction", "data.folds", *REPLICATE_KEYS)
_NOT_OF_SPLITS = (
    "data.batch_size",
    "data.eval_batch_size",
    "data.num_workers",
    "data.seed",
    "data.shuffle",
    "data.standardize",
    "data.missing",
)
"""The data keys that do not affect which sequences a split has; `_OF_SPLITS` decide the splits."""


@dataclass
class DataSet:
    """A data set with its runs and the planned configs.

    The data set is named after its file, its name in an archive or its task. Further keys, or a
    number, follow if two data sets would have the same name: `temporal_order length=20`.
    """

    name: str
    entries: list[Entry] = field(default_factory=list[Entry])
    planned: list[FlatConfig] = field(default_factory=list[FlatConfig])

    @property
    def complete(self) -> list[Entry]:
        """The complete runs."""
        return [entry for entry in self.entries if entry.state == "complete"]

    @property
    def configs(self) -> list[Mapping[str, Any]]:
        """The configs of all runs, including planned runs."""
        return [*(entry.config for entry in self.entries), *self.planned]


def data_sets(entries: Sequence[Entry], planned: Iterable[FlatConfig] = ()) -> list[DataSet]:
    """Returns the data sets of the runs, ordered by their first runs.

    Args:
        planned: The configs of the sweep's members that have not started.
    """
    # Damaged runs have no config and belong to no data set.
    begun = [entry for entry in entries if entry.config]
    planned = [config for config in planned if config]
    contents: dict[str, str] = {}
    # A run without a record has the data set of the finished runs with its source. The search by
    # source is skipped in the usual case, a folder with only finished runs.
    if planned or any(_recordings(entry) is None for entry in begun):
        known = [(source_of(entry.config), _recordings(entry)) for entry in begun]
        contents = {source: content for source, content in known if content is not None}
    sets: dict[str, DataSet] = {}

    def set_of(config: FlatConfig, content: str | None = None) -> DataSet:
        key = content or contents.get(source := source_of(config), source)
        return sets.setdefault(key, DataSet(key))

    for entry in begun:
        set_of(entry.config, _recordings(entry)).entries.append(entry)
    for config in planned:
        set_of(config).planned.append(config)
    for name, group in group_by(sets.values(), lambda one: _base_name(one.configs[0])).items():
        for one, label in zip(group, _labels(group), strict=True):
            one.name = f"{name} {label}".strip()
    return list(sets.values())


def source_of(config: FlatConfig) -> str:
    """Returns a text that is equal for configs with one data source."""
    # With thousands of configs, `repr` is several times faster than JSON.
    return repr([(key, config[key]) for key in source_keys(config)])


def source_keys(config: FlatConfig) -> list[str]:
    """Returns the keys of a config that choose its data.

    Keys that split, read or prepare the data are left out. A user's own data module has no
    source, so any of its other keys may choose the data.
    """
    ways = _WAYS_TO_READ.get(str(config.get(f"{_SOURCE}._target_")), ())
    return _source_keys(tuple(config), tuple(f"{_SOURCE}.{way}" for way in ways))


@functools.lru_cache(maxsize=256)
def _source_keys(layout: tuple[str, ...], without: tuple[str, ...]) -> list[str]:
    """Returns `source_keys` for one tuple of keys, which most configs share."""
    keys = [key for key in layout if is_below(key, (_SOURCE,))]
    keys = keys or [key for key in layout if _shapes_splits(key) and key not in _OF_SPLITS]
    return sorted(key for key in keys if not is_below(key, (*WITHOUT_INFLUENCE, *without)))


def _base_name(config: FlatConfig) -> str:
    """Names a data set after its file, its `name` or its function."""
    path, name = (config.get(f"{_SOURCE}.{key}") for key in ("path", "name"))
    if isinstance(path, str):
        return PurePath(path).stem.removesuffix(_TRAIN)
    if isinstance(name, str):
        return name
    key = next((k for k in (f"{_SOURCE}._target_", "data._target_") if config.get(k)), "")
    return value_text(key, config.get(key)) if key else "data"


def _labels(group: Sequence[DataSet]) -> list[str]:
    """Returns texts that distinguish data sets of one name: keys, or numbers."""
    if len(group) == 1:
        return [""]
    configs = [one.configs[0] for one in group]
    known = {key for config in configs for key in source_keys(config)}
    names = key_names((key for key in differing_keys(configs) if key in known), configs)
    labels = [run_label(config, names) for config in configs]
    if len(set(labels)) == len(labels):
        return labels
    # A file has changed between runs, so only its fingerprint distinguishes the data sets.
    return [f"{label} #{index}".strip() for index, label in enumerate(labels, start=1)]


class Sets(NamedTuple):
    """The recordings and the evaluation sequences of a run, as comparable texts.

    The texts are fingerprints. A run without fingerprints, for example with a user's own data
    module, has texts made from its config, and `is_known` is false.
    """

    data: str
    val: str
    test: str
    is_known: bool


def sets_of(entry: Entry, metric: Metric | None = None) -> Sets:
    """Returns the fingerprints of a run's splits, or texts from its config.

    Args:
        metric: the metric to compare; one by recording is the same for all windows of a recording.
    """
    data = recordings_key(entry)
    if splits := entry.record.splits:
        key = "by_recording" if metric and metric.kind == BY_RECORDING else "fingerprint"
        val, test = (splits.get(name, {}).get(key) for name in ("val", "test"))
        return Sets(data, value_key(val), value_key(test), is_known=True)
    shaping = {key: value for key, value in sorted(entry.config.items()) if _shapes_splits(key)}
    if entry.record.data_fingerprint is not None:  # the fingerprint covers the source
        shaping = {k: v for k, v in shaping.items() if not k.startswith(f"{_SOURCE}.")}
    # The part of the training data held out for validation does not change the test split.
    of_test = {key: value for key, value in shaping.items() if key != "data.val_fraction"}
    return Sets(data, value_key([data, shaping]), value_key([data, of_test]), is_known=False)


def _shapes_splits(key: str) -> bool:
    return key.startswith("data.") and key not in _NOT_OF_SPLITS


def why_apart(first: Sets, other: Sets) -> str:
    """Says why scores are not comparable: `other test set`; empty if comparable.

    The validation sets must be equal too, because the validation score chose the configs.
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
    """Says for each shared replicate why two configs are not comparable.

    A reason is empty if both configs have the same sequences. Without a shared replicate, the
    result has one reason, found with any run of each config. The reason is `no shared replicate` if
    splits vary (`resampled`) and the data are the same.
    """
    shared = sorted(first.keys() & other.keys())
    if shared:
        return {key: why_apart(first[key], other[key]) for key in shared}
    key, any_of_first = next(iter(other)), next(iter(first.values()))
    reason = why_apart(any_of_first, other[key])
    is_same_data = any_of_first.data == other[key].data
    return {key: "no shared replicate" if resampled and reason and is_same_data else reason}


def _recordings(entry: Entry) -> str | None:
    """Returns the text that identifies a run's recordings; None without a record."""
    record = entry.record
    if record is NO_RECORD or record.splits or record.data_fingerprint is not None:
        return record.recordings
    # A user's data module has data by its keys and code; older records have only the whole code.
    return value_key([source_of(entry.config), record.recordings or entry.config.get(CODE)])


def recordings_key(entry: Entry) -> str:
    """Returns a text that identifies a run's recordings, however they are read."""
    return value_key(_recordings(entry))


def data_key(entry: Entry) -> str:
    """Returns a text that identifies the values a run was trained on."""
    return value_key(entry.record.data_fingerprint)


def data_names(entries: Sequence[Entry]) -> dict[str, str]:
    """Returns a name for each `data_key`; empty if config keys distinguish the data."""
    if len({data_key(entry) for entry in entries}) <= 1:
        return {}
    keys = differing_keys([entry.config for entry in entries])
    # Tables do not show the keys of replicates.
    keys = [key for key in keys if key.startswith("data.") and key not in REPLICATE_KEYS]
    # If each setting of the data's keys has one data set, these keys already name it.
    settings = group_by(entries, lambda entry: value_key([entry.config.get(key) for key in keys]))
    if all(len(set(map(data_key, group))) == 1 for group in settings.values()):
        return {}
    texts = {key: key.strip('"') for key in map(data_key, entries)}
    # The fingerprints are cut, but they stay long enough to be distinct.
    length = _PREFIX
    while len({text[:length] for text in texts.values()}) < len(texts):
        length += 1
    return {key: "unknown" if key == "null" else text[:length] for key, text in texts.items()}


def tested_units(record: Record, score: Metric) -> tuple[int, str]:
    """Returns the number of independent sequences behind a metric, `score`; 0 if unknown.

    For windows these are their groups or recordings. Also returns the word for one of them.
    """
    split = score.split_name
    values = record.splits.get(split, {})
    for unit in ("groups", "recordings", "sequences"):
        if size := values.get(unit):
            return size, unit.removesuffix("s")
    return sum(map(sum, record.confusion.get(split, ()))), "sequence"


def group_by(items: Iterable[Item], key: Callable[[Item], Name]) -> dict[Name, list[Item]]:
    """Returns the items grouped by the value of a key.

    >>> group_by(["a", "bb", "c"], len)
    {1: ['a', 'c'], 2: ['bb']}
    """
    groups: dict[Name, list[Item]] = {}
    for item in items:
        groups.setdefault(key(item), []).append(item)
    return groups
