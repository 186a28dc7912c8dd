"""The ranking of a folder of runs: seeds of one config folded into mean and standard deviation.

The validation metric ranks; on the test metric every config is then compared with the first one,
seed by seed. Runs of one config on other data are another row.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from seqsweep.results.datasets import Sets, data_key, data_names, sets_of, why_apart
from seqsweep.results.effects import Grid, holes
from seqsweep.results.incomplete_runs import ended_in, lost_seeds
from seqsweep.results.naming import distinguishing_keys
from seqsweep.results.significance import Difference, deviation, differences_to_best, places_by_size
from seqsweep.runs.ledger import Entry, value_key
from seqsweep.runs.metric_names import (
    DEFAULT_MONITOR,
    compared_metric,
    lower_is_better,
    monitor_of,
    without_validation,
)

DATA = "data"
"""The key of a row's data fingerprint, where no key of the config tells the data sets apart."""

TIE_BREAKER = "val/loss"

Epoch = Literal["best", "last", "own"]

_OF_RECORD = ("best_epoch", "params", "train_seconds")
_EPOCHS: dict[Epoch, str] = {
    "best": "the best epoch",
    "last": "the last epoch",
    "own": "each run's chosen epoch",
}


@dataclass(frozen=True)
class Value:
    """Mean and sample standard deviation over the seeds; std is None for a single one."""

    mean: float
    std: float | None


@dataclass(frozen=True)
class Row:
    """One config: the values of the differing keys, and its metrics over n seeds.

    Args:
        entries: its runs, one a seed, by seed.
        samples: of each metric its value by seed.
        difference: to the first row, in the metric that the leaderboard compares; None where the
            two were evaluated on different sequences: their scores are not pairs.
        apart: why there is no difference, as `other test set`.
        lost: how many further seeds ended how, of those that diverged or failed.
    """

    config: dict[str, Any]
    entries: list[Entry]
    metrics: dict[str, Value]
    samples: dict[str, dict[int, float]]
    difference: Difference | None = None
    apart: str = ""
    lost: Mapping[str, int] = field(default_factory=dict[str, int])

    @property
    def n(self) -> int:
        return len(self.entries)

    @property
    def data(self) -> str:
        """A text that rows share which were evaluated on the same sequences."""
        return value_key(sets_of(self.entries[0]))

    @property
    def lost_words(self) -> str:
        """`2 of 7 diverged`; empty where no seed is lost."""
        total = self.n + sum(self.lost.values())
        ended = [f"{number} of {total} {state}" for state, number in self.lost.items()]
        return ", ".join(ended)


@dataclass(frozen=True)
class Leaderboard:
    """Rows, best first by `monitor`, with the keys in which the configs differ.

    Args:
        compared: the metric in which the rows are compared with the first one: of the test split
            where there is one, as it has not chosen the first.
        grid: the combinations of the keys' values and the seeds, and which runs are missing.
        left_out: how many runs repeat the config, data and seed of a newer one.
        epoch: at which epoch the metrics are: the best one by the monitor; the last one, where
            what a run monitors was not logged; or what each run's own monitor has chosen.
        ended: of the missing runs, how many ended how.
    """

    keys: list[str]
    monitor: str
    rows: list[Row]
    compared: str
    grid: Grid
    left_out: int
    epoch: Epoch = "best"
    ended: Mapping[str, int] = field(default_factory=dict[str, int])

    @property
    def chosen_by(self) -> str:
        """`val/loss of the best epoch`: what ranks the rows."""
        return f"{self.monitor} of {_EPOCHS[self.epoch]}"


def leaderboard(entries: Sequence[Entry], planned: Iterable[Mapping[str, Any]] = ()) -> Leaderboard:
    """Ranks the complete runs.

    The order is that of the mean of the monitored validation metric, equal ones by validation
    loss; test metrics never decide. Without a validation split the training loss decides, or the
    training accuracy where the loss itself differs between the runs.

    Args:
        entries: runs of one folder, those that are not complete too: what was swept is swept,
            even if a single value of it has come to an end.
        planned: the configs of the sweep's members, of those that have not started too.
    """
    complete = [entry for entry in entries if entry.state == "complete"]
    planned = list(planned)
    wanted = [config for config in (*(e.config for e in entries), *planned) if config]
    told = distinguishing_keys(wanted)
    datasets = data_names(complete)
    keys = [key for key in told if key != "seed"]
    groups: dict[tuple[str, ...], list[Entry]] = {}
    for entry in complete:
        values = (value_key(entry.config.get(key)) for key in keys)
        groups.setdefault((*values, data_key(entry)), []).append(entry)
    kept = [newest(group) for group in groups.values()]
    lost = lost_seeds(entries)
    rows = [_row(group, keys, datasets, lost) for group in kept]
    monitor = monitor_of(entry.config for entry in complete)
    if not any(monitor in row.metrics for row in rows):
        monitor = without_validation(entry.config for entry in complete)
    rows = _ordered(rows, monitor)
    compared = compared_metric(monitor, rows[0].metrics if rows else ())
    grid = holes([entry.config for entry in complete], told, wanted)
    left_out = len(complete) - sum(map(len, kept))
    shown = [*keys, DATA] if datasets else keys
    ended = ended_in(grid, entries, planned)
    rows = _compare(rows, compared)
    epoch = _epoch(complete, monitor)
    return Leaderboard(shown, monitor, rows, compared, grid, left_out, epoch, ended)


