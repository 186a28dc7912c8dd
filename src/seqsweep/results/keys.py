"""Finds the keys that distinguish configs, and those that follow from other keys."""

import functools
from collections.abc import Hashable, Iterable, Mapping, Sequence

from seqsweep.config import CONF_DIR
from seqsweep.results.data_sets import DataSet, source_keys
from seqsweep.runs.documents import read_yaml
from seqsweep.runs.identity import CODE, REPLICATE_KEYS, FlatConfig
from seqsweep.runs.ledger import differing_keys, value_key

DATA = "data"
"""The key of the data fingerprint in a row, if no other key distinguishes the data sets."""

CHOICE = "_target_"


def distinguishing_keys(
    configs: Sequence[FlatConfig],
    keep_shared: bool = False,
    differing: Sequence[str] | None = None,
) -> list[str]:
    """Returns the keys that distinguish configs: `optimizer._target_` for `optimizer=sgd,adam`.

    A `_target_` chooses a class. A key beside it, such as `optimizer.betas`, is left out if it has
    one value for each class, unless the value is not the one that our option of the class has: the
    network `rnn` may have the cell `gru`. A callback's `monitor` that always equals the run's
    `monitor` is also left out, and so is what follows from the data set (`data.batch_size`) or
    from the classes (`code`). The remaining keys distinguish the configs as well as all differing
    keys do.

    Args:
        keep_shared: Whether to keep a key that all classes have (`lr`), although the class decides
            its value, and what follows from the data set.
        differing: The `differing_keys` of the configs, if known.
    """
    columns = text_columns(differing_keys(configs) if differing is None else differing, configs)
    # A cell chooses a class too, beside which are its options.
    choices = [*choices_among(columns), *({"model.cell"} & columns.keys())]
    of_data = [key for key in columns if key.startswith("data.")]
    sources = [key for key in of_data if any(key in source_keys(config) for config in configs)]
    causes = {} if keep_shared else dict.fromkeys({*of_data} - {*sources, *REPLICATE_KEYS}, sources)
    # The code is that of the source and the classes, unless it was edited between the runs.
    causes[CODE] = [*sources, *choices]
    kept: list[str] = []
    for key, column in columns.items():
        cause = [columns[name] for name in causes.get(key, ())]
        if cause and follows(list(zip(*cause, strict=True)), column):
            continue
        # A key that some classes lack is null for these classes.
        is_optional = not keep_shared or "null" in column
        is_set_by_choice = is_optional and any(
            key != choice
            and key.startswith(choice.removesuffix(CHOICE))
            and follows(columns[choice], column)
            and not _departs(choice, key, configs)
            for choice in choices
        )
        monitors = columns.get("monitor")
        repeats_monitor = key.endswith(".monitor") and column == monitors
        if monitors and "monitor_mode" in columns and key.endswith(("monitor_mode", ".mode")):
            repeats_monitor = follows(monitors, column)
        if not is_set_by_choice and not repeats_monitor:
            kept.append(key)
    return kept


def config_keys(sets: Sequence[DataSet]) -> list[str]:
    """Returns the keys that distinguish configs over several data sets."""
    configs = [config for one in sets for config in one.configs]
    names = [one.name for one in sets for _ in one.configs]
    of_source = {key for config in configs for key in source_keys(config)}
    return [
        key
        for key in distinguishing_keys(configs)
        if key not in REPLICATE_KEYS
        and key not in of_source
        and not follows(names, [value_key(config.get(key)) for config in configs])
    ]


def _departs(choice: str, key: str, configs: Sequence[FlatConfig]) -> bool:
    """Returns whether a value differs from that in our option of its class."""
    section = choice.removesuffix(f".{CHOICE}")
    name = key.removeprefix(f"{section}.")
    pairs = {(str(config.get(choice)), value_key(config.get(key))) for config in configs}
    return any(_our_option(section, target).get(name, value) != value for target, value in pairs)


@functools.cache
def _our_option(section: str, target: str) -> Mapping[str, str]:
    """Returns the values of our option that chooses a class, if any, as texts."""
    for path in sorted((CONF_DIR / section).glob("*.yaml")):
        option = read_yaml(path) or {}
        if option.get(CHOICE) == target:
            # What comes from the data or from other keys is not the option's own value.
            own = {k: v for k, v in option.items() if v is not None and "${" not in str(v)}
            return {key: value_key(value) for key, value in own.items()}
    return {}


def label_keys(configs: Sequence[FlatConfig]) -> list[str]:
    """Returns the keys in a run's label; the seed comes last.

    A key whose value depends only on a chosen class is left out, because the label names the class.
    For example, with `experiment=a,b` the class of the data decides all other values that differ.
    What `distinguishing_keys` keeps beside its own class, such as the cell of a network, remains.
    """
    configs = [config for config in configs if config]  # a damaged config is empty
    order = {key: index for index, key in enumerate(reversed(REPLICATE_KEYS))}
    keys = sorted(distinguishing_keys(configs), key=lambda key: order.get(key, -1))
    choices = choices_among(keys)
    columns = text_columns(keys, configs) if choices else {}
    for choice in choices:
        if choice in keys:
            keys = [
                key
                for key in keys
                if key == choice
                or f"{key.rpartition('.')[0]}.{CHOICE}" in keys
                or not follows(columns[choice], columns[key])
            ]
    return keys


def text_columns(keys: Iterable[str], configs: Sequence[FlatConfig]) -> dict[str, list[str]]:
    """Returns the values of each key in all configs, as texts."""
    return {key: [value_key(config.get(key)) for config in configs] for key in keys}


def choices_among(keys: Iterable[str]) -> list[str]:
    """Returns the keys that choose a class."""
    return [key for key in keys if key.rpartition(".")[2] == CHOICE]


def follows(first: Sequence[Hashable], second: Sequence[str]) -> bool:
    """Returns whether the second column is a function of the first."""
    return len(set(zip(first, second, strict=True))) == len(set(first))
