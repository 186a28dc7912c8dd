"""The ranking of a folder of runs: seeds of one config folded into mean and standard deviation.

The validation metric ranks; on the test metric every config is then compared with the first one,
seed by seed.
"""

import json
import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from seqsweep.results.statistics import Difference, Grid, differences_to_best, holes
from seqsweep.runs.ledger import Entry, differing_keys

DEFAULT_MONITOR = "val/acc"
_COMPARED = "test/acc"


@dataclass(frozen=True)
class Value:
    """Mean and sample standard deviation over the seeds; std is None for a single one."""

    mean: float
    std: float | None


@dataclass(frozen=True)
class Row:
    """One config: the values of the differing keys, and its metrics over n seeds.

    Args:
        samples: of each metric its value by seed.
        difference: to the first row, in the metric that the leaderboard compares.
    """

    config: dict[str, Any]
    n: int
    metrics: dict[str, Value]
    samples: dict[str, dict[int, float]]
    difference: Difference | None = None


@dataclass(frozen=True)
class Leaderboard:
    """Rows, best first by `monitor`, with the keys in which the configs differ.

    Args:
        compared: the metric in which the rows are compared with the first one: test/acc where
            there is one, as it has not chosen the first, else the monitor.
        grid: of all values of the keys and the seeds, and which of its runs are not complete.
    """

    keys: list[str]
    monitor: str
    rows: list[Row]
    compared: str
    grid: Grid


def leaderboard(entries: Sequence[Entry]) -> Leaderboard:
    """Ranks the complete runs.

    The order is that of the mean of the monitored validation metric, equal ones by validation
    loss; test metrics never decide. Without a validation split the training loss decides.
    """
    complete = [entry for entry in entries if entry.state == "complete"]
    differing = differing_keys([entry.config for entry in complete])
    keys = [key for key in differing if key != "seed"]
    groups: dict[str, list[Entry]] = {}
    for entry in complete:
        values = json.dumps([entry.config.get(key) for key in keys])
        groups.setdefault(values, []).append(entry)
    rows = [_row(group, keys) for group in groups.values()]
    monitor = _monitor(complete, rows)
    rows = sorted(rows, key=lambda row: _order(row, monitor))
    compared = _COMPARED if rows and _COMPARED in rows[0].metrics else monitor
    grid = holes([entry.config for entry in complete], differing)
    return Leaderboard(keys, monitor, _compare(rows, compared), compared, grid)


def _compare(rows: Sequence[Row], metric: str) -> list[Row]:
    if not rows:
        return []
    differences = differences_to_best([row.samples.get(metric, {}) for row in rows], best=0)
    return [
        replace(row, difference=difference)
        for row, difference in zip(rows, differences, strict=True)
    ]


def _monitor(entries: Sequence[Entry], rows: Sequence[Row]) -> str:
    names = {entry.config.get("monitor", DEFAULT_MONITOR) for entry in entries}
    name = names.pop() if len(names) == 1 else DEFAULT_MONITOR
    return name if any(name in row.metrics for row in rows) else "train/loss"


def _row(group: Sequence[Entry], keys: Sequence[str]) -> Row:
    values: dict[str, list[float]] = {}
    samples: dict[str, dict[int, float]] = {}
    for entry in group:
        record = entry.record or {}
        found = record["metrics"] | {
            name: record[name] for name in ("best_epoch", "params", "train_seconds")
        }
        for name, value in found.items():
            values.setdefault(name, []).append(float(value))
            samples.setdefault(name, {})[entry.config.get("seed", 0)] = float(value)
    config = {key: group[0].config.get(key) for key in keys}
    metrics = {name: _value(sample) for name, sample in values.items()}
    return Row(config, len(group), metrics, samples)


def _value(sample: Sequence[float]) -> Value:
    std = statistics.stdev(sample) if len(sample) > 1 else None
    return Value(statistics.fmean(sample), std)


def _order(row: Row, monitor: str) -> tuple[float, float]:
    sign = 1 if monitor.endswith("loss") else -1
    value = row.metrics.get(monitor)
    tie = row.metrics.get("val/loss")
    return (sign * value.mean if value else math.inf, tie.mean if tie else 0.0)