def has_chosen(board: Leaderboard) -> bool:
    """Whether the rows are compared on the split that has ranked them.

    The first is then the one that was lucky on it: differences to it look larger than they are, and
    their p smaller.
    """
    return board.compared.partition("/")[0] == board.monitor.partition("/")[0]


def newest(entries: Sequence[Entry]) -> list[Entry]:
    """Of runs that repeat a seed the one that ended last; by seed.

    The same config, data and seed have one run_id as long as they give the same result: a second
    one is from a version of seqsweep that gave another.
    """
    by_seed: dict[int, list[Entry]] = {}
    for entry in entries:
        by_seed.setdefault(seed_of(entry), []).append(entry)
    return [
        group[0] if len(group) == 1 else max(group, key=_ended)
        for _, group in sorted(by_seed.items())
    ]


def seed_of(entry: Entry) -> int:
    """0 where the config has none."""
    seed = entry.config.get("seed")
    return seed if isinstance(seed, int) else 0


def _ended(entry: Entry) -> float:
    """When the record was written, in seconds since 1970."""
    try:
        return (entry.folder.path / "record.json").stat().st_mtime
    except OSError:
        return 0.0


def _compare(rows: Sequence[Row], metric: str) -> list[Row]:
    """Adds the differences to the first, for configs evaluated on the same sequences.

    Of the seeds that a row shares with the first those count that have equal sets.
    """
    first = _sets_by_seed(rows[0]) if rows else {}
    judged: list[Row] = []
    samples: list[dict[int, float]] = []
    for row in rows:
        own = _sets_by_seed(row)
        shared = sorted(own.keys() & first.keys())
        pairs = [(first[seed], own[seed]) for seed in shared]
        pairs = pairs or [(next(iter(first.values())), next(iter(own.values())))]
        reasons = [why_apart(one, other) for one, other in pairs]
        apart = reasons[0] if all(reasons) else ""
        judged.append(replace(row, apart=apart))
        if not apart:
            unequal = {seed for seed, why in zip(shared, reasons, strict=False) if why}
            sample = row.samples.get(metric, {})
            samples.append({seed: sample[seed] for seed in sample if seed not in unequal})
    differences = iter(differences_to_best(samples, best=0) if samples else [])
    return [row if row.apart else replace(row, difference=next(differences)) for row in judged]


def _sets_by_seed(row: Row) -> dict[int, Sets]:
    return {seed_of(entry): sets_of(entry) for entry in row.entries}


def _epoch(complete: Sequence[Entry], monitor: str) -> Epoch:
    """Which epoch the runs kept that have the metric; without what they monitor it is the last."""
    found: set[Epoch] = set()
    for entry in complete:
        own, logged = entry.config.get("monitor") or DEFAULT_MONITOR, numbers(entry)
        if monitor in logged:
            found.add("last" if own not in logged else "best" if own == monitor else "own")
    return found.pop() if len(found) == 1 else "own" if found else "best"


def _row(
    group: list[Entry],
    keys: Sequence[str],
    datasets: Mapping[str, str],
    lost: Mapping[str, Mapping[str, int]],
) -> Row:
    samples: dict[str, dict[int, float]] = {}
    for entry in group:
        for name, value in numbers(entry).items():
            samples.setdefault(name, {})[seed_of(entry)] = value
    config = {key: group[0].config.get(key) for key in keys}
    if datasets:
        config[DATA] = datasets[data_key(group[0])]
    metrics = {name: _value(list(sample.values())) for name, sample in samples.items()}
    return Row(config, group, metrics, samples, lost=lost.get(group[0].folder.run_id, {}))


def numbers(entry: Entry) -> dict[str, float]:
    """The metrics of a finished run and what it cost: what is there, and is a finite number."""
    record = entry.record or {}
    found = (record.get("metrics") or {}) | {name: record.get(name) for name in _OF_RECORD}
    return {
        name: float(value)
        for name, value in found.items()
        if isinstance(value, (int, float)) and math.isfinite(value)
    }


def _value(sample: Sequence[float]) -> Value:
    std = deviation(sample) if len(sample) > 1 else None
    return Value(math.fsum(sample) / len(sample), std)


def _ordered(rows: Sequence[Row], monitor: str) -> list[Row]:
    """Sorts the best first; equal rows are in the order of their configs, for all readers."""
    sign = 1 if lower_is_better(monitor) else -1
    means = [row.metrics[monitor].mean if monitor in row.metrics else None for row in rows]
    ties = [row.metrics[TIE_BREAKER].mean if TIE_BREAKER in row.metrics else 0.0 for row in rows]
    first = places_by_size([math.inf if mean is None else sign * mean for mean in means])
    second = places_by_size(ties)
    keys = [
        (place, tie, value_key(row.config))
        for place, tie, row in zip(first, second, rows, strict=True)
    ]
    return [rows[index] for index in sorted(range(len(rows)), key=lambda index: keys[index])]


def shares_time(board: Leaderboard) -> bool:
    """Returns whether runs trained in a stack: each has an equal part of its time."""
    return any(len(row.entries[0].folder.company() or ()) > 1 for row in board.rows)


def tied_with_first(board: Leaderboard) -> int:
    """The number of rows that equal the first in the ranking metric, the first included."""
    means = [row.metrics[board.monitor].mean for row in board.rows if board.monitor in row.metrics]
    places = places_by_size(means)
    return places.count(places[0]) if places else 0
