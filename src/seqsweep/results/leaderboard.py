"""Ranks the configs of a folder by their mean over replicates.

The validation metric ranks the configs. If the replicates have several splits of the data, only
splits that all configs have count, if there are any. Otherwise a config with runs only on easy
folds would come first. Then each config is compared with the first config on the test metric,
replicate by replicate. If the runs of a config have different data, the config has a row for each
data set. Data sets are ranked and compared separately: the rows of one data set come before those
of the next.

A search chooses its best configs by scores that are partly luck, and may train them again with
fresh seeds. For such a config, only the runs with fresh seeds count. Such configs come first, and
only they are compared.
"""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Literal

from seqsweep.results.data_sets import (
    DataSet,
    data_key,
    data_names,
    data_sets,
    group_by,
    tested_units,
)
from seqsweep.results.effects import Effect, Grid, find_missing, independent_keys, main_effects
from seqsweep.results.formatting import config_label, key_names, known_settings
from seqsweep.results.keys import DATA, config_keys, distinguishing_keys
from seqsweep.results.replicates import Variation, newest, numbers, shared_metric, variation_of
from seqsweep.results.rows import Row, compare_rows, make_row, shared_means, with_data
from seqsweep.results.significance import ranks_by_size
from seqsweep.runs.identity import REPLICATE_KEYS, FlatConfig
from seqsweep.runs.ledger import Entry, differing_keys, value_key
from seqsweep.runs.metrics import (
    OURS,
    Metric,
    compared_metric,
    monitor_of_config,
    ranking_metric,
    without_validation,
)
from seqsweep.runs.record import State
from seqsweep.runs.sweepfile import chosen_runs

_NETWORK = ("model.cell", "model.hidden_size", "model.num_layers", "model.bidirectional")
"""The keys whose values name a config if no key distinguishes the configs."""

TIE_BREAKER = OURS["val/loss"]
"""The metric that decides between rows with equal means of the monitor."""

Epoch = Literal["best", "last", "own"]

_EPOCHS: dict[Epoch, str] = {
    "best": "the best epoch",
    "last": "the last epoch",
    "own": "each run's chosen epoch",
}


