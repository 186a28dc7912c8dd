"""The config keys that a table shows: those that differ, less what follows from another of them."""

from collections.abc import Mapping, Sequence
from typing import Any

from seqsweep.runs.ledger import differing_keys, value_key

CHOICE = "_target_"


def distinguishing_keys(
    configs: Sequence[Mapping[str, Any]], keep_shared: bool = False
) -> list[str]:
    """The differing keys; a choice, as `optimizer=sgd,adam`, is one key: its `_target_`.

    What the choice brings along, `optimizer.betas`, goes as long as it has one value for each; so
    does a monitor that only repeats the `monitor` of the run. The configs are told apart as before.

    Args:
        keep_shared: keep a key that all choices have (`lr`), though it follows from the choice.
    """
    keys = differing_keys([dict(config) for config in configs])
    columns = {key: [value_key(config.get(key)) for config in configs] for key in keys}
    choices = [key for key in keys if key.rpartition(".")[2] == CHOICE]

    def brought(key: str) -> bool:
        if keep_shared and "null" not in columns[key]:
            return False
        return any(
            key != choice
            and key.startswith(choice.removesuffix(CHOICE))
            and follows(columns[choice], columns[key])
            for choice in choices
        )

    def repeats(key: str) -> bool:
        return key.endswith(".monitor") and columns[key] == columns.get("monitor")

    return [key for key in keys if not brought(key) and not repeats(key)]


def label_keys(configs: Sequence[Mapping[str, Any]]) -> list[str]:
    """The keys that the label of a run shows, the seed last.

    What follows from a choice, as everything that `experiment=a,b` sets follows from its data, is
    left out: the label names the choice alone.
    """
    keys = sorted(distinguishing_keys(configs), key=lambda key: key == "seed")
    columns = {key: [value_key(config.get(key)) for config in configs] for key in keys}
    for choice in [key for key in keys if key.rpartition(".")[2] == CHOICE]:
        if choice in keys:
            keys = [k for k in keys if k == choice or not follows(columns[choice], columns[k])]
    return keys


def follows(first: Sequence[str], second: Sequence[str]) -> bool:
    """Whether the second column is a function of the first."""
    return len(set(zip(first, second, strict=True))) == len(set(first))
