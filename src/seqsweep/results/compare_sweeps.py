"""Matches the configs of several sweeps and compares them replicate by replicate."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from seqsweep.results.data_sets import data_key, data_names, reasons_apart, recordings_key, sets_of
from seqsweep.results.formatting import count, key_names, number, run_label, value_text
from seqsweep.results.leaderboard import DATA
from seqsweep.results.measures import Measure
from seqsweep.results.naming import distinguishing_keys
from seqsweep.results.replicates import (
    Replicate,
    newest,
    numbers,
    sample_of,
    shared_metric,
    variation_of,
    varied_words,
)
from seqsweep.results.significance import LEVEL, Estimate, is_significant, mean_of, paired
from seqsweep.results.tables import print_table, titled_table
from seqsweep.results.words import name_test
from seqsweep.runs.identity import REPLICATE_KEYS
from seqsweep.runs.ledger import Entry, value_key

_LISTED = 3
"""The number of unmatched configs that are listed."""


@dataclass(frozen=True)
class _Match:
    """A config with its run of each replicate in each sweep, and their metric."""

    config: dict[str, Any]
    samples: dict[str, dict[Replicate, float]]
    runs: dict[str, dict[Replicate, Entry]]

    @property
    def data(self) -> str:
        """A text that is equal for configs on the same data set."""
        return recordings_key(next(run for runs in self.runs.values() for run in runs.values()))

    def differences(self, label: str, first: str) -> dict[Replicate, float]:
        """The differences of the replicates with the same sequences in both sweeps."""
        # A replicate affects both runs in the same way, by the data or the order.
        apart = self.apart(label, first)
        ours, theirs = self.samples.get(label, {}), self.samples.get(first, {})
        return paired({key: ours[key] for key in sorted(ours) if key not in apart}, theirs)

    def apart(self, label: str, first: str, resampled: bool = False) -> dict[Replicate, str]:
        """The reason against a comparison, for each replicate that has one."""
        if label not in self.runs or first not in self.runs:
            return {}
        theirs, ours = (
            {key: sets_of(entry) for key, entry in self.runs[name].items()}
            for name in (first, label)
        )
        reasons = reasons_apart(theirs, ours, resampled)
        return {key: why for key, why in reasons.items() if why}


def compare_configs(
    sweeps: Mapping[str, Sequence[Entry]], fixed: Sequence[str], console: Console, top: int
) -> dict[str, Any]:
    """Prints a row for every config that the first sweep and another one have.

    Returns the same for `--json`.

    Args:
        sweeps: The complete runs by the sweep's label; the others are compared with the first.
        fixed: The keys that distinguish the sweeps, not the configs of one sweep.
        top: The number of rows to print, the largest differences first.
    """
    metric = shared_metric(list(sweeps.values()))
    if not all(any(metric in numbers(entry) for entry in runs) for runs in sweeps.values()):
        console.print("[yellow]no metric is common to the complete runs[/]", highlight=False)
        return {}
    runs = [entry for entries in sweeps.values() for entry in entries]
    keys = distinguishing_keys([entry.config for entry in runs])
    # A key that distinguishes the sweeps would leave no config that both have.
    keys = [key for key in keys if key not in REPLICATE_KEYS and key not in fixed]
    # Data that differ only between the sweeps do not distinguish the configs of one sweep.
    datasets = data_names(runs) if any(map(data_names, sweeps.values())) else {}
    grouped = _group_by_config(sweeps, keys, datasets)
    keys += [DATA] if datasets else []
    variation = variation_of([group for _, groups in grouped for group in groups.values()])
    measure = Measure(metric, variation)
    matches = [_match(config, groups, measure) for config, groups in grouped]
    matches = [match for match in matches if match.samples]
    first, *others = sweeps
    shared = _shared(matches, first, others)
    if shared:
        print_table(console, _table(shared[:top], keys, list(sweeps), measure))
    lines = [f"[dim]and {len(shared) - top} more configs that differ less[/]"][: len(shared) > top]
    # Scores of different data sets have no common scale.
    is_one_set = len({match.data for match in shared}) == 1
    if shared and not is_one_set:
        lines.append("no mean over configs: scores of different data sets have no common scale")
    else:
        lines += [line for label in others if (line := _overall(shared, label, first, measure))]
    # A difference over one seed has no interval, and the table would not say why.
    if shared and all(len(sample) < 2 for match in shared for sample in match.samples.values()):
        lines.append("[dim]one seed per config: no confidence interval for a config[/]")
    lines += [line for label in others if (line := _apart_words(matches, label, first, measure))]
    lines += _unmatched(matches, keys, list(sweeps))
    console.print("\n".join(lines), soft_wrap=True, highlight=False)
    head = {"score": metric, "unit": variation.unit, "test": name_test(variation)}
    pairs = {label: _common_means(shared, label, first) for label in others if is_one_set}
    overall = {label: _tested(means, measure) for label, means in pairs.items() if means}
    configs = [
        {
            "keys": match.config,
            "differences": {
                label: measure.mean(d) for label in others if (d := match.differences(label, first))
            },
        }
        for match in shared
    ]
    return {**head, "overall": overall, "configs": configs}


def _group_by_config(
    sweeps: Mapping[str, Sequence[Entry]], keys: Sequence[str], datasets: Mapping[str, str]
) -> list[tuple[dict[str, Any], dict[str, list[Entry]]]]:
    """Returns each config with its runs by the sweep's label."""
    grouped: dict[str, tuple[dict[str, Any], dict[str, list[Entry]]]] = {}
    for label, entries in sweeps.items():
        for entry in entries:
            config = {key: entry.config.get(key) for key in keys}
            if datasets:
                config[DATA] = datasets[data_key(entry)]
            _, groups = grouped.setdefault(value_key(config), (config, {}))
            groups.setdefault(label, []).append(entry)
    return list(grouped.values())