@dataclass(frozen=True)
class Leaderboard:
    """The rows, best first by `monitor`, and the keys that differ.

    Args:
        compared: The metric in which each row is compared with the first row. It is a test metric
            if there is a test split, because the test split does not affect the ranking.
        grid: The combinations of values and replicates, and the missing runs.
        left_out: The number of runs that repeat the config, data and replicate of a newer run.
        epoch: The epoch of the metrics: `best` by the monitor, `last` if no run logged the metric
            that it monitors, or `own` in other cases: each run's own monitor chose its epoch.
        missing_states: The number of missing runs by state.
        pruned: The number of runs that a search has ended early; they have no test metrics.
        sets: The number of data sets. The rows of each data set are ranked separately.
    """

    keys: list[str]
    monitor: Metric
    rows: list[Row]
    compared: Metric
    grid: Grid
    left_out: int
    epoch: Epoch = "best"
    missing_states: Mapping[str, int] = field(default_factory=dict[str, int])
    pruned: int = 0
    sets: int = 1
    variation: Variation = field(default_factory=Variation)

    @property
    def entries(self) -> list[Entry]:
        """All counted runs; the runs of the best config come first."""
        return [entry for row in self.rows for entry in row.entries]

    @property
    def best(self) -> Entry:
        """The best run of the best config, on the config's first split."""
        row = self.rows[0]
        runs, sample = self.variation.by_replicate(row.entries), row.samples.get(self.monitor, {})
        first = min(replicate.split for replicate in sample or runs)
        sign = -1 if self.monitor.lower_is_better else 1
        # If no run has logged the metric, all runs are equal, and the first one is taken.
        candidates = [replicate for replicate in runs if replicate.split == first]
        return runs[max(candidates, key=lambda key: sign * sample.get(key, -sign * math.inf))]

    @cached_property
    def effects(self) -> list[Effect]:
        """The main effects of the keys on the compared metric; empty for several data sets."""
        # Each config counts once, so a config with many replicates does not weigh more.
        scored = [row for row in self.rows if self.compared in row.metrics and self.sets == 1]
        means = [row.metrics[self.compared].mean for row in scored]
        return main_effects([row.config for row in scored], means)

    @cached_property
    def telling_keys(self) -> list[str]:
        """The keys that suffice to distinguish the configs."""
        return independent_keys(self.keys, [row.config for row in self.rows])

    @cached_property
    def words(self) -> list[str]:
        """The values that distinguish each config: `hidden_size=8 lr=0.01`, or just `gru`."""
        configs = [row.config for row in self.rows]
        if keys := self.telling_keys:
            names = key_names(self.keys, configs)
            return [config_label(config, names, keys) for config in configs]
        network = key_names(_NETWORK)
        words = [known_settings(row.entries[0].config, network) for row in self.rows]
        return [one or "this run" for one in words]

    @property
    def has_replicates(self) -> bool:
        """Returns whether a config has more than one run."""
        return any(row.n > 1 for row in self.rows)

    def scores(self, row: Row) -> list[tuple[int | str, float]]:
        """Returns the compared metric of a row by seed, or by `fold=1 seed=0` if splits vary."""
        samples = sorted(row.samples.get(self.compared, {}).items())
        return [(self.variation.label(replicate), value) for replicate, value in samples]

    @property
    def chosen_by(self) -> str:
        """The metric that ranks the rows: `val/loss of the best epoch`."""
        return f"{self.monitor or 'no metric'} of {_EPOCHS[self.epoch]}"

    @property
    def compares_on_ranking_split(self) -> bool:
        """Returns whether the rows are compared on the split that ranked them.

        If so, the first row is first partly by luck, and differences to it look too large.
        """
        return bool(self.monitor) and self.compared.split_name == self.monitor.split_name

    @property
    def tested(self) -> tuple[int, str]:
        """The `tested_units` behind a score; 0 of them if splits vary."""
        size, unit = tested_units(self.rows[0].entries[0].record, self.compared)
        # The interval over splits already includes the variation between test sets.
        return (0 if self.variation.resampled else size), unit

    @property
    def tied(self) -> int:
        """The number of rows with the first row's mean of `monitor`, including the first."""
        means = shared_means(self.rows, self.monitor, self.variation)
        ranks = ranks_by_size([mean for mean in means if mean is not None])
        return ranks.count(ranks[0]) if ranks else 0


def leaderboard(entries: Sequence[Entry], planned: Iterable[FlatConfig] = ()) -> Leaderboard:
    """Ranks configs by the means over their complete runs.

    Rows are ordered by the mean of the monitored validation metric. Validation loss decides between
    equal rows; test metrics never decide. Without a validation split the training loss ranks the
    rows. If the runs have different loss functions (keys `loss.*`), training accuracy does.

    Args:
        entries: The runs of one folder, including incomplete runs: a key is swept even if only one
            of its values has a complete run.
        planned: The configs of the sweep's members that have not started.
    """
    # A run that diverged or is training has no score that could be ranked.
    complete = [entry for entry in entries if entry.state == "complete"]
    planned = list(planned)
    # A damaged config is empty, and would make every key look swept.
    wanted = [config for config in (*(e.config for e in entries), *planned) if config]
    swept = distinguishing_keys(wanted)
    keys = [key for key in swept if key not in REPLICATE_KEYS]
    datasets = data_names(complete)
    # One row per config and data set; a repeated replicate counts once.
    points = group_by(
        complete, lambda e: (value_key([e.config.get(key) for key in keys]), data_key(e))
    )
    repeated = list(points.values())
    variation, lost = variation_of(repeated), count_lost(entries)
    groups = [newest(group, variation) for group in repeated]
    left_out = len(complete) - sum(map(len, groups))
    chosen = chosen_runs({entry.folder.path.parent for entry in complete})
    groups = [[e for e in group if e.folder.run_id not in chosen] or group for group in groups]
    rows = [make_row(group, keys, datasets, lost, variation) for group in groups]
    rows = [replace(row, is_chosen=_id(row) in chosen) for row in rows]
    # Rank by the metric that the runs monitored, or by a training metric if no run logged it.
    configs = [entry.config for entry in complete] or wanted
    monitor = ranking_metric(configs, (entry.record for entry in complete))
    if rows and monitor.is_ours and not any(monitor in row.metrics for row in rows):
        monitor = without_validation(configs)
    sets = [one for one in data_sets(entries, planned) if one.complete]
    rows = _ordered(rows, monitor, variation)
    # Validation ranks the rows, so their test scores can be compared without bias.
    compared = compared_metric(monitor, rows[0].metrics if rows else ())
    if rows and not monitor.is_ours:
        compared = shared_metric([complete])
    # A search has ended the pruned runs on purpose, so they are not missing.
    left = [e for e in entries if e.config and e.state not in ("complete", "pruned")]
    asked = [*(entry.config for entry in left), *filter(None, planned)]
    grid = find_missing([entry.config for entry in complete], swept, asked)
    states = Counter(entry.state for entry in left) if grid.missing else Counter[str]()
    # Missing runs without a folder have not started.
    states["not started"] = max(0, len(grid.missing) - states.total())
    keys = [*keys, DATA] if datasets else keys
    if len(sets) > 1:
        keys, rows = _rows_of_sets(sets)
    else:
        rows = compare_rows(rows, compared, variation)
    return Leaderboard(
        keys=keys,
        monitor=monitor,
        rows=rows,
        compared=compared,
        grid=grid,
        left_out=left_out,
        epoch=_epoch(complete, monitor),
        missing_states=+states,
        pruned=sum(entry.state == "pruned" for entry in entries),
        sets=len(sets),
        variation=variation,
    )


