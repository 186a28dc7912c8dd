"""Makes a leaderboard's rows, and compares them with the first row."""

import functools
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from seqsweep.config import CONF_DIR
from seqsweep.results.data_sets import DataSet, Sets, data_key, reasons_apart, sets_of, source_keys
from seqsweep.results.measures import Measure
from seqsweep.results.replicates import Replicate, Variation, numbers, restrict, shared_splits
from seqsweep.results.significance import Difference, Estimate
from seqsweep.runs.documents import read_yaml
from seqsweep.runs.identity import CODE, REPLICATE_KEYS, Config, FlatConfig
from seqsweep.runs.ledger import Entry, differing_keys, value_key
from seqsweep.runs.metrics import Metric, as_metric

DATA = "data"
"""The key of the data fingerprint in `Row.config`, if no other key distinguishes the data sets."""


@dataclass(frozen=True)
class Row:
    """One config with its metrics over n replicates.

    Args:
        entries: The runs, one per replicate, ordered by replicate.
        samples: The values of each metric by replicate.
        difference: The difference to the first row in the compared metric; None if `apart` says why
            the rows are not compared. The first row has the verdict `best`.
        apart: The reason for a missing difference, such as `other test set`.
        lost: The number of further replicates that diverged or failed, by state.
        data: A text that is equal for rows evaluated on the same sequences.
        rank: The rank from 1 among the rows of its data set.
        is_chosen: Whether the runs are trials, by which a search chose its best configs, and no run
            has a fresh seed.
        words: The values that distinguish the config, as `Leaderboard.words` has them.
    """

    config: Config
    entries: list[Entry]
    metrics: dict[str, Estimate]
    samples: dict[str, dict[Replicate, float]]
    difference: Difference | None = None
    apart: str = ""
    lost: Mapping[str, int] = field(default_factory=dict[str, int])
    data: str = ""
    is_chosen: bool = False
    rank: int = 0
    words: str = ""

    @property
    def n(self) -> int:
        return len(self.entries)

    @property
    def lost_words(self) -> str:
        """Says how many replicates are lost: `2 of 7 diverged`; empty for none."""
        total = self.n + sum(self.lost.values())
        return ", ".join(f"{number} of {total} {state}" for state, number in self.lost.items())

    @property
    def verdict(self) -> str:
        """The verdict of the comparison, or the reason why it is missing."""
        return self.apart or (self.difference.verdict if self.difference else "best")

    @property
    def differs_by_t(self) -> bool:
        """Returns whether only the t-test finds a difference, with few seeds."""
        difference = self.difference
        return self.verdict == "undecided" and difference is not None and difference.differs_by_t


def make_row(
    group: list[Entry],
    keys: Sequence[str],
    datasets: Mapping[str, str],
    lost: Mapping[str, Mapping[str, int]],
    variation: Variation,
    metric: Metric | None = None,
) -> Row:
    """Makes a row from the runs of one config on one data set.

    Args:
        datasets: The result of `data_names`.
        lost: The result of `leaderboard.count_lost`.
        metric: The only metric that the row needs; None for all.
    """
    samples: dict[str, dict[Replicate, float]] = {}
    for entry in group:
        replicate = variation.replicate_of(entry)
        for name, value in numbers(entry).items():
            if metric in (None, name):
                samples.setdefault(name, {})[replicate] = value
    # The runs of a group have the same values of the keys.
    config = {key: group[0].config.get(key) for key in keys}
    if datasets:
        config[DATA] = datasets[data_key(group[0])]
    metrics = {n: Measure(as_metric(n), variation).mean(s) for n, s in samples.items()}
    return Row(config, group, metrics, samples, lost=lost.get(group[0].folder.run_id, {}))