def _match(config: dict[str, Any], groups: Mapping[str, list[Entry]], measure: Measure) -> _Match:
    """Returns the match of a config, with the sweeps that have its metric."""
    match = _Match(config, {}, {})
    for label, group in groups.items():
        runs = measure.variation.by_replicate(newest(group, measure.variation))
        if sample := sample_of(runs, measure.metric):
            match.samples[label], match.runs[label] = sample, runs
    return match


def _shared(matches: Sequence[_Match], first: str, others: Sequence[str]) -> list[_Match]:
    """The configs that the first sweep and another one have, the largest difference first."""

    def largest(match: _Match) -> float:
        found = [match.differences(label, first).values() for label in others]
        return max((abs(mean_of(values)) for values in found if values), default=0)

    shared = [
        match
        for match in matches
        if any(match.differences(label, first) or match.apart(label, first) for label in others)
    ]
    return sorted(shared, key=lambda match: -largest(match))


def _table(
    matches: Sequence[_Match], keys: Sequence[str], labels: Sequence[str], measure: Measure
) -> Table:
    first, unit = labels[0], measure.variation.unit
    are_same = all(_all_shared(matches, label, first) for label in labels)
    every = "" if are_same else f" (all {unit}s)"
    title = (
        f"{measure.metric} by config{every}, and minus {first} over shared {unit}s"
        f" ({LEVEL:.0%} interval)"
    )
    headers = [*key_names(keys).values(), first]
    for label in labels[1:]:
        headers += [label, f"- {first}", f"{unit}s"]
    table = titled_table(title, headers, keys=len(keys))
    for match in matches:
        values = [escape(value_text(key, match.config[key])) for key in keys]
        table.add_row(*values, *_cells(match, labels, measure))
    return table


def _cells(match: _Match, labels: Sequence[str], measure: Measure) -> list[str]:
    """The cells of a config: means, differences to the first sweep, replicates."""
    cells: list[str] = []
    for index, label in enumerate(labels):
        sample = match.samples.get(label)
        cells.append(number(sum(sample.values()) / len(sample)) if sample else "")
        if index:
            differences = match.differences(label, labels[0])
            mean = measure.mean(differences) if differences else None
            cells += [_text(mean), str(mean.n)] if mean else ["", ""]
    return cells


def _text(difference: Estimate) -> str:
    text = f"{difference.mean:+.4f}"
    if difference.low is None:
        return text
    # The backslash keeps rich from reading the bracket as a tag.
    return rf"{text} \[{difference.low:+.4f}, {difference.high:+.4f}]"


