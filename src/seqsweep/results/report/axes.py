"""The score along the axes of a sweep: which key is laid out, which are lines, which averaged."""

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any

from seqsweep.results.effects import main_effects, strongest_interaction
from seqsweep.results.formatting import run_label
from seqsweep.results.leaderboard import DATA
from seqsweep.results.report.findings import Config, Crossing, Factor
from seqsweep.results.report.panels import Axis, Line, Panel, Point
from seqsweep.runs.ledger import value_key

MOST_LINES = 8
MOST_PANELS = 6
_LINES_FIRST = ("model.num_layers", "model.bidirectional")
_WIDE = 4
"""From this ratio between the largest and the smallest value on an axis is logarithmic."""


def factors(configs: Sequence[Config], score: str) -> list[Factor]:
    """The main effect of every key that can be told from the others, the largest share first."""
    means = [config.metrics[score].mean for config in configs]
    return [Factor(*effect) for effect in main_effects([c.keys for c in configs], means)]


def crossing(configs: Sequence[Config], score: str) -> Crossing | None:
    """The two keys that act together most; without words yet."""
    means = [config.metrics[score].mean for config in configs]
    found = strongest_interaction([config.keys for config in configs], means)
    if found is None:
        return None
    return Crossing(found.keys, found.values, found.means, found.share, "")


def independent_keys(
    keys: Sequence[str], configs: Sequence[Mapping[str, Any]], effects: Sequence[Factor]
) -> list[str]:
    """The keys that it takes to tell the configs apart, without those that follow from others.

    Keys that all have a value of their own in every config, as in a random search, count each,
    but for one that only repeats another's values, and what a `_target_` brings along.
    """
    chosen = {factor.key for factor in effects}
    single = [key for key in keys if len(_texts(key, configs)) == len(configs)]
    if not any(key.endswith("_target_") for key in single):
        columns = {value_key([c.get(key) for c in configs]): key for key in reversed(single)}
        chosen |= set(columns.values())
    telling = [key for key in keys if key in chosen]
    points = {value_key([config.get(key) for key in telling]) for config in configs}
    return telling if len(points) == len(configs) else list(keys)


def keys_of_other_sets(configs: Sequence[Config]) -> list[str]:
    """Returns the keys of the data of which no two values have the same validation and test sets.

    The score at one of its values is then of other sequences than the score at the next.
    """
    keys = dict.fromkeys(key for config in configs for key in config.keys)
    found: list[str] = []
    for key in keys:
        if key.partition(".")[0] != DATA:
            continue
        sets: dict[str, set[str]] = {}
        for config in configs:
            sets.setdefault(value_key(config.keys.get(key)), set()).add(config.data)
        all_sets = set[str]().union(*sets.values())
        if len(sets) > 1 and sum(map(len, sets.values())) == len(all_sets):
            found.append(key)
    return found


def choose_axis(
    configs: Sequence[Config], effects: Sequence[Factor], keys: Sequence[str], names: dict[str, str]
) -> Axis | None:
    """The plot of the score: the widest numeric axis, a line per setting of the next keys.

    Args:
        configs: those that have a score.
        keys: those that tell them apart.
    """
    if not keys or len(configs) < 2:
        return None
    orders = {factor.key: factor.values for factor in effects}
    values = {key: orders.get(key) or _ordered(key, configs) for key in keys}
    key = _laid_out(values)
    numeric = _numeric(values[key])
    lines, panels, averaged = _divided(key, values, effects)
    groups = _groups(configs, panels, values)
    shown = [
        Panel(
            run_label(group[0].keys, {k: names[k] for k in panels}),
            _lines(group, key, lines, values, names),
        )
        for group in groups
    ]
    alone = all(len(point) == 1 for point in _points(configs, key, [*lines, *panels]).values())
    joined = numeric and not (averaged and alone)
    log = numeric and min(values[key]) > 0 and max(values[key]) >= _WIDE * min(values[key])
    return Axis(key, values[key], numeric, log, joined, averaged, shown)


