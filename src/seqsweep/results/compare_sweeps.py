"""Matches the configs of two sweeps, and compares them replicate by replicate."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape

from seqsweep.results.data_sets import data_key, data_names, group_by, recordings_key
from seqsweep.results.formatting import KeyNames, count, estimate_text, key_names, number, run_label
from seqsweep.results.measures import Measure
from seqsweep.results.replicates import (
    Replicate,
    Variation,
    newest,
    numbers,
    shared_metric,
    variation_of,
    varied_words,
)
from seqsweep.results.rows import Row, check_sets, distinguishing_keys, make_row, sets_by_replicate
from seqsweep.results.significance import LEVEL, Estimate, is_significant, mean_of, paired
from seqsweep.results.tables import print_table, titled_table
from seqsweep.results.words import name_test
from seqsweep.runs.identity import REPLICATE_KEYS, is_one_value
from seqsweep.runs.ledger import Entry, differing_keys, value_key
from seqsweep.runs.metrics import Metric

TOP = 20
"""The most rows of the table of configs. A line below the table counts the omitted rows."""

_LISTED = 3
"""The most configs to list that only one of the two sweeps has."""


@dataclass(frozen=True)
class Side:
    """A folder to compare, with its label and its runs."""

    label: str
    folder: Path
    entries: list[Entry]

    @property
    def complete(self) -> list[Entry]:
        return [entry for entry in self.entries if entry.state == "complete"]


@dataclass(frozen=True)
class _Match:
    """A config that both sweeps have, with its scores.

    Args:
        means: The mean of the metric in the first sweep, then in the other sweep.
        differences: The score in the other sweep minus the score in the first, for each replicate
            that both sweeps evaluated on equal sequences.
        apart: Why no replicate is compared; empty if at least one is compared.
    """

    config: Mapping[str, Any]
    means: Sequence[float]
    differences: dict[Replicate, float]
    apart: str


def compare_sweeps(first: Side, other: Side, console: Console) -> dict[str, Any]:
    """Compares the scores of two sweeps by config, and prints the differences.

    Returns:
        The differences for `--json`, or the reason why there is no mean difference.
    """
    sides = (first, other)
    # These keys have one value in the first sweep and another in the other sweep. The configs are
    # matched without these keys, because otherwise no config would match.
    differing = differing_keys([entry.config for side in sides for entry in side.complete])
    fixed = _keys_between(sides, differing)
    configs = [side.complete[0].config if side.complete else {} for side in sides]
    print_sides(console, "the sweeps differ in", sides, config_rows(fixed, configs))
    metric = shared_metric([side.complete for side in sides])
    runs = [[entry for entry in side.complete if metric in numbers(entry)] for side in sides]
    if not all(runs):
        why = "no metric is common to the complete runs"
        console.print(f"[yellow]{why}[/]", highlight=False)
        return {"overall": {other.label: {"interval": None, "reason": why}}, "configs": []}
    if sum(map(len, runs)) < sum(len(side.complete) for side in sides):
        differing = differing_keys([entry.config for of_side in runs for entry in of_side])
    (ours, theirs), variation = _rows_by_config(runs, fixed, metric, differing)
    measure, shared = Measure(metric, variation), [key for key in ours if key in theirs]
    matches = [_match(ours[key], theirs[key], measure) for key in shared]
    matches.sort(key=lambda match: -abs(mean_of(match.differences.values() or [0.0])))
    rows = [row.config for side in (ours, theirs) for row in side.values()]
    names = key_names(rows[0], rows)
    _print_table(console, matches, sides, measure, names)
    has_several_sets = len({recordings_key(ours[key].entries[0]) for key in shared}) > 1
    if means := {} if has_several_sets else _common_means(matches):
        overall = {"interval": measure.difference(means), **_tested(means, measure)}
        lines = [_mean_line(matches, means, sides, measure)]
    else:
        why = _why_no_mean(matches, has_several_sets, variation.unit)
        overall = {"interval": None, "reason": why}
        lines = [f"[yellow]no mean difference: {why}[/]"]
    apart = Counter(match.apart for match in matches if match.apart)
    for why, configs in apart.items():
        configs_apart = f"{count(configs, 'config')} of {escape(other.label)} not compared with"
        lines.append(f"[yellow]{configs_apart} {escape(first.label)}: {why}[/]")
    for side, rows, others in ((first, ours, theirs), (other, theirs, ours)):
        if alone := [row.config for key, row in rows.items() if key not in others]:
            lines.append(_alone_line(side, alone, names))
    console.print("\n".join(lines), soft_wrap=True, highlight=False)
    return {
        "score": metric,
        "unit": variation.unit,
        "test": name_test(variation),
        "overall": {other.label: overall},
        "configs": [_config_json(match, other.label, measure) for match in matches],
    }


def _rows_by_config(
    runs: Sequence[Sequence[Entry]], fixed: Sequence[str], metric: Metric, differing: Sequence[str]
) -> tuple[list[dict[str, Row]], Variation]:
    """Returns each sweep's rows by config, and how the replicates differ."""
    every = [entry for of_side in runs for entry in of_side]
    configs = [entry.config for entry in every]
    keys = distinguishing_keys(configs, differing=differing)
    keys = [key for key in keys if key not in REPLICATE_KEYS and key not in fixed]
    # Data that differ only between the sweeps do not distinguish the configs of one sweep.
    data = data_names(every) if any(map(data_names, runs)) else {}

    def group_key(entry: Entry) -> str:
        values = [entry.config.get(key) for key in keys]
        return value_key([*values, data_key(entry)] if data else values)

    groups = [group_by(of_side, group_key) for of_side in runs]
    variation = variation_of([group for of_side in groups for group in of_side.values()])
    rows = [
        {
            key: make_row(newest(group, variation), keys, data, {}, variation, metric)
            for key, group in of_side.items()
        }
        for of_side in groups
    ]
    return rows, variation


