"""Computes the run_id, a hash of everything that can change a result."""

import functools
import hashlib
import json
import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from seqsweep.importing import is_class_path

Config = dict[str, Any]
"""A config with its sections as in config.yaml, or by dotted keys as in a record."""

FlatConfig = Mapping[str, Any]
"""The values of a config by dotted key, which readers do not change."""

REPLICATE_KEYS = ("seed", "data.fold", "data.split_seed")
"""The keys in which the replicates of a config differ.

`seed` decides the random numbers of the training, such as the initial weights and the order of the
sequences. The other keys decide only the splits."""

SEMANTICS = 7
"""The version of results, config keys and run files, raised by hand when they change.

Runs with another number are `of another version`, and are kept apart.
"""

CODE = "code"
"""The key of the digest of the user's own code; only configs that use this code have the key."""

START = "start_weights"
"""The key of the digest of the weights that `start_from` names, which no other config has."""

WITHOUT_INFLUENCE = (
    "name",
    "output_dir",
    "rerun",
    "start_from",
    "when_locked",
    "sweep",
    "threads",
    "diagnostics",
    "logger",
    "monitor_mode_guessed",
    "trainer.progress_bar",
    "trainer.profiler",
)
"""Keys, or whole sections, that cannot change a result. They are not hashed."""

DATA_MODULE = "seqsweep.data.datamodule.SequenceDataModule"
MODULE_DATA = "seqsweep.data.datamodule.ModuleData"


def without_influence(config: FlatConfig) -> tuple[str, ...]:
    """Returns the keys of a flat config, or whole sections, that cannot change its result."""
    # The Dataset of a user may draw random numbers in the workers, and ours draws none there.
    is_ours = config.get("data._target_") == DATA_MODULE
    return (*WITHOUT_INFLUENCE, "data.num_workers") if is_ours else WITHOUT_INFLUENCE


def is_own_module(config: Mapping[str, Any]) -> bool:
    """Returns whether a user's LightningModule is the model of a config, nested or flat."""
    # Such a module has its own loss, and the sections that it replaces are null in every file.
    return config.get("loss", "") is None


_LAYOUT = "data.source.layout"
_READERS = {
    ("data.source._target_", "seqsweep.data.tables.table"),
    ("data.source._target_", "seqsweep.data.aeon_sets.archive"),
}
"""Sources whose arguments only say how to read files: the data's fingerprint replaces them."""

_PLAIN = {str, int, bool, type(None)}
"""Types whose equal values are always identical, unlike the floats 0.0 and -0.0."""


def run_id(config: Config, data_fingerprint: str | None) -> str:
    """Returns 16 hex digits of the sha256 of the config, the data and SEMANTICS.

    Args:
        data_fingerprint: the hash of the sequences, which replaces the paths, the layout and the
            column names of the source. None if a user's own data have no fingerprint.
    """
    values = decisive(config, data_fingerprint)
    identity = {**values, "semantics": SEMANTICS}
    text = json.dumps(identity, sort_keys=True, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def decisive(
    config: Config, data_fingerprint: str | None, without: Collection[str] = ()
) -> dict[str, Any]:
    """Returns the `config` values and `data` hash that decide a result."""
    # Keys without influence are left out, and also files that the fingerprint replaces.
    flat = flatten(config)
    is_reader = any(pair in flat for pair in _READERS)
    ignored = without_influence(dict(flat))
    values = {
        key: value
        for key, value in sorted(flat)
        if _may_decide(key, bool(data_fingerprint), is_reader, ignored) and key not in without
    }
    return {"config": values, "data": data_fingerprint}


@functools.lru_cache(maxsize=4096)
def _may_decide(key: str, has_fingerprint: bool, is_reader: bool, ignored: tuple[str, ...]) -> bool:
    """Returns whether a key may decide a result, whatever its value is."""
    if is_below(key, ignored):
        return False
    is_argument = key.startswith("data.source.") and key != "data.source._target_"
    is_of_file = is_path(key) or key == _LAYOUT or (is_reader and is_argument)
    return not (has_fingerprint and is_of_file)


def flatten(config: Any, prefix: str = "") -> list[tuple[str, Any]]:
    """Returns the leaves of nested dicts as (dotted key, value).

    >>> flatten({"a": {"b": 1}, "c": [2]})
    [('a.b', 1), ('c', [2])]
    """
    leaves: list[tuple[str, Any]] = []
    for key, value in config.items():
        # All configs share the strings of keys, which would otherwise take most of the memory.
        name = sys.intern(f"{prefix}{key}")
        if isinstance(value, dict) and value:
            leaves += flatten(value, f"{name}.")
        else:
            leaves.append((name, value))
    return leaves


def targets(node: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    """Yields the keys and values that name code: `_target_`s and paths of cells."""
    items = node.items() if isinstance(node, dict) else ()
    items = enumerate(node) if isinstance(node, list) else items
    for name, value in items:
        path = f"{key}.{name}" if key else str(name)
        # A network imports its cell, so the path of a cell is code wherever a class may read it.
        is_cell = name == "cell" and "_target_" in node and is_class_path(value)
        if name == "_target_" or is_cell:
            yield path, value
        elif isinstance(value, (dict, list)):
            yield from targets(value, path)


def nested(flat: FlatConfig) -> Config:
    """Returns a flat config as nested sections.

    >>> nested({"a.b": 1, "c": [2]})
    {'a': {'b': 1}, 'c': [2]}
    """
    config: Config = {}
    for key, value in flat.items():
        *sections, name = key.split(".")
        node = config
        for section in sections:
            node = node.setdefault(section, {})
        node[name] = value
    return config


@functools.lru_cache(maxsize=4096)
def is_below(key: str, sections: tuple[str, ...]) -> bool:
    """Returns whether a dotted key is or lies below one of these keys."""
    return any(key == name or key.startswith(f"{name}.") for name in sections)


def is_number(value: Any) -> bool:
    """Returns whether a value is a number; true and false are not."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def is_one_value(values: Sequence[Any]) -> bool:
    """Returns whether all values are the same; 1 and 1.0 differ."""
    kinds = set(map(type, values))
    if len(kinds) == 1 and kinds <= _PLAIN:  # ten times as fast as the texts below
        return values.count(values[0]) == len(values)
    # Dicts that differ only in the order of keys have different texts, but are the same value.
    if len(set(map(repr, values))) <= 1:
        return True
    return len({json.dumps(value, sort_keys=True) for value in values}) <= 1


def is_path(key: str) -> bool:
    """Returns whether a dotted key names a data file."""
    if not key.startswith("data."):
        return False
    # A user's own data module has its path directly below `data`, not below `data.source`.
    name = key.removeprefix("data.").removeprefix("source.")
    return "." not in name and (name == "path" or name.endswith("_path"))