def with_data(rows: Sequence[Row], variation: Variation, metric: Metric) -> list[Row]:
    """Sets `data` of each row, from a replicate that all rows share, if any."""
    runs = [variation.by_replicate(row.entries) for row in rows]
    shared = set[Replicate].intersection(*map(set, runs)) if runs else set()
    chosen = [of[min(shared)] if shared else next(iter(of.values())) for of in runs]
    return [
        replace(row, data=value_key(sets_of(entry, metric)))
        for row, entry in zip(rows, chosen, strict=True)
    ]


def shared_means(rows: Sequence[Row], metric: Metric, variation: Variation) -> list[float | None]:
    """Returns each row's mean over common splits, else over all replicates."""
    if not variation.resampled:
        return [row.metrics[metric].mean if metric in row.metrics else None for row in rows]
    splits = shared_splits([variation.by_replicate(row.entries) for row in rows], metric)
    measure = Measure(metric, variation)
    samples = [restrict(row.samples.get(metric, {}), splits) for row in rows]
    return [measure.mean(sample).mean if sample else None for sample in samples]


def compare_rows(rows: Sequence[Row], metric: Metric, variation: Variation) -> list[Row]:
    """Ranks the rows, and sets the `difference` or `apart` of each.

    Args:
        rows: The rows of one data set, best first.
    """
    first = sets_by_replicate(rows[0], metric, variation) if rows else {}
    checked = [check_sets(row, metric, first, variation) for row in rows]
    # A search chose these configs by scores that are partly luck, so a test would be biased.
    for index, (row, sample) in enumerate(checked):
        if not metric:
            checked[index] = replace(row, apart="no metric has a known direction"), sample
        if index and row.is_chosen:
            checked[index] = replace(row, apart=row.apart or "no fresh seeds"), sample
    # Holm's correction counts only the configs that are compared.
    samples = [sample for row, sample in checked if not row.apart]
    measure = Measure(metric, variation)
    judged = iter(measure.differences(samples))
    return [
        replace(row, rank=rank, difference=None if row.apart else next(judged))
        for rank, (row, _) in enumerate(checked, start=1)
    ]


def check_sets(
    row: Row, metric: Metric, first: Mapping[Replicate, Sets], variation: Variation
) -> tuple[Row, dict[Replicate, float]]:
    """Sets a row's `apart`; also returns the row's values on equal sequences."""
    sets = sets_by_replicate(row, metric, variation)
    reasons = reasons_apart(first, sets, variation.resampled)
    # Replicates whose sets differ from the first row's do not count.
    sample = {key: v for key, v in row.samples.get(metric, {}).items() if not reasons.get(key)}
    return replace(row, apart=next(iter(reasons.values())) if all(reasons.values()) else ""), sample


def sets_by_replicate(row: Row, metric: Metric, variation: Variation) -> dict[Replicate, Sets]:
    runs = variation.by_replicate(row.entries)
    return {key: sets_of(entry, metric) for key, entry in runs.items()}


CHOICE = "_target_"


