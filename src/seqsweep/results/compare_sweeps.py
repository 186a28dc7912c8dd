"""The configs of several sweeps matched, and compared by the seeds that they share."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from seqsweep.results.statistics import LEVEL, Interval, mean_interval, paired_difference
from seqsweep.results.tables import print_table, show_value
from seqsweep.runs.ledger import Entry, differing_keys, short_names

_LISTED = 3


@dataclass(frozen=True)
class _Match:
    """A config, and for each sweep that has it the metric by seed."""

    config: dict[str, Any]
    samples: dict[str, dict[int, float]]

    def difference(self, label: str, first: str) -> Interval | None:
        if label not in self.samples or first not in self.samples:
            return None
        found = paired_difference(self.samples[label], self.samples[first])
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
    keys = [
        key
        for key in differing_keys([e.config for entries in sweeps.values() for e in entries])
        if key != "seed" and key not in fixed
    ]
    matches = _matches(sweeps, keys, metric)
    first, *others = sweeps
    shared = [m for m in matches if any(m.difference(label, first) for label in others)]
    shared.sort(key=lambda match: -_largest(match, first, others))
    if shared:
        print_table(console, _table(shared[:top], keys, list(sweeps), metric))
    lines = [f"[dim]and {len(shared) - top} more configs that differ less[/]"][: len(shared) > top]
    lines += [_overall(shared, label, first, metric) for label in others]
    if shared and all(len(sample) < 2 for match in shared for sample in match.samples.values()):
        lines.append("[dim]one seed each: no config has an interval of its own[/]")
    lines += _unmatched(matches, keys, list(sweeps))
    console.print("\n".join(lines), soft_wrap=True, highlight=False)


def _metric(sweeps: Sequence[Sequence[Entry]]) -> str | None:
    """What to compare: test/acc where all sweeps have it, else what they all monitor or have."""
    having = [{name for e in entries for name in (e.record or {})["metrics"]} for entries in sweeps]
    monitors = {str(e.config.get("monitor")) for entries in sweeps for e in entries}
    wanted = ("test/acc", *(monitors if len(monitors) == 1 else ()), "val/acc", "train/loss")
    return next((name for name in wanted if all(name in names for names in having)), None)


def _matches(
    sweeps: Mapping[str, Sequence[Entry]], keys: Sequence[str], metric: str
) -> list[_Match]:
    found: dict[str, _Match] = {}
    for label, entries in sweeps.items():
        for entry in entries:
            value = (entry.record or {})["metrics"].get(metric)
            if value is None:
                continue
            config = {key: entry.config.get(key) for key in keys}
            match = found.setdefault(json.dumps(config, sort_keys=True), _Match(config, {}))
            match.samples.setdefault(label, {})[entry.config.get("seed", 0)] = value
    return list(found.values())


def _largest(match: _Match, first: str, others: Sequence[str]) -> float:
    differences = [match.difference(label, first) for label in others]
    return max(abs(found.mean or 0.0) for found in differences if found is not None)


def _table(
    matches: Sequence[_Match], keys: Sequence[str], labels: Sequence[str], metric: str
) -> Table:
    title = f"{metric} by config, and less {labels[0]} over shared seeds ({LEVEL:.0%} interval)"
    table = Table(box=SIMPLE_HEAD, title=escape(title), title_justify="left", pad_edge=False)
    for name in short_names(keys).values():
        table.add_column(escape(name), justify="right", style="cyan", no_wrap=True)
    for number, label in enumerate(labels):
        table.add_column(escape(label), justify="right", no_wrap=True)
        if number:
            table.add_column(f"- {escape(labels[0])}", justify="right", no_wrap=True)
            table.add_column("seeds", justify="right", no_wrap=True)
    for match in matches:
        table.add_row(*(show_value(match.config[key]) for key in keys), *_cells(match, labels))
    return table


def _cells(match: _Match, labels: Sequence[str]) -> list[str]:
    cells: list[str] = []
    for number, label in enumerate(labels):
        sample = match.samples.get(label)
        cells.append(f"{sum(sample.values()) / len(sample):.4f}" if sample else "")
        if number:
            found = match.difference(label, labels[0])
            cells += [_shown(found), str(found.n)] if found else ["", ""]
    return cells


def _shown(interval: Interval) -> str:
    text = f"{interval.mean:+.4f}"
    if interval.low is None:
        return text
    return f"{text} [{interval.low:+.4f}, {interval.high:+.4f}]".replace("[", r"\[")


def _overall(shared: Sequence[_Match], label: str, first: str, metric: str) -> str:
    """The mean of the differences of all configs that two sweeps share."""
    found = [match.difference(label, first) for match in shared]
    means = [each.mean for each in found if each is not None and each.mean is not None]
    names = f"[bold]{escape(label)}[/] - [bold]{escape(first)}[/]"
    if not means:
        return f"{names}: no config and seed in both"
    configs = "the one config" if len(means) == 1 else f"the {len(means)} configs"
    return f"{names}: {metric} {_shown(mean_interval(means))} in the mean of {configs} in both"


def _unmatched(matches: Sequence[_Match], keys: Sequence[str], labels: Sequence[str]) -> list[str]:
    """Configs that only one sweep has, counted, a few of them listed."""
    lines: list[str] = []
    names = short_names(keys)
    for label in labels:
        alone = [match.config for match in matches if list(match.samples) == [label]]
        if not alone:
            continue
        shown = [
            " ".join(f"{escape(names[key])}={show_value(value)}" for key, value in config.items())
            for config in alone[:_LISTED]
        ]
        more = [f"and {len(alone) - _LISTED} more"][: len(alone) > _LISTED]
        count = f"{len(alone)} {'config' if len(alone) == 1 else 'configs'}"
        lines.append(f"{count} only in [bold]{escape(label)}[/]: {'; '.join(shown + more)}")
    return lines
