"""Reads a folder's baselines, and compares the best one with the best network."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from seqsweep.results.formatting import key_names, known_settings
from seqsweep.results.keys import distinguishing_keys
from seqsweep.results.leaderboard import Leaderboard
from seqsweep.results.measures import sampling_error
from seqsweep.results.rows import Row
from seqsweep.results.significance import Estimate
from seqsweep.runs.documents import read_sealed_or_none
from seqsweep.runs.files import JsonObject
from seqsweep.runs.identity import REPLICATE_KEYS
from seqsweep.runs.ledger import Entry, value_key
from seqsweep.runs.metrics import as_metric
from seqsweep.text import number, without_machine

NAME = "baselines.json"
MAJORITY = "majority class"


@dataclass(frozen=True)
class Baseline:
    """A method without a network, whose scores are compared with the networks'.

    Args:
        data: The keys and values of the config that choose the data of the baseline.
        fingerprint: The fingerprint of the data before the split; None if unknown.
        label: The data in words, if the sweep has several data sets.
    """

    name: str
    metrics: dict[str, float]
    seconds: float | None
    data: dict[str, Any]
    fingerprint: str | None
    label: str = ""

    def has_data_of(self, entry: Entry) -> bool:
        """Returns whether a run has the same data and splits."""
        # The fingerprint covers all data before the split. The keys also cover the split.
        fingerprint = entry.record.data_fingerprint
        if fingerprint and self.fingerprint and fingerprint != self.fingerprint:
            return False
        return all(entry.config.get(key) == value for key, value in self.data.items())


def as_row(baseline: Baseline) -> Row:
    """Returns a baseline as a row of the leaderboard, without runs and without a rank."""
    values = {**baseline.metrics, "train_seconds": baseline.seconds}
    metrics = {name: Estimate(1, v) for name, v in values.items() if v is not None}
    words = f"{baseline.name}, {baseline.label}" if baseline.label else baseline.name
    return Row({}, [], metrics, {}, apart="baseline", words=words)


def compare_best_baseline(board: Leaderboard, baselines: Sequence[Baseline]) -> str | None:
    """Compares the best baseline on the data of the best network with that network.

    The sentence states a difference only if it exceeds the errors due to the number of test
    sequences and the number of replicates. It is None without a baseline to compare.
    """
    if not board.rows or board.sets > 1 or not board.compared.is_ours:
        return None
    metric = board.compared
    if metric.lower_is_better:  # baselines have no loss
        metric = as_metric(f"{metric.split_name}/acc")
    best = board.rows[0]
    # A baseline on another data set would make the networks look better or worse than they are.
    run = best.entries[0]
    scored = [one for one in baselines if metric in one.metrics and one.has_data_of(run)]
    # The majority class is only compared if nothing else was measured.
    candidates = [baseline for baseline in scored if baseline.name != MAJORITY] or scored
    if not candidates or metric not in best.metrics:
        return None
    # A validation metric chooses the baseline, if all baselines have this metric.
    wanted = (f"val/{metric.kind}", "val/acc", metric)
    judge = next(name for name in wanted if all(name in one.metrics for one in candidates))
    baseline = max(candidates, key=lambda one: one.metrics[judge])
    value, network = baseline.metrics[metric], best.metrics[metric]
    error = sampling_error(network.mean, value, metric, board.tested[0])
    is_within = network.low is not None and network.low <= value <= (network.high or 0.0)
    relation = "above" if value > network.mean else "below"
    if is_within or abs(value - network.mean) <= error:
        relation = "statistically indistinguishable from"
    where = f" ({baseline.label})" if baseline.label else ""
    return (
        f"Best baseline by {judge}: {baseline.name}{where}, {metric} {number(value)}, {relation} "
        f"the network ({number(network.mean)})."
    )


def read_baselines(folder: Path) -> JsonObject:
    """Returns the content of a folder's baselines.json; empty if there is none."""
    return read_sealed_or_none(folder / NAME) or {}


def find_baselines(folder: Path, entries: Sequence[Entry]) -> tuple[list[Baseline], list[str]]:
    """Returns the baselines and the notes in the folder's baselines.json.

    Args:
        entries: The runs; a baseline is kept only if one of these runs has its data.
    """
    content = read_baselines(folder)
    groups: dict[str, list[Baseline]] = {}
    for item in content.get("baselines", []):
        data, fingerprint = item.get("data", {}), item.get("data_fingerprint")
        one = Baseline(item["name"], item["metrics"], item.get("seconds"), data, fingerprint)
        if any(map(one.has_data_of, entries)):
            # A baseline is averaged over the splits of one data set.
            same = [one.name, _without_split(data), fingerprint]
            groups.setdefault(value_key(same), []).append(one)
    items = [group[0] if len(group) == 1 else _mean(group) for group in groups.values()]
    sources = [item.data for item in items]
    names = key_names(distinguishing_keys(sources), sources)
    root = str(folder.resolve())
    return (
        [replace(item, label=known_settings(item.data, names)) for item in items],
        [without_machine(str(note), root) for note in content.get("notes", [])],
    )


def _mean(items: Sequence[Baseline]) -> Baseline:
    """Returns the mean of a baseline over the splits of its data."""
    names = [name for name in items[0].metrics if all(name in item.metrics for item in items)]
    metrics = {n: math.fsum(item.metrics[n] for item in items) / len(items) for n in names}
    seconds = [item.seconds for item in items if item.seconds is not None]
    mean = math.fsum(seconds) / len(seconds) if seconds else None
    return replace(items[0], metrics=metrics, seconds=mean, data=_without_split(items[0].data))


def _without_split(data: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in data.items() if key not in REPLICATE_KEYS}