def _config_json(match: _Match, label: str, measure: Measure) -> dict[str, Any]:
    """Returns the differences of one config for `--json`."""
    by = {label: measure.difference(match.differences)} if match.differences else {}
    return {"keys": match.config, "differences": by}


def print_sides(
    console: Console, title: str, sides: Sequence[Side], rows: Mapping[str, Sequence[str]]
) -> bool:
    """Prints a table with a column per side; returns whether it has rows."""
    table = titled_table(title, ["", *(side.label for side in sides)])
    for name, cells in rows.items():
        table.add_row(escape(name), *cells)
    if rows:
        print_table(console, table)
    return bool(rows)


def config_rows(keys: Sequence[str], configs: Sequence[Mapping[str, Any]]) -> dict[str, list[str]]:
    """Returns each key's values in the configs, by the key's name."""
    names = key_names(keys, configs)
    return {
        name: [escape(names.text(key, config.get(key))) if config else "" for config in configs]
        for key, name in names.items()
    }


def _keys_between(sides: Sequence[Side], differing: Sequence[str]) -> list[str]:
    """Returns the keys that differ between the sweeps but not within one."""
    configs = [[entry.config for entry in side.complete] for side in sides]
    keys = distinguishing_keys([*configs[0], *configs[1]], keep_shared=True, differing=differing)
    return [
        key
        for key in keys
        if key not in REPLICATE_KEYS
        and all(is_one_value([config.get(key) for config in group]) for group in configs)
    ]


def _match(first: Row, other: Row, measure: Measure) -> _Match:
    metric, variation = measure.metric, measure.variation
    # A seed sets the data or their order, so runs with equal seeds are compared in pairs.
    checked, sample = check_sets(other, metric, sets_by_replicate(first, variation), variation)
    samples = first.samples[metric].values(), other.samples[metric].values()
    means = [sum(values) / len(values) for values in samples]
    return _Match(first.config, means, paired(sample, first.samples[metric]), checked.apart)


