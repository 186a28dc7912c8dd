"""Chooses the config keys that distinguish runs in tables and labels."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from seqsweep.runs.identity import REPLICATE_KEYS
from seqsweep.runs.ledger import differing_keys, value_key

CHOICE = "_target_"


def distinguishing_keys(
    configs: Sequence[Mapping[str, Any]], keep_shared: bool = False
) -> list[str]:
    """The keys in which configs differ; `optimizer=sgd,adam` is one key, its `_target_`.

    A key that the choice sets, `optimizer.betas`, is left out as long as it has one value for each
    choice. So is a monitor that repeats the `monitor` of the run. The remaining keys distinguish
    the configs as well as all differing keys do.

    Args:
        keep_shared: Keep a key that all choices have (`lr`), although it follows from the choice.
    """
    columns = text_columns(differing_keys(configs), configs)
    choices = choices_among(columns)
    kept: list[str] = []
    for key, column in columns.items():
        # A key that only one choice has is null for the others.
        is_optional = not keep_shared or "null" in column
        is_set_by_choice = is_optional and any(
            key != choice
            and key.startswith(choice.removesuffix(CHOICE))
            and follows(columns[choice], column)
            for choice in choices
        )
        repeats_monitor = key.endswith(".monitor") and column == columns.get("monitor")
        if not is_set_by_choice and not repeats_monitor:
            kept.append(key)
    return kept


def label_keys(configs: Sequence[Mapping[str, Any]]) -> list[str]:
    """The keys in the label of a run, the seed last of all.

    Keys that follow from a choice are left out, since the label already names the choice:
    everything that `experiment=a,b` sets follows from its data.
    """
    order = {key: index for index, key in enumerate(reversed(REPLICATE_KEYS))}
    keys = sorted(distinguishing_keys(configs), key=lambda key: order.get(key, -1))
    columns = text_columns(keys, configs)
    for choice in choices_among(columns):
        if choice in keys:
            keys = [k for k in keys if k == choice or not follows(columns[choice], columns[k])]
    return keys


def text_columns(keys: Iterable[str], configs: Sequence[Mapping[str, Any]]) -> dict[str, list[str]]:
    """Returns the values of each key in all configs, as texts."""
    return {key: [value_key(config.get(key)) for config in configs] for key in keys}


def choices_among(keys: Iterable[str]) -> list[str]:
    """Returns the keys that choose a class."""
    return [key for key in keys if key.rpartition(".")[2] == CHOICE]


def follows(first: Sequence[str], second: Sequence[str]) -> bool:
    """Returns whether the second column is a function of the first."""
    return len(set(zip(first, second, strict=True))) == len(set(first))