def _laid_out(values: Mapping[str, list[Any]]) -> str:
    """hidden_size where it is swept, else the numeric key with most values, else any with most."""
    numeric = [key for key in values if _numeric(values[key])]
    if "model.hidden_size" in numeric:
        return "model.hidden_size"
    return max(numeric or values, key=lambda key: len(values[key]))


def _divided(
    key: str, values: Mapping[str, list[Any]], effects: Sequence[Factor]
) -> tuple[list[str], list[str], list[str]]:
    """The other keys as lines, as panels, or averaged over: those that matter most first."""
    share = {factor.key: factor.share or 0.0 for factor in effects}
    others = [other for other in values if other != key]
    first = {name: place for place, name in enumerate(_LINES_FIRST)}
    others.sort(key=lambda k: (first.get(k, len(first)), -share.get(k, 0.0)))
    lines, rest = _as_many(others, values, MOST_LINES)
    panels, averaged = _as_many(rest, values, MOST_PANELS)
    return lines, panels, averaged


def _as_many(
    keys: Sequence[str], values: Mapping[str, list[Any]], most: int
) -> tuple[list[str], list[str]]:
    """Keys one after another as long as they have no more than `most` settings together."""
    taken: list[str] = []
    for key in keys:
        if math.prod(len(values[other]) for other in [*taken, key]) <= most:
            taken.append(key)
    return taken, [key for key in keys if key not in taken]


def _groups(
    configs: Sequence[Config], keys: Sequence[str], values: Mapping[str, list[Any]]
) -> list[list[Config]]:
    """The configs by their setting of the keys, in the order of the values."""
    places = {key: {value_key(v): place for place, v in enumerate(values[key])} for key in keys}
    found: dict[tuple[int, ...], list[Config]] = {}
    for config in configs:
        where = tuple(places[key][value_key(config.keys.get(key))] for key in keys)
        found.setdefault(where, []).append(config)
    return [found[where] for where in sorted(found)]


def _lines(
    configs: Sequence[Config],
    key: str,
    keys: Sequence[str],
    values: Mapping[str, list[Any]],
    names: Mapping[str, str],
) -> list[Line]:
    """A line per setting: the first key as colour, the others as dashes."""
    shown = {k: names[k] for k in keys}
    settings_of_others = list(itertools.product(*(map(value_key, values[k]) for k in keys[1:])))
    many = len(settings_of_others) > 4  # more kinds of dashes than can be told apart
    lines: list[Line] = []
    for place, group in enumerate(_groups(configs, keys, values)):
        first = [value_key(v) for v in values[keys[0]]] if keys else []
        colour = first.index(value_key(group[0].keys.get(keys[0]))) if keys else 0
        style = settings_of_others.index(tuple(value_key(group[0].keys.get(k)) for k in keys[1:]))
        found = _points(group, key, [])
        there = [(value, (value_key(value),)) for value in values[key]]
        points = [_point(value, found[point]) for value, point in there if point in found]
        label = run_label(group[0].keys, shown)
        lines.append(Line(label, place if many else colour, 0 if many else style, points))
    return lines


def _points(
    configs: Sequence[Config], key: str, keys: Sequence[str]
) -> dict[tuple[str, ...], list[Config]]:
    found: dict[tuple[str, ...], list[Config]] = {}
    for config in configs:
        point = tuple(value_key(config.keys.get(k)) for k in (key, *keys))
        found.setdefault(point, []).append(config)
    return found


def _point(x: Any, configs: Sequence[Config]) -> Point:
    """One config over its seeds; of several, the mean and range of their means."""
    samples = [[value for _, value in config.scores] for config in configs]
    means = [math.fsum(sample) / len(sample) for sample in samples]
    values = samples[0] if len(samples) == 1 else means
    return Point(x, math.fsum(means) / len(means), min(values), max(values), len(values))


def _ordered(key: str, configs: Sequence[Config]) -> list[Any]:
    values = list(_texts(key, [config.keys for config in configs]).values())
    return sorted(values) if _numeric(values) else values


def _texts(key: str, configs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    return {value_key(config.get(key)): config.get(key) for config in configs}


def _numeric(values: Sequence[Any]) -> bool:
    return all(isinstance(v, (int, float)) and not isinstance(v, bool) for v in values)