def _print_table(
    console: Console,
    matches: Sequence[_Match],
    sides: Sequence[Side],
    measure: Measure,
    names: KeyNames,
) -> None:
    """Prints the configs with the largest differences."""
    if not matches:
        return
    (first, other), unit = (side.label for side in sides), measure.variation.unit
    title = f"{measure.metric} by config, with the difference over shared {unit}s"
    headers = [*names.values(), first, other, f"- {first}", f"{unit}s"]
    table = titled_table(f"{title} ({LEVEL:.0%} interval)", headers, keys=len(names))
    for match in matches[:TOP]:
        values = [escape(names.text(key, value)) for key, value in match.config.items()]
        mean = measure.difference(match.differences) if match.differences else None
        means = [number(value) for value in match.means]
        cells = [_text(mean), str(mean.n)] if mean else ["", ""]
        table.add_row(*values, *means, *cells)
    print_table(console, table)
    if len(matches) > TOP:
        more = f"and {len(matches) - TOP} more configs"
        console.print(f"[dim]{more}[/]", highlight=False)


def _text(difference: Estimate) -> str:
    return escape(estimate_text(difference, "+"))


def _common_means(matches: Sequence[_Match]) -> dict[Replicate, float]:
    """Returns the mean difference over the configs for each common replicate.

    A seed affects all configs, through the data or the order of training. So the replicates are the
    independent samples, and the interval is computed over their means. Only replicates that all
    configs have are used, so that every mean is over the same configs.
    """
    differences = [match.differences for match in matches if match.differences]
    common = set.intersection(*map(set, differences)) if differences else set[Replicate]()
    return {key: mean_of(d[key] for d in differences) for key in sorted(common)}


def _why_no_mean(matches: Sequence[_Match], has_several_sets: bool, unit: str) -> str:
    """Says why there is no mean difference over the configs in both sweeps."""
    if has_several_sets:
        return "scores of different data sets have no common scale"
    if not matches:
        return "no config is in both"
    unpaired = f"the configs share no {unit}, and unpaired {unit}s are not compared"
    return next((match.apart for match in matches if match.apart), unpaired)


def _tested(means: Mapping[Replicate, float], measure: Measure) -> dict[str, Any]:
    """Returns the mean difference's p value and significance; empty if untested."""
    if len(measure.units(means)) < 2 or measure.why_untested(means):
        return {}
    p = measure.p(means)
    return {"p": p, "significant": is_significant(p)}


def _mean_line(
    matches: Sequence[_Match],
    means: Mapping[Replicate, float],
    sides: Sequence[Side],
    measure: Measure,
) -> str:
    """Says how large the mean difference is, and how certain it is."""
    variation = measure.variation
    first, other = (f"[bold]{escape(side.label)}[/]" for side in sides)
    configs = count(sum(bool(match.differences) for match in matches), "config")
    runs = count(len(means), variation.unit)
    runs += f" ({varied_words(means)})" if variation.resampled else ""
    line = f"{other} - {first}: {measure.metric} {_text(measure.difference(means))}"
    line += f", mean of {configs} in both, over {runs}"
    if len(means) == 1:
        return line
    if tested := _tested(means, measure):
        test = name_test(variation).partition(",")[0]
        return f"{line}; p = {tested['p']:.2g} ({test})"
    return f"{line}; {measure.why_untested(means)}"


def _alone_line(side: Side, configs: Sequence[Mapping[str, Any]], names: KeyNames) -> str:
    """Names the configs that the other sweep does not have."""
    listed = [escape(run_label(config, names)) for config in configs[:_LISTED]]
    listed += [f"and {len(configs) - _LISTED} more"] if len(configs) > _LISTED else []
    only = f"{count(len(configs), 'config')} only in [bold]{escape(side.label)}[/]"
    return f"{only}: {'; '.join(listed)}"