def distinguishing_keys(
    configs: Sequence[FlatConfig],
    keep_shared: bool = False,
    differing: Sequence[str] | None = None,
) -> list[str]:
    """Returns the keys that distinguish configs: `optimizer._target_` for `optimizer=sgd,adam`.

    A `_target_` chooses a class. A key beside it, such as `optimizer.betas`, is left out if it has
    one value for each class, unless the value is not the one that our option of the class has: the
    network `rnn` may have the cell `gru`. A callback's `monitor` that always equals the run's
    `monitor` is also left out, and so is what follows from the data set (`data.batch_size`) or
    from the classes (`code`). The remaining keys distinguish the configs as well as all differing
    keys do.

    Args:
        keep_shared: Whether to keep a key that all classes have (`lr`), although the class decides
            its value, and what follows from the data set.
        differing: The `differing_keys` of the configs, if known.
    """
    columns = text_columns(differing_keys(configs) if differing is None else differing, configs)
    # A cell chooses a class too, beside which are its options.
    choices = [*choices_among(columns), *({"model.cell"} & columns.keys())]
    of_data = [key for key in columns if key.startswith("data.")]
    sources = [key for key in of_data if any(key in source_keys(config) for config in configs)]
    causes = {} if keep_shared else dict.fromkeys({*of_data} - {*sources, *REPLICATE_KEYS}, sources)
    # The code is that of the source and the classes, unless it was edited between the runs.
    causes[CODE] = [*sources, *choices]
    kept: list[str] = []
    for key, column in columns.items():
        cause = [columns[name] for name in causes.get(key, ())]
        if cause and follows(list(zip(*cause, strict=True)), column):
            continue
        # A key that some classes lack is null for these classes.
        is_optional = not keep_shared or "null" in column
        is_set_by_choice = is_optional and any(
            key != choice
            and key.startswith(choice.removesuffix(CHOICE))
            and follows(columns[choice], column)
            and not _departs(choice, key, configs)
            for choice in choices
        )
        monitors = columns.get("monitor")
        repeats_monitor = key.endswith(".monitor") and column == monitors
        if monitors and "monitor_mode" in columns and key.endswith(("monitor_mode", ".mode")):
            repeats_monitor = follows(monitors, column)
        if not is_set_by_choice and not repeats_monitor:
            kept.append(key)
    return kept


def config_keys(sets: Sequence[DataSet]) -> list[str]:
    """Returns the keys that distinguish configs over several data sets."""
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


def _departs(choice: str, key: str, configs: Sequence[FlatConfig]) -> bool:
    """Returns whether a value differs from that in our option of its class."""
    section = choice.removesuffix(f".{CHOICE}")
    name = key.removeprefix(f"{section}.")
    pairs = {(str(config.get(choice)), value_key(config.get(key))) for config in configs}
    return any(_our_option(section, target).get(name, value) != value for target, value in pairs)


@functools.cache
def _our_option(section: str, target: str) -> Mapping[str, str]:
    """Returns the values of our option that chooses a class, if any, as texts."""
    for path in sorted((CONF_DIR / section).glob("*.yaml")):
        option = read_yaml(path) or {}
        if option.get(CHOICE) == target:
            # What comes from the data or from other keys is not the option's own value.
            own = {k: v for k, v in option.items() if v is not None and "${" not in str(v)}
            return {key: value_key(value) for key, value in own.items()}
    return {}


def label_keys(configs: Sequence[FlatConfig]) -> list[str]:
    """Returns the keys in a run's label; the seed comes last.

    A key whose value depends only on a chosen class is left out, because the label names the class.
    For example, with `experiment=a,b` the class of the data decides all other values that differ.
    What `distinguishing_keys` keeps beside its own class, such as the cell of a network, remains.
    """
    configs = [config for config in configs if config]  # a damaged config is empty
    order = {key: index for index, key in enumerate(reversed(REPLICATE_KEYS))}
    keys = sorted(distinguishing_keys(configs), key=lambda key: order.get(key, -1))
    columns = text_columns(keys, configs)
    for choice in choices_among(columns):
        if choice in keys:
            keys = [
                key
                for key in keys
                if key == choice
                or f"{key.rpartition('.')[0]}.{CHOICE}" in keys
                or not follows(columns[choice], columns[key])
            ]
    return keys


def text_columns(keys: Iterable[str], configs: Sequence[FlatConfig]) -> dict[str, list[str]]:
    """Returns the values of each key in all configs, as texts."""
    return {key: [value_key(config.get(key)) for config in configs] for key in keys}


def choices_among(keys: Iterable[str]) -> list[str]:
    """Returns the keys that choose a class."""
    return [key for key in keys if key.rpartition(".")[2] == CHOICE]


def follows(first: Sequence[Hashable], second: Sequence[str]) -> bool:
    """Returns whether the second column is a function of the first."""
    return len(set(zip(first, second, strict=True))) == len(set(first))
