"""The ranking of a folder of runs: seeds of one config folded into mean and standard deviation."""

import json
import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from seqsweep.runs.ledger import Entry, differing_keys

DEFAULT_MONITOR = "val/acc"


@dataclass(frozen=True)
class Value:
    """Mean and sample standard deviation over the seeds; std is None for a single one."""

    mean: float
    std: float | None


@dataclass(frozen=True)
class Row:
    """One config: the values of the differing keys, and its metrics over n seeds."""

    config: dict[str, Any]
    n: int
    metrics: dict[str, Value]


@dataclass(frozen=True)
class Leaderboard:
    """Rows, best first by `monitor`, with the keys in which the configs differ."""

    keys: list[str]
    monitor: str
    rows: list[Row]


def leaderboard(entries: Sequence[Entry]) -> Leaderboard:
    """Ranks the complete runs.

    The order is that of the mean of the monitored validation metric, equal ones by validation
    loss; test metrics never decide. Without a validation split the training loss decides.
    """
    complete = [entry for entry in entries if entry.state == "complete"]
    keys = [key for key in differing_keys([entry.config for entry in complete]) if key != "seed"]
    groups: dict[str, list[Entry]] = {}
    for entry in complete:
        values = json.dumps([entry.config.get(key) for key in keys])
        groups.setdefault(values, []).append(entry)
    rows = [_row(group, keys) for group in groups.values()]
    monitor = _monitor(complete, rows)
    return Leaderboard(keys, monitor, sorted(rows, key=lambda row: _order(row, monitor)))


def _monitor(entries: Sequence[Entry], rows: Sequence[Row]) -> str:
    names = {entry.config.get("monitor", DEFAULT_MONITOR) for entry in entries}
    name = names.pop() if len(names) == 1 else DEFAULT_MONITOR
    return name if any(name in row.metrics for row in rows) else "train/loss"


def _row(group: Sequence[Entry], keys: Sequence[str]) -> Row:
    samples: dict[str, list[float]] = {}
    for entry in group:
        record = entry.record or {}
        values = record["metrics"] | {
            name: record[name] for name in ("best_epoch", "params", "train_seconds")
        }
        for name, value in values.items():
            samples.setdefault(name, []).append(float(value))
    config = {key: group[0].config.get(key) for key in keys}
    metrics = {name: _value(sample) for name, sample in samples.items()}
    return Row(config, len(group), metrics)


def _value(sample: Sequence[float]) -> Value:
    std = statistics.stdev(sample) if len(sample) > 1 else None
    return Value(statistics.fmean(sample), std)


def _order(row: Row, monitor: str) -> tuple[float, float]:
    sign = 1 if monitor.endswith("loss") else -1
    value = row.metrics.get(monitor)
    tie = row.metrics.get("val/loss")
    return (sign * value.mean if value else math.inf, tie.mean if tie else 0.0)