def _overall(shared: Sequence[_Match], label: str, first: str, measure: Measure) -> str:
    """The mean difference over all configs that two sweeps share, in words.

    A seed affects all configs, through the data or the order of training. So the replicates are the
    independent samples: the interval is computed over their means, not over the configs. Only
    replicates that all configs have count, since a mean over fewer would be one of other configs.
    """
    differences = [d for match in shared if (d := match.differences(label, first))]
    names = f"[bold]{escape(label)}[/] - [bold]{escape(first)}[/]"
    metric, unit = measure.metric, measure.variation.unit
    if not differences:
        # If the sequences differ, `_apart_words` says so; two lines would say it twice.
        is_apart = any(match.apart(label, first) for match in shared)
        return "" if is_apart else f"{names}: no config and {unit} in both"
    configs = count(len(differences), "config")
    means = _common_means(shared, label, first)
    if not means:  # the configs have means, but no replicate shows how these vary
        mean = mean_of(mean_of(d.values()) for d in differences)
        return f"{names}: {metric} {mean:+.4f}, mean of {configs} in both, without a common {unit}"
    are_same = _all_shared(shared, label, first)
    runs = count(len(means), unit if are_same else f"shared {unit}")
    runs += f" ({varied_words(means)})" if measure.variation.resampled else ""
    mean = _text(measure.mean(means))
    line = f"{names}: {metric} {mean}, mean of {configs} in both, over {runs}"
    return line + _tested_words(means, measure)


def _common_means(shared: Sequence[_Match], label: str, first: str) -> dict[Replicate, float]:
    """Returns the mean difference of each replicate that all configs have."""
    differences = [d for match in shared if (d := match.differences(label, first))]
    common = set.intersection(*map(set, differences)) if differences else set[Replicate]()
    return {key: mean_of(d[key] for d in differences) for key in sorted(common)}


def _tested(means: Mapping[Replicate, float], measure: Measure) -> dict[str, Any]:
    """Returns a mean difference with p for `--json`, and whether it is significant."""
    is_tested = len(measure.units(means)) > 1 and not measure.why_untested(means)
    p = measure.p(means) if is_tested else None
    significant = None if p is None else is_significant(p)
    return {"interval": measure.mean(means), "p": p, "significant": significant}


def _tested_words(means: Mapping[Replicate, float], measure: Measure) -> str:
    """Says whether the difference is significant; empty for one sample.

    The reason takes the place of a p that cannot be significant.
    """
    if len(measure.units(means)) < 2:
        return ""
    if reason := measure.why_untested(means):
        return f"; {reason}"
    return f"; p = {measure.p(means):.2g} ({name_test(measure.variation).partition(',')[0]})"


def _apart_words(matches: Sequence[_Match], label: str, first: str, measure: Measure) -> str:
    """Says how many configs of both sweeps are not compared, and why."""
    resampled = measure.variation.resampled
    found = [match.apart(label, first, resampled) for match in matches]
    reasons = [next(iter(apart.values())) for apart in found if apart]
    if not reasons:
        return ""
    return (
        f"[yellow]{count(len(reasons), 'config')} of {escape(label)} not compared with "
        f"{escape(first)}: {' or '.join(sorted(set(reasons)))}[/]"
    )


def _all_shared(matches: Sequence[_Match], label: str, first: str) -> bool:
    """Returns whether the configs in both sweeps have the same replicates."""
    samples = [match.samples for match in matches]
    return all(s[label].keys() == s[first].keys() for s in samples if label in s and first in s)


def _unmatched(matches: Sequence[_Match], keys: Sequence[str], labels: Sequence[str]) -> list[str]:
    """A line for each sweep with configs that no other sweep has."""
    lines: list[str] = []
    names = key_names(keys)
    for label in labels:
        # Otherwise a reader would look for these configs in the table.
        alone = [match.config for match in matches if list(match.samples) == [label]]
        if not alone:
            continue
        listed = [escape(run_label(config, names)) for config in alone[:_LISTED]]
        listed += [f"and {len(alone) - _LISTED} more"][: len(alone) > _LISTED]
        configs = count(len(alone), "config")
        lines.append(f"{configs} only in [bold]{escape(label)}[/]: {'; '.join(listed)}")
    return lines
