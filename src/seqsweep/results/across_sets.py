"""Compares configs over several data sets, in one table.

A row is a config and a column is a data set. A cell is the mean score of the config's replicates
(its runs with several seeds or splits) on this data set. If the replicates have several splits of
the data, the cell is the mean over the splits that all configs have. Accuracies of different test
sets have no common scale and are never averaged. The configs are compared by their ranks. No other
table compares data sets.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from seqsweep.results.data_sets import DataSet, data_sets, group_by, sets_of
from seqsweep.results.formatting import config_label, key_names, split_words, value_text
from seqsweep.results.keys import config_keys
from seqsweep.results.leaderboard import Leaderboard, leaderboard
from seqsweep.results.measures import Measure
from seqsweep.results.ranks import Ranking, rank_methods
from seqsweep.results.replicates import (
    newest,
    restrict,
    sample_of,
    shared_metric,
    shared_splits,
    variation_of,
)
from seqsweep.results.significance import Estimate, ranks_by_size
from seqsweep.runs.identity import FlatConfig
from seqsweep.runs.ledger import Entry, value_key
from seqsweep.runs.metrics import Metric
from seqsweep.text import count, did_you_mean


@dataclass(frozen=True)
class Method:
    """A config or a published method, with its score on each data set.

    Args:
        words: The values that distinguish the config, such as `hidden_size=16`.
        cells: The estimate on each data set; None where the config has no score.
    """

    words: str
    keys: dict[str, Any]
    cells: list[Estimate | None]


@dataclass(frozen=True)
class AcrossSets:
    """The scores of several methods on several data sets, with the ranks.

    Args:
        sets: The names of the data sets, in the order of the cells.
        methods: The methods, ordered by mean rank, or in the given order if there are no ranks.
        left_out: The data sets that the ranks leave out, each with the reason.
        ranking: The ranks over the data sets that are not left out, in the order of `methods`. None
            for one method, or if fewer than two data sets remain.
        noun: The word for a method: `config`, or `method` if published results are in the table.
    """

    metric: Metric
    sets: list[str]
    methods: list[Method]
    left_out: dict[str, str]
    ranking: Ranking | None
    noun: str = "config"

    def best_of(self, index: int) -> list[int]:
        """Returns the methods with the best score on a data set."""
        sign = 1 if self.metric.lower_is_better else -1
        scored = [n for n, method in enumerate(self.methods) if method.cells[index]]
        cells = [self.methods[n].cells[index] for n in scored]
        ranks = ranks_by_size([sign * cell.mean for cell in cells if cell])
        return [n for n, rank in zip(scored, ranks, strict=True) if rank == 0]


def across_sets(entries: Sequence[Entry], planned: Iterable[FlatConfig] = ()) -> AcrossSets | None:
    """Returns the table; None for only one data set, or without a complete run.

    A row is a config without three kinds of keys: keys that choose the data set, keys that
    distinguish replicates (such as `seed`), and keys whose value depends only on the data set (such
    as the batch size that `experiment=` chooses).

    Args:
        planned: The configs of the sweep's members that have not started.
    """
    sets = data_sets(entries, planned)
    complete = [runs for one in sets if (runs := one.complete)]
    if len(sets) < 2 or not complete:
        return None
    keys = config_keys(sets)
    metric = shared_metric(complete)
    names = key_names(keys, [config for one in sets for config in one.configs])
    methods: dict[str, Method] = {}
    # A config that a search has pruned on every data set has no row.
    for one in sets:
        begun = [entry.config for entry in one.entries if entry.state != "pruned"]
        for config in (*begun, *one.planned):
            values = {key: config.get(key) for key in keys}
            words = config_label(values, names, keys) or "all runs"
            methods.setdefault(value_key(values), Method(words, values, [None] * len(sets)))
    apart: dict[str, str] = {}
    for index, one in enumerate(sets):
        cells, apart[one.name] = _cells(one, keys, metric)
        for point, cell in cells.items():
            methods[point].cells[index] = cell
    return table(metric, [one.name for one in sets], list(methods.values()), apart)


def boards_by(sets: Sequence[DataSet], key: str) -> dict[str, list[Leaderboard]]:
    """Returns the leaderboards of each value of a key, one for each data set."""
    boards: dict[str, list[Leaderboard]] = {}
    empty = leaderboard([])
    for index, one in enumerate(sets):
        groups = group_by(one.entries, lambda entry: value_text(key, entry.config.get(key)))
        for value, group in groups.items():
            boards.setdefault(value, [empty] * len(sets))[index] = leaderboard(group)
    return boards


def across_values(entries: Sequence[Entry], key: str) -> AcrossSets:
    """Compares the values of a key over several data sets.

    On each data set, validation chooses the config for each value, and the cell has its score.

    Raises:
        ValueError: no run has the key, or there is only one data set.
    """
    known = {name for entry in entries for name in entry.config}
    if key not in known:
        raise ValueError(f"{key}: no run has this key{did_you_mean(key, known, 0.5)}")
    sets = data_sets(entries)
    if len(sets) < 2:
        raise ValueError(f"{key}: its values are compared over data sets, and there is only one")
    metric = shared_metric([runs for one in sets if (runs := one.complete)])
    methods = [
        Method(value, {}, [b.rows[0].metrics.get(metric) if b.rows else None for b in boards])
        for value, boards in boards_by(sets, key).items()
    ]
    return table(metric, [one.name for one in sets], methods, noun="method")


def table(
    metric: Metric,
    sets: Sequence[str],
    methods: Sequence[Method],
    apart: Mapping[str, str] | None = None,
    noun: str = "config",
) -> AcrossSets:
    """Orders the methods by their mean rank on their common data sets.

    Args:
        apart: Why each data set is left out, by its name; an empty text keeps the data set.
    """
    left_out = {
        name: reason
        for index, name in enumerate(sets)
        if (reason := (apart or {}).get(name) or _missing_words(methods, index, noun))
    }
    kept = [index for index, name in enumerate(sets) if name not in left_out]
    ranking = None
    if len(methods) > 1 and len(kept) > 1:
        order = _rank(methods, kept, metric).order
        methods = [methods[index] for index in order]
        ranking = _rank(methods, kept, metric)
    return AcrossSets(metric, list(sets), list(methods), left_out, ranking, noun)


def _rank(methods: Sequence[Method], kept: Sequence[int], metric: Metric) -> Ranking:
    scores = [[one.mean for method in methods if (one := method.cells[index])] for index in kept]
    return rank_methods(scores, metric.lower_is_better)


def _cells(one: DataSet, keys: Sequence[str], metric: Metric) -> tuple[dict[str, Estimate], str]:
    """Returns the configs' means, and why the ranks leave out the data set, if so."""
    groups = group_by(
        one.complete, lambda entry: value_key({key: entry.config.get(key) for key in keys})
    )
    variation = variation_of(list(groups.values()))
    runs = {p: variation.by_replicate(newest(group, variation)) for p, group in groups.items()}
    # Folds and random splits differ in their test sets, so only common splits count.
    splits = shared_splits(list(runs.values()), metric)
    cells: dict[str, Estimate] = {}
    for point, by_replicate in runs.items():
        if sample := restrict(sample_of(by_replicate, metric), splits):
            cells[point] = Measure(metric, variation).mean(sample)
    return cells, _why_apart(one, metric, bool(splits) if variation.resampled else None)


def _why_apart(one: DataSet, metric: Metric, share_splits: bool | None) -> str:
    """Says why the configs' scores are not comparable; empty if they are."""
    split = metric.split_name
    if split not in ("val", "test"):
        return ""
    if share_splits is None:  # only the seeds vary
        share_splits = len({getattr(sets_of(entry), split) for entry in one.complete}) < 2
    return "" if share_splits else f"its configs have different {split_words(split)} sets"


def _missing_words(methods: Sequence[Method], index: int, noun: str) -> str:
    """Says which methods have no score on a data set, if any."""
    missing = [method.words for method in methods if method.cells[index] is None]
    if not missing:
        return ""
    named = missing[0] if len(missing) == 1 else count(len(missing), noun)
    return f"{named} {'has' if len(missing) == 1 else 'have'} no score on it"
