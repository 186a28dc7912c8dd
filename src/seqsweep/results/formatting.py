"""Names config keys and runs, and formats config values and estimates, as plain texts."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

from seqsweep.runs.identity import CODE, START, FlatConfig
from seqsweep.runs.ledger import Entry, short_names
from seqsweep.runs.metrics import SPLITS, Metric
from seqsweep.runs.record import State
from seqsweep.text import count, plain_text, upper_first

_SOURCE = "data.source._target_"
_CLASSES = ("_target_", "model.cell")
"""The ends of keys that name a class, which is shown without its module."""
_OPTIONS = {
    "seqsweep.models.classifier.RNNClassifier": "rnn",
    "seqsweep.models.classifier.SimpleRNN": "simple",
    "seqsweep.models.classifier.MultiLayerRNN": "multilayer",
    "seqsweep.models.classifier.BiDirectionalRNN": "bidirectional",
    "seqsweep.data.tasks.random_sequences": "random",
    "seqsweep.data.aeon_sets.archive": "aeon",
    "seqsweep.data.datamodule.ModuleData": "module",
}
"""The option of a config group for each `_target_` that ends with another name."""


class KeyNames(dict[str, str]):
    """The short names of config keys, and the texts of their classes."""

    classes: Mapping[str, str] = {}

    def text(self, key: str, value: Any) -> str:
        """Returns the text of a value."""
        is_class = isinstance(value, str) and key.endswith(_CLASSES)
        return (self.classes.get(value) if is_class else None) or value_text(key, value)


def key_names(keys: Iterable[str], configs: Iterable[FlatConfig] = ()) -> KeyNames:
    """Returns short names of config keys.

    A `_target_` gets the name of the group that chooses it. The `_target_` of a callback keeps the
    prefix `callbacks.`, because users name callbacks, perhaps `lr`.

    >>> key_names(["model.hidden_size", "optimizer._target_"])
    {'model.hidden_size': 'hidden_size', 'optimizer._target_': 'optimizer'}
    >>> key_names(["callbacks.lr._target_", "data.source._target_"])
    {'callbacks.lr._target_': 'callbacks.lr', 'data.source._target_': 'data'}

    Args:
        configs: All configs whose values are shown with these names.
    """
    keys = list(keys)
    sections = {key: key.removesuffix("._target_") for key in keys}
    if "data" not in sections.values() and _SOURCE in sections:
        sections[_SOURCE] = "data"
    short = short_names(sections.values())
    names = KeyNames(
        (key, name if name != key and name.startswith("callbacks.") else short[name])
        for key, name in sections.items()
    )
    choices = [key for key in keys if key.endswith(_CLASSES)]
    names.classes = _class_names(config.get(key) for config in configs for key in choices)
    return names


def value_text(key: str, value: Any) -> str:
    """Returns the text of a config value; for a `_target_` its option or class."""
    if isinstance(value, str) and key.endswith(_CLASSES):
        return _OPTIONS.get(value) or value.rpartition(".")[2]
    # The digest of edited code, or of weights, need only differ from the others.
    return value[:4] if key in (CODE, START) and isinstance(value, str) else plain_text(value)


def column_values(key: str, values: Sequence[Any]) -> list[Any]:
    """Returns the values of a key, those of a `_target_` as in `_class_names`."""
    if not key.endswith(_CLASSES):
        return list(values)
    names = _class_names(values)
    return [names[value] if isinstance(value, str) else value for value in values]


def _class_names(targets: Iterable[Any]) -> dict[Any, str]:
    """Returns each `_target_`'s option or class, with the file if two have one name."""
    names = {target: _OPTIONS.get(target, target) for target in targets if isinstance(target, str)}
    short = short_names(names.values())
    return {target: short[name] for target, name in names.items()}


def run_label(config: FlatConfig, names: KeyNames, keys: Iterable[str] | None = None) -> str:
    """Returns a run's label, of all or some of the named keys: `hidden_size=8 seed=0`."""
    keys = names if keys is None else keys
    return " ".join(f"{names[key]}={names.text(key, config.get(key))}" for key in keys)


def config_label(config: FlatConfig, names: KeyNames, keys: Sequence[str]) -> str:
    """Returns a config's label: `hidden_size=8 lr=0.01`, or only `gru` for a single class."""
    if len(keys) == 1 and keys[0].endswith(_CLASSES):
        return names.text(keys[0], config.get(keys[0]))
    return run_label(config, names, keys)


def known_settings(config: FlatConfig, names: KeyNames) -> str:
    """Returns a run's label from only the keys that its config sets."""
    return run_label(config, names, [key for key in names if config.get(key) is not None])


def split_words(split: str) -> str:
    """Returns the name of a split in words: `validation`."""
    return SPLITS.get(split, split)


def error_text(state: str, error: str) -> str:
    """Removes the state from an error's start, because tables show the state separately."""
    return error.removeprefix(f"{state} ")


def heading(metric: Metric) -> str:
    """Returns the heading of a metric; a name of a user does not change."""
    return upper_first(metric.words) if metric.is_ours else metric


def probability(p: float) -> str:
    """Formats a p with three decimals: `0.041`, `< 0.001`."""
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def status_line(folder: Path, entries: Sequence[Entry]) -> str:
    """Counts a folder's runs by state: `outputs/sweeps/a: 24 runs, 23 complete, 1 failed`."""
    counts = Counter(entry.state for entry in entries)
    parts = [f"{counts[state]} {state}" for state in get_args(State) if counts[state]]
    return f"{folder}: {count(len(entries), 'run')}, {', '.join(parts)}"
