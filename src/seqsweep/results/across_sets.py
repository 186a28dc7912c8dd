"""Builds the table of configs by data sets: the only place where data sets meet.

A cell is the mean of a config over its replicates on one data set. Accuracies of different test
sets have no common scale and are never averaged. The configs are compared by their ranks.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from seqsweep.results.data_sets import DataSet, data_sets, source_keys
from seqsweep.results.datasets import sets_of
from seqsweep.results.formatting import count, key_names, run_label
from seqsweep.results.grouping import group_by
from seqsweep.results.naming import distinguishing_keys, follows
from seqsweep.results.ranks import Ranking, rank_methods
from seqsweep.results.replicates import Variation, replicate_of, variation_of
from seqsweep.results.run_numbers import newest, numbers
from seqsweep.results.significance import Estimate, estimate
from seqsweep.runs.ledger import Entry, value_key
from seqsweep.runs.metric_names import compared_metric, lower_is_better, monitor_of
from seqsweep.runs.replicate_keys import REPLICATE_KEYS


@dataclass(frozen=True)
class Method:
    """A config over all data sets, or a column of published results.

    Args:
        words: The values that distinguish the config: `hidden_size=16`.
        keys: The values of the keys in which the configs differ.
        cells: The estimate on each data set; None where the config has no complete run.
    """

    words: str
    keys: dict[str, Any]
    cells: list[Estimate | None]


@dataclass(frozen=True)
class AcrossSets:
    """The table of methods by data sets.

    Args:
        metric: The metric of the cells.
        sets: The names of the data sets, in the order of the cells.
        methods: The methods, by mean rank; in their own order if there are no ranks.
        left_out: The data sets that the ranks leave out, each with the reason.
        ranking: The ranks over the other data sets, in the order of `methods`. None for one method
            and for fewer than two data sets.
        uneven: Whether the cells are means of different numbers of runs.
        noun: What a method is called: `config`, or `method` beside published results.
    """

    metric: str
    sets: list[str]
    methods: list[Method]
    left_out: dict[str, str]
    ranking: Ranking | None
    uneven: bool
    noun: str = "config"


def across_sets(
    entries: Sequence[Entry], planned: Iterable[Mapping[str, Any]] = ()
) -> AcrossSets | None:
    """The table of a folder with several data sets; None for one data set.

    A config is what remains of a run's config without its data set, its replicate and all that
    follows from the data set, such as the batch size that `experiment=` chooses.

    Args:
        entries: The runs of the folder in any state.
        planned: The configs of the sweep's members that have not started.
    """
    sets = data_sets(entries, planned)
    if len(sets) < 2 or not any(_complete(one) for one in sets):
        return None
    keys = config_keys(sets)
    metric = shared_metric(sets)
    names = key_names(keys)
    methods: dict[str, Method] = {}
    # A config that a search has pruned on every data set has no row.
    for config in (config for one in sets for config in _not_pruned(one)):
        values = {key: config.get(key) for key in keys}
        words = run_label(values, names) or "all runs"
        methods.setdefault(value_key(values), Method(words, values, [None] * len(sets)))
    for index, one in enumerate(sets):
        groups = group_by(_complete(one), lambda e: _point(e.config, keys))
        variation = variation_of(list(groups.values()))
        for point, group in groups.items():
            methods[point].cells[index] = cell(group, metric, variation)
    apart = {one.name: _why_apart(one, metric) for one in sets}
    return table(metric, [one.name for one in sets], list(methods.values()), apart)


def table(
    metric: str,
    sets: Sequence[str],
    methods: Sequence[Method],
    apart: Mapping[str, str] | None = None,
    noun: str = "config",
) -> AcrossSets:
    """Ranks the methods on their common data sets, and orders them by mean rank.

    Args:
        apart: Reasons to leave out data sets, by name; empty where there is none.
        noun: What a method is called.
    """
    left_out = {
        name: reason
        for index, name in enumerate(sets)
        if (reason := (apart or {}).get(name) or _missing_words(methods, index, noun))
    }
    kept = [index for index, name in enumerate(sets) if name not in left_out]
    runs = {one.n for method in methods for one in method.cells if one is not None}
    ranking = None
    if len(methods) > 1 and len(kept) > 1:
        order = _rank(methods, kept, metric).order
        methods = [methods[index] for index in order]
        ranking = _rank(methods, kept, metric)
    return AcrossSets(metric, list(sets), list(methods), left_out, ranking, len(runs) > 1, noun)


def config_keys(sets: Sequence[DataSet]) -> list[str]:
    """The keys that distinguish configs, whatever their data set and replicate."""
    configs = [config for one in sets for config in one.configs]
    names = [one.name for one in sets for _ in one.configs]
    of_source = {key for config in configs for key in source_keys(config)}
    return [
        key
        for key in distinguishing_keys(configs)
        if key not in REPLICATE_KEYS
        and key not in of_source
        and not follows(names, [value_key(config.get(key)) for config in configs])
    ]


def shared_metric(sets: Sequence[DataSet]) -> str:
    """The metric that all data sets have, of the test split if possible.

    Data sets without a complete run do not count.
    """
    complete = [entries for one in sets if (entries := _complete(one))]
    recorded = [{name for entry in entries for name in numbers(entry)} for entries in complete]
    monitor = monitor_of(entry.config for entries in complete for entry in entries)
    return compared_metric(monitor, set[str].intersection(*recorded))


def cell(group: Sequence[Entry], metric: str, variation: Variation) -> Estimate | None:
    """The mean of a config's replicates on a data set; a repeated replicate counts once."""
    values = [numbers(entry).get(metric) for entry in newest(group, variation)]
    known = [value for value in values if value is not None]
    return estimate(known) if known else None


def _not_pruned(one: DataSet) -> list[Mapping[str, Any]]:
    return [*(e.config for e in one.entries if e.state != "pruned"), *one.planned]


def _complete(one: DataSet) -> list[Entry]:
    return [entry for entry in one.entries if entry.state == "complete"]


def _point(config: Mapping[str, Any], keys: Sequence[str]) -> str:
    return value_key({key: config.get(key) for key in keys})


def _rank(methods: Sequence[Method], kept: Sequence[int], metric: str) -> Ranking:
    scores = [[one.mean for method in methods if (one := method.cells[index])] for index in kept]
    return rank_methods(scores, lower_is_better(metric))


def _why_apart(one: DataSet, metric: str) -> str:
    """The reason if configs were scored on different sequences; empty if not."""
    split = metric.partition("/")[0]
    if split not in ("val", "test"):
        return ""
    # Other folds have other test sets by design, so only runs of one split are compared.
    for group in group_by(_complete(one), lambda entry: replicate_of(entry).split).values():
        if len({getattr(sets_of(entry), split) for entry in group}) > 1:
            name = "test" if split == "test" else "validation"
            return f"its configs have different {name} sets"
    return ""


def _missing_words(methods: Sequence[Method], index: int, noun: str) -> str:
    """Says which methods have no score on a data set; empty if all have one."""
    missing = [method.words for method in methods if method.cells[index] is None]
    if not missing:
        return ""
    named = missing[0] if len(missing) == 1 else count(len(missing), noun)
    return f"{named} {'has' if len(missing) == 1 else 'have'} no score on it"
