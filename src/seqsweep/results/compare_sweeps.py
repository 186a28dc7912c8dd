"""The configs of several sweeps matched, and compared by the seeds that they share."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from seqsweep.results.datasets import Sets, data_key, data_names, sets_of, why_apart
from seqsweep.results.formatting import count, key_names, number, run_label, value_text
from seqsweep.results.leaderboard import DATA, newest, numbers, seed_of
from seqsweep.results.naming import distinguishing_keys
from seqsweep.results.significance import LEVEL, Interval, mean_interval
from seqsweep.results.terminal_tables import print_table
from seqsweep.runs.ledger import Entry, value_key
from seqsweep.runs.metric_names import compared_metric, monitor_of

_LISTED = 3


@dataclass(frozen=True)
class _Match:
    """A config, and for each sweep that has it the metric and what it is of, by seed."""

    config: dict[str, Any]
    samples: dict[str, dict[int, float]]
    sets: dict[str, dict[int, Sets]]

    def pairs(self, label: str, first: str) -> dict[int, float]:
        """The differences by seed, of the seeds that both evaluated on the same sequences."""
        ours, theirs = self.samples.get(label, {}), self.samples.get(first, {})
        apart = self.apart(label, first)
        shared = sorted(ours.keys() & theirs.keys() - apart.keys())
        return {seed: ours[seed] - theirs[seed] for seed in shared}

    def apart(self, label: str, first: str) -> dict[int, str]:
        """The reason, by seed, why the two are not compared."""
        ours, theirs = self.sets.get(label, {}), self.sets.get(first, {})
        shared = sorted(ours.keys() & theirs.keys())
        reasons = {seed: why_apart(theirs[seed], ours[seed]) for seed in shared}
        return {seed: why for seed, why in reasons.items() if why}

    def difference(self, label: str, first: str) -> Interval | None:
        found = mean_interval(list(self.pairs(label, first).values()))
        return found if found.n else None


def compare_configs(
    sweeps: Mapping[str, Sequence[Entry]], fixed: Sequence[str], console: Console, top: int
) -> None:
    """Prints a row for every config that the first sweep and another one have.

    Args:
        sweeps: complete runs by the sweep's label; the first is what others are compared with.
        fixed: keys that tell the sweeps apart, not the configs of one.
        top: how many rows to print, those that differ most.
    """
    metric = _metric(list(sweeps.values()))
    if metric is None:
        console.print("[yellow]no metric that complete runs of all have[/]", highlight=False)
        return
    runs = [entry for entries in sweeps.values() for entry in entries]
    keys = [
        key
        for key in distinguishing_keys([entry.config for entry in runs])
        if key != "seed" and key not in fixed
    ]
    # One that differs between the sweeps alone is not what tells a sweep's own configs apart.
    datasets = data_names(runs) if any(map(data_names, sweeps.values())) else {}
    matches = _matches(sweeps, keys, datasets, metric)
    keys += [DATA] if datasets else []
    first, *others = sweeps
    shared = [
        match
        for match in matches
        if any(match.pairs(label, first) or match.apart(label, first) for label in others)
    ]
    shared.sort(key=lambda match: -_largest(match, first, others))
    if shared:
        print_table(console, _table(shared[:top], keys, list(sweeps), metric))
    lines = [f"[dim]and {len(shared) - top} more configs that differ less[/]"][: len(shared) > top]
    lines += [line for label in others if (line := _overall(shared, label, first, metric))]
    if shared and all(len(sample) < 2 for match in shared for sample in match.samples.values()):
        lines.append("[dim]one seed each: no config has an interval of its own[/]")
    lines += [line for label in others if (line := _apart_words(matches, label, first))]
    lines += _unmatched(matches, keys, list(sweeps))
    console.print("\n".join(lines), soft_wrap=True, highlight=False)


def _metric(sweeps: Sequence[Sequence[Entry]]) -> str | None:
    """What to compare, of what all sweeps have: by the rule of the leaderboard."""
    having = [{name for entry in entries for name in numbers(entry)} for entries in sweeps]
    there = set[str].intersection(*having)
    monitor = monitor_of(entry.config for entries in sweeps for entry in entries)
    metric = compared_metric(monitor, there)
    return metric if metric in there else None


def _matches(
    sweeps: Mapping[str, Sequence[Entry]],
    keys: Sequence[str],
    datasets: Mapping[str, str],
    metric: str,
) -> list[_Match]:
    found: dict[str, _Match] = {}
    for label, entries in sweeps.items():
        groups: dict[str, tuple[dict[str, Any], list[Entry]]] = {}
        for entry in entries:
            config = {key: entry.config.get(key) for key in keys}
            if datasets:
                config[DATA] = datasets[data_key(entry)]
            groups.setdefault(value_key(config), (config, []))[1].append(entry)
        for point, (config, group) in groups.items():
            kept = newest(group)
            values = {seed_of(entry): numbers(entry).get(metric) for entry in kept}
            sample = {seed: value for seed, value in values.items() if value is not None}
            if sample:
                match = found.setdefault(point, _Match(config, {}, {}))
                match.samples[label] = sample
                match.sets[label] = {seed_of(entry): sets_of(entry) for entry in kept}
    return list(found.values())


def _largest(match: _Match, first: str, others: Sequence[str]) -> float:
    differences = [match.difference(label, first) for label in others]
    return max((abs(found.mean or 0.0) for found in differences if found), default=0.0)


def _table(
    matches: Sequence[_Match], keys: Sequence[str], labels: Sequence[str], metric: str
) -> Table:
    seeds = (
        "" if all(_all_shared(matches, label, labels[0]) for label in labels) else " (all seeds)"
    )
    title = (
        f"{metric} by config{seeds}, and less {labels[0]} over shared seeds ({LEVEL:.0%} interval)"
    )
    table = Table(box=SIMPLE_HEAD, title=escape(title), title_justify="left", pad_edge=False)
    for name in key_names(keys).values():
        table.add_column(escape(name), justify="right", style="cyan", no_wrap=True)
    for place, label in enumerate(labels):
        table.add_column(escape(label), justify="right", no_wrap=True)
        if place:
            table.add_column(f"- {escape(labels[0])}", justify="right", no_wrap=True)
            table.add_column("seeds", justify="right", no_wrap=True)
    for match in matches:
        values = [escape(value_text(key, match.config[key])) for key in keys]
        table.add_row(*values, *_cells(match, labels))
    return table


def _cells(match: _Match, labels: Sequence[str]) -> list[str]:
    cells: list[str] = []
    for place, label in enumerate(labels):
        sample = match.samples.get(label)
        cells.append(number(sum(sample.values()) / len(sample)) if sample else "")
        if place:
            found = match.difference(label, labels[0])
            cells += [_shown(found), str(found.n)] if found else ["", ""]
    return cells


def _shown(interval: Interval) -> str:
    text = f"{interval.mean:+.4f}"
    if interval.low is None:
        return text
    return f"{text} [{interval.low:+.4f}, {interval.high:+.4f}]".replace("[", r"\[")


def _overall(shared: Sequence[_Match], label: str, first: str, metric: str) -> str:
    """The mean difference of all configs that two sweeps share.

    What a seed does, to the data or to the order of training, it does to all configs: the seeds
    are what is independent, so the interval is over their means and not over the configs. Only
    seeds count that all of the configs have: a mean over fewer would be of other configs.
    """
    differences: list[dict[int, float]] = []
    for match in shared:
        found = match.pairs(label, first)
        differences += [found] if found else []
    names = f"[bold]{escape(label)}[/] - [bold]{escape(first)}[/]"
    if not differences:
        apart = any(match.apart(label, first) for match in shared)
        return "" if apart else f"{names}: no config and seed in both"
    configs = len(differences)
    of = "the one config" if configs == 1 else f"the {configs} configs"
    common = set.intersection(*(set(found) for found in differences))
    if not common:  # the means of the configs are there, but not one seed that tells their spread
        means = [math.fsum(found.values()) / len(found) for found in differences]
        mean = math.fsum(means) / configs
        return f"{names}: {metric} {mean:+.4f} in the mean of {of} in both, which share no seed"
    interval = mean_interval(
        [math.fsum(found[seed] for found in differences) / configs for seed in sorted(common)]
    )
    seeds = count(interval.n, "seed" if _all_shared(shared, label, first) else "shared seed")
    return f"{names}: {metric} {_shown(interval)} in the mean of {of} in both, over {seeds}"


def _apart_words(matches: Sequence[_Match], label: str, first: str) -> str:
    """Says how many configs of both are not compared, and why; empty if all are."""
    reasons = [why for match in matches for why in list(match.apart(label, first).values())[:1]]
    if not reasons:
        return ""
    kinds = " or ".join(sorted(set(reasons)))
    return (
        f"[yellow]{count(len(reasons), 'config')} of {escape(label)} not compared with "
        f"{escape(first)}: {kinds}[/]"
    )


def _all_shared(matches: Sequence[_Match], label: str, first: str) -> bool:
    """Whether the configs that both have were trained with the same seeds in both."""
    samples = [match.samples for match in matches]
    return all(s[label].keys() == s[first].keys() for s in samples if label in s and first in s)


def _unmatched(matches: Sequence[_Match], keys: Sequence[str], labels: Sequence[str]) -> list[str]:
    """Configs that only one sweep has, counted, a few of them listed."""
    lines: list[str] = []
    names = key_names(keys)
    for label in labels:
        alone = [match.config for match in matches if list(match.samples) == [label]]
        if not alone:
            continue
        shown = [escape(run_label(config, names)) for config in alone[:_LISTED]]
        more = [f"and {len(alone) - _LISTED} more"][: len(alone) > _LISTED]
        configs = count(len(alone), "config")
        lines.append(f"{configs} only in [bold]{escape(label)}[/]: {'; '.join(shown + more)}")
    return lines
