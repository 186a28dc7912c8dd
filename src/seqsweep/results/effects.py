"""Computes main effects and interactions of swept keys, and finds missing runs.

Only keys that vary independently are considered. Keys that change together count as one key, under
the name of the first. A key that a choice sets (`optimizer.betas` with `optimizer._target_`) is
counted as a part of the choice.
"""

import itertools
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from statistics import fmean
from typing import Any

from seqsweep.results.data_sets import group_by
from seqsweep.results.keys import CHOICE, choices_among, follows, text_columns
from seqsweep.runs.identity import FlatConfig
from seqsweep.runs.ledger import value_key


@dataclass(frozen=True)
class Effect:
    """The main effect of a key: the mean score by value.

    Args:
        values: The values of the key; numbers are in ascending order.
        share: Eta squared, 0 to 1: the part of the variance between configs that the key explains.
            None if the other keys vary in the sweep but are constant in the configs that are used:
            this key would then explain all of the variance.
        configs: The number of configs that the means are computed from.
    """

    key: str
    values: list[Any]
    means: list[float]
    share: float | None
    configs: int


@dataclass(frozen=True)
class Interaction:
    """The joint effect of two keys beyond their main effects.

    `means` has a row for each value of the first key and a column for each value of the second.
    `share` is the interaction's part of the variance between configs, 0 to 1.
    """

    keys: tuple[str, str]
    values: tuple[list[Any], list[Any]]
    means: list[list[float]]
    share: float


@dataclass(frozen=True)
class Grid:
    """Counts all combinations of values, and the complete combinations.

    `missing` lists the combinations that a command requested and that are not complete.
    """

    size: int = 0
    complete: int = 0
    missing: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])

    @property
    def planned(self) -> int:
        """The number of runs that are complete or were requested."""
        return self.complete + len(self.missing)


def main_effects(configs: Sequence[FlatConfig], scores: Sequence[float]) -> list[Effect]:
    """Returns the effect of every key, largest share first (eta squared: Fisher 1925).

    Every config has the same weight. A setting is a combination of values of the other keys. If the
    grid has missing cells, a key's means are computed only from settings that occur with all values
    of the key. Then only the key differs between the means. A key is left out if fewer than half of
    the configs remain, as in a random search, because other keys may then explain its means.

    Args:
        scores: The mean score of each config over its replicates.
    """
    table = _table(configs)
    effects = filter(None, (_effect(table, key, scores) for key in table.columns))
    return sorted(effects, key=lambda effect: -(effect.share or 0.0))


def independent_keys(keys: Sequence[str], configs: Sequence[FlatConfig]) -> list[str]:
    """Returns the keys that suffice to distinguish the configs.

    These are the keys that vary independently, and the keys with a different value in every config,
    as in a random search. If several keys of the second kind have the same values as each other,
    only the first is included. If one of the second kind is a `_target_`, which may set the others,
    none of this kind is included. If the chosen keys do not suffice, all keys are returned.
    """
    chosen = set(_table(configs).columns)
    single = [key for key in keys if len(distinct_values(key, configs)) == len(configs)]
    if not choices_among(single):
        columns = {value_key([c.get(key) for c in configs]): key for key in reversed(single)}
        chosen |= set(columns.values())
    # A class needs the keys beside it: the network `rnn` may have the cell `gru`.
    classes = tuple(key.removesuffix(CHOICE) for key in choices_among(chosen))
    independent = [key for key in keys if key in chosen or key.startswith(classes)]
    points = {value_key([config.get(key) for key in independent]) for config in configs}
    return independent if len(points) == len(configs) else list(keys)


def strongest_interaction(
    configs: Sequence[FlatConfig], scores: Sequence[float]
) -> Interaction | None:
    """Returns the interaction with the largest share of the variance.

    An interaction is the part of the cell means that the two main effects do not explain. Only
    settings of the other keys that have every pair of values are used, so missing cells never look
    like an interaction. The result is None if no pair of keys has enough of these settings.
    """
    table = _table(configs)
    pairs = itertools.combinations(table.columns, 2)
    interactions = filter(None, (_interaction(table, pair, scores) for pair in pairs))
    return max(interactions, key=lambda interaction: interaction.share, default=None)


def find_missing(
    runs: Sequence[FlatConfig], keys: Sequence[str], wanted: Sequence[FlatConfig] = ()
) -> Grid:
    """Counts the combinations, and finds requested runs that are not complete.

    A combination that no command requested is not missing. Two sweeps in one folder, a random
    search or a few hand-picked configs request only some of all combinations.

    Args:
        runs: The configs of the complete runs.
        keys: The swept keys, including the keys of replicates, such as `seed`.
        wanted: The configs of requested runs that are not complete.
    """
    # Without a complete run the grid is unknown.
    if not runs:
        return Grid()
    table = _table([{key: run.get(key) for key in keys} for run in (*runs, *wanted)])
    points = table.points(table.columns)
    complete = set(points[: len(runs)])
    size = math.prod(len(values) for values in table.values.values())
    missing = [
        {key: table.values[key][text] for key, text in zip(table.columns, point, strict=True)}
        for point in dict.fromkeys(points)
        if point not in complete
    ]
    return Grid(size, len(complete), missing)


