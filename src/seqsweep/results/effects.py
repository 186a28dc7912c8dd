"""Computes the effect of each swept key, the interactions of two, and the missing runs.

Only keys that can be told apart count. Keys that change together are one, under the first's name;
what a choice brings along (`optimizer.betas` with `optimizer._target_`) belongs to the choice.
"""

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from seqsweep.results.naming import CHOICE, follows
from seqsweep.runs.ledger import value_key

Config = Mapping[str, Any]


class Effect(NamedTuple):
    """The main effect of a key.

    Args:
        values: in their order, numbers by size.
        means: of the score at each value.
        share: eta squared, 0 to 1: of the variance between configs the part between the means;
            None where it is confounded, and where nothing else differs in the configs that the
            means rest on, though it does in others: it would be all.
        configs: how many the means rest on.
        confounded: no setting of the other keys has all values, so these may be what differs.
    """

    key: str
    values: list[Any]
    means: list[float]
    share: float | None
    configs: int
    confounded: bool


class Interaction(NamedTuple):
    """What two keys do together beyond what each does alone.

    Args:
        means: the score by values of the first key (rows) and of the second (columns).
        share: 0 to 1, of the variance between configs.
    """

    keys: tuple[str, str]
    values: tuple[list[Any], list[Any]]
    means: list[list[float | None]]
    share: float


class Grid(NamedTuple):
    """The runs of a folder among all combinations of the keys' values.

    Args:
        size: how many combinations there are.
        missing: those that a command has asked for and that are not complete.
        there: how many are complete.
    """

    size: int
    missing: list[dict[str, Any]]
    there: int


def main_effects(configs: Sequence[Config], scores: Sequence[float]) -> list[Effect]:
    """The effect of every key, the largest share first (eta squared: Fisher 1925).

    Every config counts once, however many seeds it has. Where a grid has holes a key is judged on
    those settings of the other keys that have all its values, so that its means differ by nothing
    else; where these are few, as in a random search, on all configs, and it is confounded. A key
    with a value of its own in every config cannot be told from the others then and is left out.

    Args:
        scores: of each config, its mean over seeds.
    """
    table = _table(configs)
    found = [_effect(table, key, scores) for key in table.columns]
    effects = [effect for effect in found if effect is not None]
    return sorted(effects, key=lambda effect: (effect.confounded, -(effect.share or 0.0)))


def strongest_interaction(configs: Sequence[Config], scores: Sequence[float]) -> Interaction | None:
    """The pair of keys with the largest share of the variance between configs.

    The means of each pair of values less the main effects of both keys is what they do together.
    Only settings of the other keys that have every pair of values count: holes never pass for
    an interaction. None where no pair of keys has such a full table.
    """
    table = _table(configs)
    found = [_interaction(table, pair, scores) for pair in itertools.combinations(table.columns, 2)]
    interactions = [interaction for interaction in found if interaction is not None]
    return max(interactions, key=lambda interaction: interaction.share, default=None)


def holes(runs: Sequence[Config], keys: Sequence[str], wanted: Sequence[Config] = ()) -> Grid:
    """The runs that are there and those that are missing.

    A combination that nobody has asked for is not missing: two sweeps in one folder, a random
    search or a few configs chosen by hand leave many out.

    Args:
        keys: those that are swept, `seed` one of them.
        wanted: the runs that were asked for, there or not.
    """
    if not runs:
        return Grid(0, [], 0)
    table = _table([{key: run.get(key) for key in keys} for run in (*runs, *wanted)])
    points = table.points(table.columns)
    there = set(points[: len(runs)])
    size = math.prod(len(values) for values in table.values.values())
    missing = [
        {key: table.values[key][text] for key, text in zip(table.columns, point, strict=True)}
        for point in dict.fromkeys(points)
        if point not in there
    ]
    return Grid(size, missing, len(there))


@dataclass(frozen=True)
class _Table:
    """The configs by column: of each key the text of its value in every config.

    Args:
        count: of the configs.
        values: of each key, in order, by their text.
    """

    count: int
    columns: dict[str, list[str]]
    values: dict[str, dict[str, Any]]

    def points(self, keys: Iterable[str]) -> list[tuple[str, ...]]:
        """Of every config, what it has for the keys."""
        chosen = [self.columns[key] for key in keys]
        return list(zip(*chosen, strict=True)) if chosen else [()] * self.count

    def full(self, keys: Sequence[str]) -> list[int]:
        """The configs under those settings of the other keys that have all values of these.

        None where they are less than half: a few that happen to be there tell nothing.
        """
        size = math.prod(len(self.values[key]) for key in keys)
        points = self.points(keys)
        if size > len(points):
            return []
        settings: dict[tuple[str, ...], list[int]] = {}
        for index, point in enumerate(self.points(key for key in self.columns if key not in keys)):
            settings.setdefault(point, []).append(index)
        full = [group for group in settings.values() if len({points[i] for i in group}) == size]
        found = sorted(itertools.chain.from_iterable(full))
        return found if 2 * len(found) >= len(points) else []