def _rows_of_sets(sets: Sequence[DataSet]) -> tuple[list[str], list[Row]]:
    """Returns the leaderboards of several data sets as one, and its keys."""
    keys = config_keys(sets)
    rows: list[Row] = []
    for one in sets:
        for row in leaderboard(one.entries, one.planned).rows:
            config = {key: row.entries[0].config.get(key) for key in keys}
            rows.append(replace(row, config={DATA: one.name} | config))
    return [DATA, *keys], rows


def _id(row: Row) -> str:
    return row.entries[0].folder.run_id


def _ordered(rows: Sequence[Row], monitor: Metric, variation: Variation) -> list[Row]:
    """Sorts the rows of a data set, best first, and says which sequences they share."""
    sign = 1 if monitor.lower_is_better else -1
    means = shared_means(rows, monitor, variation)
    ties = [mean or 0.0 for mean in shared_means(rows, TIE_BREAKER, variation)]
    # Rows without the metric come last.
    first = ranks_by_size([math.inf if mean is None else sign * mean for mean in means])
    second = ranks_by_size(ties)
    keys = [
        # The config ends the sort key, so that equal rows have the same order every time.
        (row.is_chosen, rank, tie, value_key(row.config))
        for rank, tie, row in zip(first, second, rows, strict=True)
    ]
    order = sorted(range(len(rows)), key=lambda index: keys[index])
    return with_data([rows[index] for index in order], variation, monitor)


def _epoch(complete: Sequence[Entry], monitor: str) -> Epoch:
    """Says which epoch of the runs the metric's values come from."""
    epochs: set[Epoch] = set()
    for entry in complete:
        own = monitor_of_config(entry.config)
        if own == monitor and "best" in epochs:  # the usual run says nothing new
            continue
        if monitor in (logged := numbers(entry)):
            # A run that never logged its own monitor keeps its last epoch.
            epochs.add("last" if own not in logged else "best" if own == monitor else "own")
    return epochs.pop() if len(epochs) == 1 else "own" if epochs else "best"


_LOST: tuple[State, ...] = ("diverged", "failed")


def count_lost(entries: Sequence[Entry]) -> dict[str, dict[str, int]]:
    """Counts failed and diverged replicates of each run's config, by run_id."""
    # Most sweeps have no lost replicate, and finding the keys below takes time.
    if not any(entry.state in _LOST for entry in entries):
        return {}
    differing = differing_keys([entry.config for entry in entries])
    keys = [key for key in differing if key not in REPLICATE_KEYS]
    points = group_by(entries, lambda e: value_key([e.config.get(key) for key in keys]))
    lost: dict[str, dict[str, int]] = {}
    for group in points.values():
        states = Counter(entry.state for entry in group)
        if counts := {state: states[state] for state in _LOST if states[state]}:
            lost |= {entry.folder.run_id: counts for entry in group}
    return lost
