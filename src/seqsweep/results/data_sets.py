"""Divides the runs of a folder by their data sets.

Runs have the same data set if their sources hold the same recordings, however they are split and
read: the folds and the split seeds of one source are replicates on one data set. A run without a
record has the data set of the complete runs with the same source in their configs.
"""

import functools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Any

from seqsweep.results.datasets import is_of_data
from seqsweep.results.formatting import key_names, run_label, value_text
from seqsweep.results.grouping import group_by
from seqsweep.runs.identity import WITHOUT_INFLUENCE, is_below
from seqsweep.runs.ledger import Entry, differing_keys

_SOURCE = "data.source"
_WAYS_TO_READ = {
    "seqsweep.data.text.text": ("tokens", "lower", "max_length", "min_count", "max_symbols"),
    "seqsweep.data.tables.table": ("frame", "reshape"),
}
"""The arguments of a source that do not choose its recordings, only how a network reads them."""
_TRAIN = "_TRAIN"
"""The end of the names of the archives' training files."""


@dataclass
class DataSet:
    """A data set with its runs.

    Args:
        name: The name of the source, its file or its task, with further keys where they are needed
            to distinguish two data sets: `temporal_order length=20`.
        planned: The configs of the runs that have not started.
    """

    name: str
    entries: list[Entry] = field(default_factory=list[Entry])
    planned: list[Mapping[str, Any]] = field(default_factory=list[Mapping[str, Any]])

    @property
    def configs(self) -> list[Mapping[str, Any]]:
        """The configs of all runs."""
        return [*(entry.config for entry in self.entries), *self.planned]


def data_sets(entries: Sequence[Entry], planned: Iterable[Mapping[str, Any]] = ()) -> list[DataSet]:
    """The data sets of a folder, in the order of their first runs.

    Damaged runs have no config and belong to no data set.

    Args:
        planned: The configs of the sweep's members that have not started.
    """
    found = set(map(_content, entries))
    if len(found) == 1 and None not in found and not (planned := list(planned)):
        # The usual case of one data set and complete runs alone needs no look at the configs.
        runs = [entry for entry in entries if entry.config]
        return [DataSet(_base_name(runs[0].config) if runs else "data", runs)]
    begun = [(entry, source_of(entry.config)) for entry in entries if entry.config]
    # The source in the config leads from a run without a record to the content of its data.
    contents = {source: known for entry, source in begun if (known := _content(entry)) is not None}
    sets: dict[str, DataSet] = {}
    for entry, source in begun:
        key = _content(entry) or contents.get(source, source)
        sets.setdefault(key, DataSet(key)).entries.append(entry)
    for config in planned:
        if config:
            source = source_of(config)
            key = contents.get(source, source)
            sets.setdefault(key, DataSet(key)).planned.append(config)
    _name(list(sets.values()))
    return list(sets.values())


def by_data_set(folders: Mapping[str, Sequence[Entry]]) -> dict[str, Sequence[Entry]]:
    """The runs of each folder and data set by a label.

    The label is `a on digits`, or `a` if the folder has one data set.
    """
    result: dict[str, Sequence[Entry]] = {}
    for label, entries in folders.items():
        sets = data_sets(entries)
        if len(sets) < 2:
            result[label] = entries
        else:
            result |= {f"{label} on {one.name}": one.entries for one in sets}
    return result


def _content(entry: Entry) -> str | None:
    """The recordings of a complete run."""
    return (entry.record or {}).get("recordings")


def source_of(config: Mapping[str, Any]) -> str:
    """A text that is equal for configs with the same source of data."""
    # Of thousands of configs; JSON would take several times as long.
    return repr([(key, config[key]) for key in source_keys(config)])


def source_keys(config: Mapping[str, Any]) -> list[str]:
    """The keys of a config that say which data it has.

    Keys that split, read or prepare the data are not among them.
    A data module of the user's own has no source: all of its keys may choose the data.
    """
    ways = _WAYS_TO_READ.get(str(config.get(f"{_SOURCE}._target_")), ())
    return _source_keys(tuple(config), tuple(f"{_SOURCE}.{way}" for way in ways))


@functools.lru_cache(maxsize=256)
def _source_keys(layout: tuple[str, ...], without: tuple[str, ...]) -> list[str]:
    """The keys for a layout of a config; thousands of runs share one."""
    below = [key for key in layout if is_below(key, (_SOURCE,))]
    keys = below or [key for key in layout if is_of_data(key)]
    return sorted(key for key in keys if not is_below(key, (*WITHOUT_INFLUENCE, *without)))


def _name(sets: Sequence[DataSet]) -> None:
    """Names the data sets, each by what distinguishes it from others of the same source."""
    same = group_by(sets, lambda one: _base_name(one.configs[0]))
    for name, group in same.items():
        labels = _labels(group)
        for one, label in zip(group, labels, strict=True):
            one.name = f"{name} {label}".strip()


def _base_name(config: Mapping[str, Any]) -> str:
    """The name of a file without its ending, an archive's set or a function."""
    path, name = (config.get(f"{_SOURCE}.{key}") for key in ("path", "name"))
    if isinstance(path, str):
        return PurePath(path).stem.removesuffix(_TRAIN)
    if isinstance(name, str):
        return name
    key = next((k for k in (f"{_SOURCE}._target_", "data._target_") if config.get(k)), "")
    return value_text(key, config.get(key)) if key else "data"


def _labels(group: Sequence[DataSet]) -> list[str]:
    """The keys in which data sets of one name differ, or else their numbers."""
    if len(group) == 1:
        return [""]
    configs = [one.configs[0] for one in group]
    known = [dict.fromkeys(source_keys(config)) for config in configs]
    keys = [key for key in differing_keys(configs) if any(key in own for own in known)]
    labels = [run_label(config, key_names(keys)) for config in configs]
    if len(set(labels)) == len(labels):
        return labels
    # The content of a file has changed, so its fingerprint alone distinguishes the two.
    return [f"{label} #{index}".strip() for index, label in enumerate(labels, start=1)]