def _table(configs: Sequence[Config]) -> _Table:
    """The keys with several values, without those that follow from another."""
    keys = dict.fromkeys(key for config in configs for key in config)
    columns = {key: [value_key(config.get(key)) for config in configs] for key in keys}
    columns = {key: column for key, column in columns.items() if len(set(column)) > 1}
    choices = [key for key in columns if key.endswith(CHOICE)]
    kept: dict[str, list[str]] = {}
    for key, column in columns.items():
        brought = key not in choices and any(follows(columns[c], column) for c in choices)
        if not brought and not any(_same(other, column) for other in kept.values()):
            kept[key] = column
    return _Table(len(configs), kept, {key: _values(key, configs) for key in kept})


def _same(first: Sequence[str], second: Sequence[str]) -> bool:
    return follows(first, second) and follows(second, first)


def _values(key: str, configs: Sequence[Config]) -> dict[str, Any]:
    """The values of a key by text, each once: numbers by size, others as the configs have them."""
    found: dict[str, Any] = {value_key(config.get(key)): config.get(key) for config in configs}
    if all(isinstance(value, (int, float)) for value in found.values()):
        return dict(sorted(found.items(), key=lambda item: item[1]))
    return found


def _effect(table: _Table, key: str, scores: Sequence[float]) -> Effect | None:
    values = table.values[key]
    used = table.full([key])
    confounded = not used
    if confounded:
        if len(values) == len(scores):
            return None
        used = list(range(len(scores)))
    cells = _cells(table, [key], scores, used)
    chosen = [scores[i] for i in used]
    mean = _mean(chosen)
    between = math.fsum(len(cell) * (_mean(cell) - mean) ** 2 for cell in cells.values())
    means = [_mean(cells[(text,)]) for text in values]
    alone = _alone(table, key, used)
    share = None if confounded or alone else _share(between, chosen)
    return Effect(key, list(values.values()), means, share, len(used), confounded)


def _alone(table: _Table, key: str, used: Sequence[int]) -> bool:
    """Whether no other key differs in these configs, of several that do in all."""
    others = [column for other, column in table.columns.items() if other != key]
    return bool(others) and all(len({column[i] for i in used}) == 1 for column in others)


def _interaction(
    table: _Table, pair: tuple[str, str], scores: Sequence[float]
) -> Interaction | None:
    used = table.full(pair)
    if not used:
        return None
    cells = _cells(table, pair, scores, used)
    rows, columns = (table.values[key] for key in pair)
    means = [[_mean(cells[row, column]) for column in columns] for row in rows]
    by_row = [_mean(line) for line in means]
    by_column = [_mean(line) for line in zip(*means, strict=True)]
    mean = _mean(by_row)
    squares = math.fsum(
        (value - row - column + mean) ** 2
        for row, line in zip(by_row, means, strict=True)
        for column, value in zip(by_column, line, strict=True)
    )
    share = _share(squares * len(used) / len(cells), [scores[i] for i in used])
    values = (list(rows.values()), list(columns.values()))
    return Interaction(pair, values, [list[float | None](line) for line in means], share)


def _cells(
    table: _Table, keys: Sequence[str], scores: Sequence[float], used: Sequence[int]
) -> dict[tuple[str, ...], list[float]]:
    """The scores of the configs in use by what they have for the keys."""
    points = table.points(keys)
    cells: dict[tuple[str, ...], list[float]] = {}
    for index in used:
        cells.setdefault(points[index], []).append(scores[index])
    return cells


def _share(squares: float, scores: Sequence[float]) -> float:
    """Of the scores' squared distances from their mean; equal ones have nothing to share."""
    mean = _mean(scores)
    total = math.fsum((score - mean) ** 2 for score in scores)
    noise = len(scores) * (1e-12 * max(abs(score) for score in scores)) ** 2
    return min(1.0, squares / total) if total > noise else 0.0


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)
