"""Matches the configs of two sweeps, and compares them replicate by replicate."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from seqsweep.results.data_sets import data_key, data_names, group_by, recordings_key
from seqsweep.results.keys import distinguishing_keys
from seqsweep.results.measures import Measure
from seqsweep.results.replicates import (
    Replicate,
    Variation,
    newest,
    numbers,
    shared_metric,
    variation_of,
)
from seqsweep.results.rows import Row, check_sets, make_row, sets_by_replicate
from seqsweep.results.significance import Estimate, is_significant, mean_of, paired
from seqsweep.runs.identity import REPLICATE_KEYS, FlatConfig, is_one_value
from seqsweep.runs.ledger import Entry, differing_keys, value_key
from seqsweep.runs.metrics import Metric


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
class Match:
    """A config that both sweeps have, with its scores.

    Args:
        means: The mean of the metric in the first sweep, then in the other sweep.
        differences: The score in the other sweep minus the score in the first, for each replicate
            that both sweeps evaluated on equal sequences.
        difference: The mean difference; None without a compared replicate.
        apart: Why no replicate is compared; empty if at least one is compared.
    """

    config: FlatConfig
    means: Sequence[float]
    differences: dict[Replicate, float]
    difference: Estimate | None
    apart: str


@dataclass(frozen=True)
class Comparison:
    """The differences of a sweep to the first one.

    Args:
        fixed: The keys that differ between the sweeps but not within one.
        metric: The compared metric.
        matches: The configs of both sweeps, those with the largest differences first.
        means: The mean difference over the configs for each common replicate.
        overall: The mean of `means`; None if `reason` says why there is none.
        p: The p of the mean difference; None if `untested` says why there is none.
        alone: The configs that only the first sweep has, then those of the other.
    """

    first: Side
    other: Side
    fixed: Sequence[str]
    metric: Metric
    variation: Variation = field(default_factory=Variation)
    matches: Sequence[Match] = ()
    means: Mapping[Replicate, float] = field(default_factory=dict[Replicate, float])
    overall: Estimate | None = None
    p: float | None = None
    untested: str = ""
    reason: str = ""
    alone: tuple[Sequence[Mapping[str, Any]], Sequence[Mapping[str, Any]]] = ((), ())

    @property
    def is_significant(self) -> bool:
        """Returns whether the mean difference is significant."""
        return is_significant(self.p)


def compare_sweeps(first: Side, other: Side) -> Comparison:
    """Compares the scores of two sweeps by config."""
    sides = (first, other)
    # These keys have one value in the first sweep and another in the other sweep. The configs are
    # matched without these keys, because otherwise no config would match.
    differing = differing_keys([entry.config for side in sides for entry in side.complete])
    fixed = _keys_between(sides, differing)
    metric = shared_metric([side.complete for side in sides])
    runs = [[entry for entry in side.complete if metric in numbers(entry)] for side in sides]
    if not all(runs):
        reason = "no metric is common to the complete runs"
        return Comparison(first, other, fixed, metric, reason=reason)
    if sum(map(len, runs)) < sum(len(side.complete) for side in sides):
        differing = differing_keys([entry.config for of_side in runs for entry in of_side])
    (ours, theirs), variation = _rows_by_config(runs, fixed, metric, differing)
    measure, shared = Measure(metric, variation), [key for key in ours if key in theirs]
    matches = [match_rows(ours[key], theirs[key], measure) for key in shared]
    matches.sort(key=lambda match: -abs(mean_of(match.differences.values() or [0.0])))
    has_several_sets = len({recordings_key(ours[key].entries[0]) for key in shared}) > 1
    means = {} if has_several_sets else common_means(matches)
    untested = measure.why_untested(means) if means else ""
    is_tested = len(measure.units(means)) > 1 and not untested
    return Comparison(
        first,
        other,
        fixed,
        metric,
        variation,
        matches,
        means,
        overall=measure.difference(means) if means else None,
        p=measure.p(means) if is_tested else None,
        untested=untested,
        reason="" if means else why_no_mean(matches, has_several_sets, variation.unit),
        alone=(_without(ours, theirs), _without(theirs, ours)),
    )


def _without(rows: Mapping[str, Row], others: Mapping[str, Row]) -> list[Mapping[str, Any]]:
    return [row.config for key, row in rows.items() if key not in others]


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


def match_rows(first: Row, other: Row, measure: Measure) -> Match:
    """Compares two rows that have the metric, replicate by replicate."""
    metric, variation = measure.metric, measure.variation
    # A seed sets the data or their order, so runs with equal seeds are compared in pairs.
    checked, sample = check_sets(
        other, metric, sets_by_replicate(first, metric, variation), variation
    )
    samples = first.samples[metric].values(), other.samples[metric].values()
    means = [sum(values) / len(values) for values in samples]
    differences = paired(sample, first.samples[metric])
    difference = measure.difference(differences) if differences else None
    return Match(first.config, means, differences, difference, checked.apart)


def common_means(matches: Sequence[Match]) -> dict[Replicate, float]:
    """Returns the mean difference over the configs for each common replicate.

    A seed affects all configs, through the data or the order of training. So the replicates are the
    independent samples, and the interval is computed over their means. Only replicates that all
    configs have are used, so that every mean is over the same configs.
    """
    differences = [match.differences for match in matches if match.differences]
    common = set.intersection(*map(set, differences)) if differences else set[Replicate]()
    return {key: mean_of(d[key] for d in differences) for key in sorted(common)}


def why_no_mean(matches: Sequence[Match], has_several_sets: bool, unit: str) -> str:
    """Says why there is no mean difference over the configs in both sweeps."""
    if has_several_sets:
        return "scores of different data sets have no common scale"
    if not matches:
        return "no config is in both"
    unpaired = f"the configs share no {unit}, and unpaired {unit}s are not compared"
    return next((match.apart for match in matches if match.apart), unpaired)