@dataclass(frozen=True)
class _Table:
    """The configs as columns, with a text for each value.

    Args:
        count: The number of configs.
        values: The values of each key by text; numbers are in ascending order.
    """

    count: int
    columns: dict[str, list[str]]
    values: dict[str, dict[str, Any]]

    def points(self, keys: Iterable[str]) -> list[tuple[str, ...]]:
        """Returns the values of the keys in every config."""
        chosen = [self.columns[key] for key in keys]
        return list(zip(*chosen, strict=True)) if chosen else [()] * self.count

    def full(self, keys: Sequence[str]) -> list[int]:
        """Returns the indices of configs whose setting occurs with all values of the keys.

        A setting is a combination of values of the other keys. The result is empty if fewer than
        half of the configs are in such settings, because a few complete settings prove nothing.
        """
        size = math.prod(len(self.values[key]) for key in keys)
        points = self.points(keys)
        if size > len(points):
            return []
        # Group the configs by their setting of the other keys.
        others = self.points(key for key in self.columns if key not in keys)
        settings = group_by(range(self.count), lambda index: others[index])
        # Keep the settings in which every combination of these keys occurs.
        full = [group for group in settings.values() if len({points[i] for i in group}) == size]
        indices = sorted(itertools.chain.from_iterable(full))
        return indices if 2 * len(indices) >= len(points) else []


def _table(configs: Sequence[FlatConfig]) -> _Table:
    """Returns the table of the keys that vary independently."""
    columns = text_columns(dict.fromkeys(key for config in configs for key in config), configs)
    columns = {key: column for key, column in columns.items() if len(set(column)) > 1}
    choices = choices_among(columns)
    kept: dict[str, list[str]] = {}
    for key, column in columns.items():
        # A choice such as the optimizer sets other keys, whose effects would repeat its effect.
        is_choice = key in choices
        if not is_choice and any(follows(columns[choice], column) for choice in choices):
            continue
        # Two keys that change together count as one, because their effects cannot be separated.
        if any(follows(other, column) and follows(column, other) for other in kept.values()):
            continue
        kept[key] = column
    return _Table(len(configs), kept, {key: _values(key, configs) for key in kept})


def distinct_values(key: str, configs: Sequence[FlatConfig]) -> dict[str, Any]:
    """Returns the distinct values of a key; a text identifies each."""
    return {value_key(config.get(key)): config.get(key) for config in configs}


def _values(key: str, configs: Sequence[FlatConfig]) -> dict[str, Any]:
    """Returns a key's distinct values by text; numbers in ascending order."""
    values = distinct_values(key, configs)
    if all(isinstance(value, (int, float)) for value in values.values()):
        return dict(sorted(values.items(), key=lambda item: item[1]))
    return values


def _effect(table: _Table, key: str, scores: Sequence[float]) -> Effect | None:
    used = table.full([key])
    if not used:
        return None
    cells = _cells(table, [key], scores, used)
    chosen = [scores[i] for i in used]
    mean = fmean(chosen)
    # The sum of squares between the values, as in a one-way analysis of variance.
    between = math.fsum(len(cell) * (fmean(cell) - mean) ** 2 for cell in cells.values())
    values = table.values[key]
    means = [fmean(cells[(text,)]) for text in values]
    # The key is alone if other keys differ, but not in the used configs.
    others = [column for other, column in table.columns.items() if other != key]
    is_alone = bool(others) and all(len({column[i] for i in used}) == 1 for column in others)
    share = None if is_alone else _share(between, chosen)
    return Effect(key, list(values.values()), means, share, len(used))


def _interaction(
    table: _Table, pair: tuple[str, str], scores: Sequence[float]
) -> Interaction | None:
    used = table.full(pair)
    if not used:
        return None
    cells = _cells(table, pair, scores, used)
    rows, columns = (table.values[key] for key in pair)
    means = [[fmean(cells[row, column]) for column in columns] for row in rows]
    by_row = [fmean(line) for line in means]
    by_column = [fmean(line) for line in zip(*means, strict=True)]
    mean = fmean(by_row)
    # The main effects of row and column are subtracted from each cell's mean.
    squares = math.fsum(
        (value - row - column + mean) ** 2
        for row, line in zip(by_row, means, strict=True)
        for column, value in zip(by_column, line, strict=True)
    )
    # `squares` has one term for each cell, but the total has one for each config. So `squares` is
    # multiplied by the mean number of configs in a cell.
    share = _share(squares * len(used) / len(cells), [scores[i] for i in used])
    return Interaction(pair, (list(rows.values()), list(columns.values())), means, share)


def _cells(
    table: _Table, keys: Sequence[str], scores: Sequence[float], used: Sequence[int]
) -> dict[tuple[str, ...], list[float]]:
    """Groups the scores of the used configs by values of the keys."""
    points = table.points(keys)
    groups = group_by(used, lambda index: points[index])
    return {point: [scores[index] for index in group] for point, group in groups.items()}


def _share(squares: float, scores: Sequence[float]) -> float:
    """Returns the fraction of the total sum of squares; 0 for equal scores."""
    mean = fmean(scores)
    total = math.fsum((score - mean) ** 2 for score in scores)
    # Equal scores can have this sum of squares through rounding alone.
    noise = len(scores) * (1e-12 * max(abs(score) for score in scores)) ** 2
    return min(1.0, squares / total) if total > noise else 0.0
